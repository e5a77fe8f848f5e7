// Simulated runs, one seed after the other; the first that breaks a promise ends them, and its history is written down. The
// same seed makes the same run again.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scenario } from '../../test/simulation/scenario.js';
import { type Outcome, simulate } from '../../test/simulation/simulate.js';
import { loadSubject } from '../../test/simulation/subject.js';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

export interface SimulatedRuns {
  /** The word by which main.mjs knows the part. */
  part: string;
  scenario: Scenario;
  /** Whether another run is due, after those in which so many messages were delivered. */
  goOn(delivered: number): boolean;
}

/** Begins with the seed that the command line names; returns what is to be said of them. */
export async function simulateOn({ part, scenario, goOn }: SimulatedRuns): Promise<string> {
  const firstSeed = Number(process.argv[3] ?? 1);
  const subject = await loadSubject(dist);
  const totals = new Map<string, number>();
  const startedAt = performance.now();
  let seed = firstSeed;
  do {
    const outcome = await simulate(subject, seed, scenario);
    if (outcome.violations.length > 0) throw complaint(part, outcome);
    for (const [what, count] of outcome.counts) totals.set(what, (totals.get(what) ?? 0) + count);
    seed += 1;
  } while (goOn(totals.get('read') ?? 0));
  const { read: delivered = 0, ...others } = Object.fromEntries(totals);
  const rate = Math.round((1_000 * delivered) / (performance.now() - startedAt));
  const figures = Object.entries(others).map(([what, count]) => `${count} ${what}`);
  return (
    `${part}: ${delivered} deliveries in ${seed - firstSeed} runs from seed ${firstSeed} on keep every promise, ` +
    `${rate} a second: ${figures.join(', ')}`
  );
}

function complaint(part: string, { seed, violations, history }: Outcome): Error {
  const file = join(mkdtempSync(join(tmpdir(), 'ms-')), `history-${seed}.jsonl`);
  writeFileSync(file, history());
  const rules = violations.map(({ rule, message }) => `  ${rule}: ${message}`).join('\n');
  const again = `npm run torture -- ${part} --seed ${seed}`;
  return new Error(`simulated run ${seed} breaks a promise:\n${rules}\nhistory: ${file}\nagain: ${again}`);
}
