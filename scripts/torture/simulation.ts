// Simulated runs of a little of everything, for as long as there is time.
//   npx tsx scripts/torture/simulation.ts [seconds] [first seed]
import { mixed } from '../../test/simulation/scenario.js';
import { runPart } from './part.js';
import { simulateOn } from './simulated-runs.js';

await runPart(({ goOn }) => simulateOn({ part: 'simulation', scenario: mixed, goOn }));
