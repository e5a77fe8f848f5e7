// NATS: Debian's nats-server on a loopback port of its own choice, and the official Node client with its quickest
// public ways (callbacks, publish without a promise).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMissing, startServer } from '../servers.mjs';

const CLIENT = '@nats-io/transport-node';

export const unavailable = () =>
  findMissing({ command: 'nats-server', debian: 'nats-server', client: CLIENT });

export function openServer({ directory }) {
  const args = ['--addr', '127.0.0.1', '--port', '-1', '--ports_file_dir', directory];
  return startServer('nats-server', args, () => serverUrl(directory) !== undefined);
}

function serverUrl(directory) {
  const file = readdirSync(directory).find((name) => name.endsWith('.ports'));
  if (file === undefined) return undefined;
  const text = readFileSync(join(directory, file), 'utf8');
  return text === '' ? undefined : JSON.parse(text).nats[0];
}

export async function connect(directory) {
  const client = await import(CLIENT);
  const connection = await client.connect({ servers: serverUrl(directory) });
  return {
    async subscribe(pattern, onData) {
      connection.subscribe(pattern, { callback: (_error, message) => onData(message.data) });
      await connection.flush();
    },
    publish: (subject, data) => connection.publish(subject, data),
    flush: () => connection.flush(),
    async respond(subject) {
      connection.subscribe(subject, { callback: (_error, message) => message.respond(message.data) });
      await connection.flush();
    },
    ask: async (subject, question) => (await connection.request(subject, question)).data,
    close: () => connection.close(),
  };
}
