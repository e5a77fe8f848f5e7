// NATS: Debian's nats-server on a loopback port of its own choice, and the official Node client with its quickest
// public ways (callbacks, publish without a promise).
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { machineTime, makePayload, stamp, Tally } from '../payload.mjs';
import { makeAsker } from '../questions.mjs';
import { timesOf } from '../times.mjs';

const SUBJECT = 'bench.fan-out';
const QUERY_SUBJECT = 'bench.echo';
// The client buffers without bound, so the bench waits for the server every so many bytes.
const FLUSH_BYTES = 1024 * 1024;
/** The unit of CPU times in /proc, in microseconds: USER_HZ is 100 on every Linux that Debian runs on. */
const TICK = 10_000;

export async function unavailable() {
  if (process.platform !== 'linux') return 'its memory and CPU are read from /proc';
  if (spawnSync('nats-server', ['--version']).error)
    return 'no nats-server on the PATH (apt-get install nats-server)';
  const client = await loadClient().catch(() => undefined);
  return client ? undefined : 'its client is not installed (npm install --prefix scripts/bench)';
}

function loadClient() {
  return import('@nats-io/transport-node');
}

export async function openServer({ directory }) {
  const args = ['--addr', '127.0.0.1', '--port', '-1', '--ports_file_dir', directory];
  const server = spawn('nats-server', args, { stdio: 'ignore' });
  await once(server, 'spawn');
  while (serverUrl(directory) === undefined) await wait(5);
  return {
    memory: () => ({ rss: residentBytes(server.pid) }),
    cpu: () => cpuMicroseconds(server.pid),
    async close() {
      server.kill('SIGKILL');
      await once(server, 'exit');
    },
  };
}

function serverUrl(directory) {
  const file = readdirSync(directory).find((name) => name.endsWith('.ports'));
  if (file === undefined) return undefined;
  const text = readFileSync(join(directory, file), 'utf8');
  return text === '' ? undefined : JSON.parse(text).nats[0];
}

function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kilobytes) * 1024;
}

function cpuMicroseconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // utime and stime are fields 14 and 15; field 2 is a name in parentheses that may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

async function connectTo(directory) {
  const { connect } = await loadClient();
  return connect({ servers: serverUrl(directory) });
}

export async function openReceiver({ directory }) {
  const connection = await connectTo(directory);
  const tally = new Tally();
  connection.subscribe(SUBJECT, { callback: (_error, message) => tally.noteMessage(message.data) });
  await connection.flush();
  return tally;
}

// publish() keeps a reference to the data until it is written, so that one buffer will not do; after a flush they
// are all free again.
export async function openPublisher({ directory }) {
  const connection = await connectTo(directory);
  return {
    async publish(count, size) {
      const payloads = Array.from({ length: Math.ceil(FLUSH_BYTES / size) }, () => makePayload(size));
      const startedAt = machineTime();
      for (let number = 0; number < count; number++) {
        const payload = payloads[number % payloads.length];
        stamp(payload, 0, number);
        connection.publish(SUBJECT, payload);
        if ((number + 1) % payloads.length === 0) await connection.flush();
      }
      await connection.flush();
      return { startedAt };
    },
  };
}

export async function openResponder({ directory }) {
  const connection = await connectTo(directory);
  connection.subscribe(QUERY_SUBJECT, { callback: (_error, message) => message.respond(message.data) });
  await connection.flush();
  return {};
}

export async function openAsker({ directory, size }) {
  const connection = await connectTo(directory);
  return makeAsker(size, async (question) => (await connection.request(QUERY_SUBJECT, question)).data);
}

export async function openIdlePeers({ directory }) {
  return {
    async add(count) {
      for (let opened = 0; opened < count; opened++) {
        const connection = await connectTo(directory);
        connection.subscribe(SUBJECT, { callback: () => {} });
        await connection.flush();
      }
    },
  };
}

export async function openJoiner({ directory }) {
  return {
    join: (count) =>
      timesOf(count, { open: () => connectTo(directory), close: (connection) => connection.close() }),
  };
}
