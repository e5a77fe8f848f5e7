// Mosquitto on a Unix socket with MQTT.js, at quality of service 0, its quickest. Its limits on what is queued for a
// subscriber are off, since it drops what exceeds them. Queries are two messages.
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { accepts, findMissing, startServer } from '../servers.mjs';

const CLIENT = 'mqtt';
/** Unacknowledged messages at which the client is quickest; with thousands it slows down. */
const FLUSH_EVERY = 256;

export const unavailable = () => findMissing({ command: 'mosquitto', debian: 'mosquitto', client: CLIENT });

const pathOf = (directory) => join(directory, 'mqtt');

export async function openServer({ directory }) {
  const path = pathOf(directory);
  const config = join(directory, 'mosquitto.conf');
  const lines = [
    `listener 0 ${path}`,
    'allow_anonymous true',
    'max_queued_messages 0',
    'max_queued_bytes 0',
    'persistence false',
    // Without it, a server started by root becomes another user, who may not enter the directory.
    'user root',
  ];
  await writeFile(config, lines.join('\n'));
  return startServer('mosquitto', ['-c', config], () => accepts(path));
}

const topicOf = (pattern) => pattern.replaceAll('.', '/').replaceAll('*', '+');

export async function connect(directory) {
  const { MqttClient } = (await import(CLIENT)).default;
  const client = new MqttClient(() => dial(pathOf(directory)), { protocolVersion: 5, keepalive: 0 });
  await once(client, 'connect');
  return {
    async subscribe(pattern, onData) {
      if (client.listenerCount('message') === 0) client.on('message', (_topic, data) => onData(data));
      await client.subscribeAsync(topicOf(pattern));
    },
    publish: (subject, data) => void client.publish(topicOf(subject), data),
    // Its callback for such a message comes before the bytes are written; an acknowledged one tells that all before it
    // were read.
    flush: () => client.publishAsync('bench/flush', '', { qos: 1 }),
    flushEvery: FLUSH_EVERY,
    close: () => client.endAsync(true),
  };
}
