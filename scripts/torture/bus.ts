// Damaged streams at a Bus: after each it lives, or has ended with MAILSLOT_PROTOCOL_VIOLATION, and all it was busy
// with has settled.
//   npx tsx scripts/torture/bus.ts [seconds] [seed]
import { MailslotError, openBus } from 'mailslot';
import { fuzzBus } from '../fuzz/bus-fuzzer.js';
import { FalseHost } from '../fuzz/link-fuzzer.js';
import { runPart } from './part.js';

await runPart(async ({ directory, random, goOn }) => {
  const host = await FalseHost.reign(directory);
  const ends = { alive: 0, violated: 0 };
  while (goOn()) {
    const round = ends.alive + ends.violated;
    const cause = await fuzzBus({ openBus, directory, host, random }).catch((error: unknown) => {
      throw new Error(`round ${round}`, { cause: error });
    });
    if (cause === undefined) ends.alive += 1;
    else if (MailslotError.is(cause, 'MAILSLOT_PROTOCOL_VIOLATION')) ends.violated += 1;
    else throw new Error(`round ${round} ended the bus with something else`, { cause });
  }
  await host.close();
  return `bus: ${ends.alive + ends.violated} rounds, ${ends.violated} ended by a violation, nothing found`;
});
