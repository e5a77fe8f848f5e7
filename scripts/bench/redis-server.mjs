// Debian's redis-server on a Unix socket, for the two clients of the bench. Nothing is written to disk, and its limit
// on what a subscriber may have pending is off: with it, Redis cuts a subscriber that falls behind.
import { join } from 'node:path';
import { accepts, startServer } from './servers.mjs';

export const redisNeeds = { command: 'redis-server', debian: 'redis-server' };

export const redisPath = (directory) => join(directory, 'redis');

export function openRedisServer({ directory }) {
  const path = redisPath(directory);
  const place = ['--port', '0', '--unixsocket', path, '--dir', directory];
  const modes = ['--save', '', '--appendonly', 'no', '--client-output-buffer-limit', 'pubsub', '0', '0', '0'];
  return startServer('redis-server', [...place, ...modes], () => accepts(path));
}

/** Redis has one verb for names and one for patterns. */
export const isPattern = (pattern) => pattern.includes('*');
