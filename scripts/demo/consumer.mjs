// Rebuilds the file from its slot, and at the end asks the librarian whether it has the same last line.
import { MailslotError, openBus } from 'mailslot';
import { deliver, leave, progress, ready } from './cue.mjs';
import { Rebuild } from './rebuild.mjs';

/** Asks again when the host went meanwhile: this question does no harm twice. */
async function ask(bus, subject, question) {
  for (;;) {
    try {
      return await bus.query(subject, question);
    } catch (error) {
      if (!MailslotError.is(error, 'MAILSLOT_RESPONDER_LOST')) throw error;
    }
  }
}

const totalBytes = Number(process.argv[2]);
const reportEvery = Math.ceil(totalBytes / 50);

const bus = await openBus('demo', { label: 'consumer' });
const slot = await bus.subscribe('demo.line', { gaps: true });
await ready();

let lastLine;
let nextReport = reportEvery;
const result = await new Rebuild().readAll(slot, (line, bytes) => {
  lastLine = line;
  if (bytes < nextReport) return;
  progress(bytes);
  nextReport = bytes + reportEvery;
});
const { data } = await ask(bus, 'demo.line-at', result.messages);
if (data !== (lastLine === undefined ? null : Buffer.from(lastLine).toString())) {
  throw new Error(`the librarian's line ${result.messages} is not the last line of this process`);
}
await deliver(result);
await bus.close();
leave();
