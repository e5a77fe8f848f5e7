// Looks for planted bugs, in a process of its own: a bug may hang it. It reports to its parent, from which it was
// forked, what was found of each mutant, in their order.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { contend } from './elections.js';
import { MUTANTS, type Mutant, plant } from './mutants.js';
import { simulate } from './simulate.js';
import { loadSubject } from './subject.js';

export interface Find {
  mutant: string;
  /** What was the matter, by the first rule broken; undefined: nothing was found. */
  rule: string | undefined;
  /** Simulated runs that it took. */
  seeds: number;
}

const [root, folder, limit] = process.argv.slice(2) as [string, string, string];

for (const [index, mutant] of MUTANTS.entries()) {
  const own = join(folder, String(index));
  mkdirSync(own, { mode: 0o700 });
  process.send!(await hunt(mutant, plant(mutant, root, own), own));
}

async function hunt({ name, elections, firstSeed = 1 }: Mutant, dist: string, own: string): Promise<Find> {
  if (elections) return { mutant: name, rule: (await contend(dist, own))[0]?.rule, seeds: 0 };
  const subject = await loadSubject(dist);
  for (let seed = firstSeed; seed < firstSeed + Number(limit); seed += 1) {
    const { violations } = await simulate(subject, seed);
    if (violations[0] !== undefined)
      return { mutant: name, rule: violations[0].rule, seeds: seed - firstSeed + 1 };
  }
  return { mutant: name, rule: undefined, seeds: Number(limit) };
}
