// Interleaving: every round runs each system once, so that a slow minute of the machine hits all of them, and
// ratios are taken within a round.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Calls `measure` for each system in each round. Resolves to the measured values by system, or the first error in
 * place of them.
 */
export async function runRounds({ systems, rounds, progress }, label, measure) {
  const results = Object.fromEntries(systems.map((system) => [system, { values: [] }]));
  for (let round = 1; round <= rounds; round++) {
    for (const system of rotated(systems, round - 1)) {
      const result = results[system];
      if (result.error) continue;
      progress(`${label}, round ${round} of ${rounds}: ${system}`);
      try {
        result.values.push(await measure(system));
      } catch (error) {
        result.error = error.message;
      }
    }
  }
  return results;
}

// Each round begins with another system, so that none always follows the same neighbour.
function rotated(list, by) {
  return list.map((_, index) => list[(index + by) % list.length]);
}

/** A fresh private directory for one measurement; its path is short, because socket paths are. */
export async function inDirectory(use) {
  const directory = await mkdtemp(join(tmpdir(), 'msb-'));
  try {
    return await use(directory);
  } finally {
    // A server that was killed may have written until just now.
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  }
}
