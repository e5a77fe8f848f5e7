// Simulated runs, one seed after the other for as long as there is time; the first that breaks a promise ends it, and
// its history is written down. The same seed makes the same run again.
//   npx tsx scripts/torture/simulation.ts [seconds] [first seed]
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Outcome, simulate } from '../../test/simulation/simulate.js';
import { loadSubject } from '../../test/simulation/subject.js';
import { runPart } from './part.js';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const firstSeed = Number(process.argv[3] ?? 1);

await runPart(async ({ goOn }) => {
  const subject = await loadSubject(dist);
  const totals = new Map<string, number>();
  let seed = firstSeed;
  do {
    const outcome = await simulate(subject, seed);
    if (outcome.violations.length > 0) throw complaint(outcome);
    for (const [what, count] of outcome.counts) totals.set(what, (totals.get(what) ?? 0) + count);
    seed += 1;
  } while (goOn());
  const figures = [...totals].map(([what, count]) => `${count} ${what}`).join(', ');
  return `simulation: ${seed - firstSeed} runs from seed ${firstSeed} on keep every promise: ${figures}`;
});

function complaint({ seed, violations, history }: Outcome): Error {
  const file = join(mkdtempSync(join(tmpdir(), 'ms-')), `history-${seed}.jsonl`);
  writeFileSync(file, history());
  const rules = violations.map(({ rule, message }) => `  ${rule}: ${message}`).join('\n');
  const again = `npm run torture -- simulation --seed ${seed}`;
  return new Error(`simulated run ${seed} breaks a promise:\n${rules}\nhistory: ${file}\nagain: ${again}`);
}
