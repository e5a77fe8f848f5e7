// A short form of `npm run torture -- bulk`: long bursts to several receivers, with take-overs in their middle.
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { bulk } from './bulk.js';
import { hashOf, type Outcome, simulate } from './simulate.js';
import { loadSubject, type Subject } from './subject.js';

const SEEDS = 6;

let subject: Subject;
beforeAll(async () => {
  subject = await loadSubject(fileURLToPath(new URL('../../dist', import.meta.url)));
});

function total(outcomes: readonly Outcome[], what: string): number {
  return outcomes.reduce((sum, { counts }) => sum + (counts.get(what) ?? 0), 0);
}

it('M1: a run of long bursts replays from its seed, to the byte', async () => {
  const [first, second] = [await simulate(subject, 6, bulk), await simulate(subject, 6, bulk)];
  expect(hashOf(second)).toBe(hashOf(first));
});

it('R3, R6, R7: long bursts keep every promise over take-overs', { timeout: 60_000 }, async () => {
  const outcomes: Outcome[] = [];
  for (let seed = 1; seed <= SEEDS; seed += 1) outcomes.push(await simulate(subject, seed, bulk));
  const complaints = outcomes.flatMap(({ seed, violations }) =>
    violations.map(
      ({ rule, message }) => `${rule}: ${message} (again: npm run torture -- bulk --seed ${seed})`,
    ),
  );
  expect(complaints).toEqual([]);
  expect(total(outcomes, 'read')).toBeGreaterThan(500_000);
  for (const what of ['killed', 'duplicate', 'split', 'partial write', 'refused dial', 'confirmed'])
    expect(total(outcomes, what), what).toBeGreaterThan(0);
});
