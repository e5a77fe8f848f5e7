// Looks for planted bugs, in a process of its own: a bug may hang it. It reports to its parent, from which it was
// forked, what was found of each mutant, in their order: in runs of a little of everything, or in those of long bursts.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bulk } from './bulk.js';
import { contend } from './elections.js';
import { FOUND_IN_BULK, MUTANTS, type Mutant, plant } from './mutants.js';
import { mixed } from './scenario.js';
import { simulate } from './simulate.js';
import { loadSubject } from './subject.js';

export interface Find {
  mutant: string;
  /** What was the matter, by the first rule broken; undefined: nothing was found. */
  rule: string | undefined;
  /** Simulated runs that it took. */
  seeds: number;
}

const [root, folder, kind] = process.argv.slice(2) as [string, string, 'mixed' | 'bulk'];
/** Runs after which a bug counts as not found. */
const LIMIT = { mixed: 400, bulk: 12 }[kind];
const scenario = { mixed, bulk }[kind];

for (const [index, mutant] of MUTANTS.entries()) {
  if (kind === 'bulk' && !FOUND_IN_BULK.includes(mutant.name)) continue;
  const own = join(folder, `${kind}-${index}`);
  mkdirSync(own, { mode: 0o700 });
  process.send!(await hunt(mutant, await plant(mutant, root, own), own));
}

async function hunt({ name, elections, firstSeed = 1 }: Mutant, dist: string, own: string): Promise<Find> {
  if (elections) return { mutant: name, rule: (await contend(dist, own))[0]?.rule, seeds: 0 };
  const subject = await loadSubject(dist);
  const first = kind === 'bulk' ? 1 : firstSeed;
  for (let seed = first; seed < first + LIMIT; seed += 1) {
    const { violations } = await simulate(subject, seed, scenario);
    if (violations[0] !== undefined)
      return { mutant: name, rule: violations[0].rule, seeds: seed - first + 1 };
  }
  return { mutant: name, rule: undefined, seeds: LIMIT };
}
