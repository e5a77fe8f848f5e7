// Redis pub/sub over a Unix socket with ioredis. A subscribed connection may do nothing else, so a link has two, the
// second opened when it is needed. Queries are two messages.
import { once } from 'node:events';
import { isPattern, openRedisServer, redisNeeds, redisPath } from '../redis-server.mjs';
import { findMissing } from '../servers.mjs';

const CLIENT = 'ioredis';

export const unavailable = () => findMissing({ ...redisNeeds, client: CLIENT });
export const openServer = openRedisServer;

export async function connect(directory, { text = false }) {
  const first = await open(directory);
  let second;
  let last;
  return {
    async subscribe(pattern, onData) {
      if (second === undefined) {
        second = await open(directory);
        listen(second, text, onData);
      }
      if (isPattern(pattern)) await second.psubscribe(pattern);
      else await second.subscribe(pattern);
    },
    publish(subject, data) {
      last = first.publish(subject, data);
    },
    // Replies come in the order of the commands.
    flush: async () => void (await last),
    async close() {
      await last;
      first.disconnect();
      second?.disconnect();
    },
  };
}

async function open(directory) {
  const { Redis } = await import(CLIENT);
  const client = new Redis(redisPath(directory));
  await once(client, 'ready');
  return client;
}

function listen(client, text, onData) {
  client.on(text ? 'message' : 'messageBuffer', (_channel, data) => onData(data));
  client.on(text ? 'pmessage' : 'pmessageBuffer', (_pattern, _channel, data) => onData(data));
}
