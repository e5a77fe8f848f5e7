// Redis pub/sub over a Unix socket with node-redis. A subscribed connection may do nothing else, so a link has two, the
// second opened when it is needed. Queries are two messages.
import { isPattern, openRedisServer, redisNeeds, redisPath } from '../redis-server.mjs';
import { findMissing } from '../servers.mjs';

const CLIENT = 'redis';
/** By default every command gets a timer of its own, which costs more than the command. */
const untimed = { commandOptions: { timeout: undefined } };

export const unavailable = () => findMissing({ ...redisNeeds, client: CLIENT });
export const openServer = openRedisServer;

export async function connect(directory, { text = false }) {
  const { createClient } = await import(CLIENT);
  const first = await connected(createClient({ socket: { path: redisPath(directory) }, ...untimed }));
  let second;
  let last;
  return {
    async subscribe(pattern, onData) {
      second ??= await connected(first.duplicate());
      if (isPattern(pattern)) await second.pSubscribe(pattern, onData, !text);
      else await second.subscribe(pattern, onData, !text);
    },
    publish(subject, data) {
      last = first.publish(subject, data);
    },
    // Replies come in the order of the commands.
    flush: async () => void (await last),
    async close() {
      await last;
      first.destroy();
      second?.destroy();
    },
  };
}

/** A server that ends before its clients is no error here: what a run lacks shows in its counts. */
function connected(client) {
  return client.on('error', () => {}).connect();
}
