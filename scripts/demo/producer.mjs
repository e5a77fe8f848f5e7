// Publishes a file line by line, each with its line break, then a last message that says so.
import { createHash } from 'node:crypto';
import { openBus } from 'mailslot';
import { deliver, leave, ready } from './cue.mjs';
import { readLines } from './lines.mjs';
import { endHeader } from './rebuild.mjs';

async function publishFile(bus, path) {
  const hash = createHash('sha256');
  const begin = performance.now();
  let messages = 0;
  let bytes = 0;
  for await (const line of readLines(path)) {
    await bus.publish('demo.line', line);
    hash.update(line);
    messages++;
    bytes += line.length;
  }
  // Confirmed: when this resolves, every slot has taken every line.
  await bus.publish('demo.line', undefined, { headers: { [endHeader]: 'yes' }, confirm: true });
  const seconds = (performance.now() - begin) / 1000;
  return { messages, bytes, seconds, sha256: hash.digest('hex') };
}

const bus = await openBus('demo', { label: 'producer' });
await ready();
await deliver(await publishFile(bus, process.argv[2]));
await bus.close();
leave();
