// Simulated runs of long bursts, until there is no time left or so many messages were delivered.
//   npx tsx scripts/torture/bulk.ts [seconds] [first seed] [--messages n]
import { bulk } from '../../test/simulation/bulk.js';
import { runPart } from './part.js';
import { simulateOn } from './simulated-runs.js';

await runPart(({ goOn, aims: { messages } }) =>
  simulateOn({
    part: 'bulk',
    scenario: bulk,
    goOn: (delivered) => (messages === undefined ? goOn() : delivered < messages),
  }),
);
