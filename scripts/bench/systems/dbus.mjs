// D-Bus: a dbus-daemon of its own on a Unix socket, and dbus-next. Messages are signals with one array of bytes (or one
// string), queries are method calls.
import { once } from 'node:events';
import { join } from 'node:path';
import { accepts, findMissing, startServer } from '../servers.mjs';

const CLIENT = 'dbus-next';
/** Signals under way at which the client is quickest; with hundreds it slows down. */
const FLUSH_EVERY = 64;
const SERVICE = 'bench.Echo';
const PATH = '/bench';
const DAEMON = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };

/** Its signals have no patterns; a match rule per subject is another thing than what the growth case asks for. */
export const lacks = ['growth'];

export const unavailable = () =>
  findMissing({ command: 'dbus-daemon', debian: 'dbus-daemon', client: CLIENT });

const pathOf = (directory) => join(directory, 'dbus');

export function openServer({ directory }) {
  const path = pathOf(directory);
  const args = ['--session', '--nofork', '--nopidfile', `--address=unix:path=${path}`];
  return startServer('dbus-daemon', args, () => accepts(path));
}

const nameOf = (subject) => subject.replaceAll(/[^a-z]/g, '_');

export async function connect(directory) {
  const { default: dbus } = await import(CLIENT);
  const bus = dbus.sessionBus({ busAddress: `unix:path=${pathOf(directory)}` });
  await once(bus, 'connect');
  const call = (member, fields) =>
    bus.call(new dbus.Message({ ...DAEMON, interface: 'org.freedesktop.DBus', member, ...fields }));
  return {
    async subscribe(subject, onData) {
      const member = nameOf(subject);
      bus.on('message', (message) => {
        if (message.member === member) onData(message.body[0]);
      });
      await call('AddMatch', { signature: 's', body: [`type='signal',member='${member}'`] });
    },
    publish(subject, data) {
      const signature = typeof data === 'string' ? 's' : 'ay';
      bus.send(dbus.Message.newSignal(PATH, SERVICE, nameOf(subject), signature, [data]));
    },
    // The daemon answers when it has read everything before.
    flush: () => call('GetId', {}),
    flushEvery: FLUSH_EVERY,
    async respond() {
      bus.addMethodHandler((message) => {
        if (message.interface !== SERVICE) return false;
        bus.send(dbus.Message.newMethodReturn(message, 'ay', message.body));
        return true;
      });
      await bus.requestName(SERVICE, 0);
    },
    async ask(_subject, question) {
      const fields = { destination: SERVICE, path: PATH, interface: SERVICE, member: 'Echo' };
      const reply = await bus.call(new dbus.Message({ ...fields, signature: 'ay', body: [question] }));
      return reply.body[0];
    },
    close: () => bus.disconnect(),
  };
}
