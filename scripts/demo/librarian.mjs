// Keeps every line and answers questions about them, each of which it announces on demo.asked.
//
//   demo.stats      → { lines, bytes, complete, guests }
//   demo.line-at n  → the text of line n, once it has come; null when the file ends before it
import { EventEmitter, once } from 'node:events';
import { openBus } from 'mailslot';
import { deliver, leave, ready } from './cue.mjs';
import { Rebuild } from './rebuild.mjs';

const lines = [];
const guests = [];
const library = new EventEmitter();
let bytes = 0;
let complete = false;

async function lineAt({ data: number }, { signal }) {
  while (lines.length < number && !complete) await once(library, 'changed', { signal });
  return lines[number - 1]?.toString() ?? null;
}

const bus = await openBus('demo', { label: 'librarian' });
const announce = (subject) => bus.publish('demo.asked', { subject, lines: lines.length });
await bus.subscribe('demo.guestbook', ({ data }) => guests.push(data));
await bus.respond('demo.stats', async () => {
  await announce('demo.stats');
  return { lines: lines.length, bytes, complete, guests };
});
// Consumers ask for their last line, which may be still on its way to us.
await bus.respond('demo.line-at', lineAt);
const slot = await bus.subscribe('demo.line', { gaps: true });
await ready();

const result = await new Rebuild().readAll(slot, (line, soFar) => {
  lines.push(Buffer.from(line));
  bytes = soFar;
  library.emit('changed');
});
complete = true;
library.emit('changed');
await deliver(result);
await bus.close();
leave();
