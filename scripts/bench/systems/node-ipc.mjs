// node-ipc: its server in a process of its own, which sends every event on to all clients. Events are JSON, so bytes
// travel as base64, and there are no subjects beyond an event's name.
import { findMissing } from '../servers.mjs';

const CLIENT = 'node-ipc';
const LEAST_NODE = [22, 13];
const MOST_CONNECTIONS = 4096;
const SYNC = 'sync';

/** It has no patterns; and the memory of its clients' sockets is that of a plain Node server. */
export const lacks = ['growth'];

export function unavailable() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1]))
    return `it needs Node ${LEAST_NODE.join('.')} or later (run the bench with that)`;
  return findMissing({ client: CLIENT });
}

async function configure(directory) {
  const { IPCModule } = await import(CLIENT);
  const ipc = new IPCModule();
  Object.assign(ipc.config, {
    id: 'bench',
    socketRoot: `${directory}/`,
    silent: true,
    maxConnections: MOST_CONNECTIONS,
    stopRetrying: true,
  });
  return ipc;
}

export async function openServer({ directory }) {
  const ipc = await configure(directory);
  await new Promise((resolve) => {
    ipc.serve(resolve);
    ipc.server.start();
  });
  ipc.server.on('publish', ([subject, data]) => ipc.server.broadcast(subject, data));
  ipc.server.on(SYNC, (_data, socket) => ipc.server.emit(socket, SYNC));
  return {};
}

export async function connect(directory, { text = false }) {
  const ipc = await configure(directory);
  ipc.connectTo('bench');
  const client = ipc.of['bench'];
  await new Promise((resolve) => client.on('connect', resolve));
  const decode = text ? (data) => data : (data) => Buffer.from(data, 'base64');
  const sync = () =>
    new Promise((resolve) => {
      client.once(SYNC, resolve);
      client.emit(SYNC);
    });
  return {
    async subscribe(subject, onData) {
      client.on(subject, (data) => onData(decode(data)));
      await sync();
    },
    publish(subject, data) {
      client.emit('publish', [subject, typeof data === 'string' ? data : data.toString('base64')]);
    },
    flush: sync,
    close: () => ipc.disconnect('bench'),
  };
}
