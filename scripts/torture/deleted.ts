// Files of a bus are removed under it, again and again: soon there is one host again, and nothing is lost.
//   npx tsx scripts/torture/deleted.ts [seconds] [seed] [--rounds n]
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { machineTime } from './crew.js';
import { spread } from './figures.js';
import { runPart } from './part.js';
import { startSmallCrew } from './small-crew.js';
import { conclude, describeVerdict, type Upheaval } from './verdict.js';

const HEALED_WITHIN = 2_000;

// a folder goes in one step, as far as others can see: they make it anew while it would still be emptied
function remove(path: string): void {
  const aside = `${path}.gone`;
  renameSync(path, aside);
  rmSync(aside, { recursive: true });
}

function removeNamed(folder: string, pattern: RegExp): void {
  for (const name of readdirSync(folder)) if (pattern.test(name)) rmSync(join(folder, name));
}

const removals: Record<string, (directory: string, bus: string) => void> = {
  endpoint: (directory) => removeNamed(directory, /^s/),
  pointer: (_, bus) => removeNamed(bus, /^e/),
  key: (_, bus) => rmSync(join(bus, 'key')),
  'bus folder': (_, bus) => remove(bus),
  directory: (directory) => remove(directory),
};

await runPart(async ({ directory, random, goOn, aims }) => {
  const crew = await startSmallCrew(directory);
  const upheavals: Upheaval[] = [];
  const healed = new Map(Object.keys(removals).map((what): [string, number[]] => [what, []]));
  try {
    while (aims.rounds === undefined ? goOn() : upheavals.length < aims.rounds) {
      const what = random.pick(Object.keys(removals));
      const { epoch } = crew.pointer();
      const at = machineTime();
      removals[what]!(directory, join(directory, 'b-test'));
      upheavals.push({ epoch, at, order: Date.now() * 1_000 });
      await crew.settled(epoch);
      healed.get(what)!.push(machineTime() - at);
      await pause(500 + random.below(1_000));
    }
    const verdict = await conclude(crew, upheavals);
    const lines = [...healed].map(([what, times]) => `  ${what.padEnd(12)} ${spread(times)}`);
    console.log([`deleted: one host for all again after`, ...lines, describeVerdict(verdict)].join('\n'));
    const tooLate = [...healed].flatMap(([what, times]) =>
      times
        .filter((time) => time > HEALED_WITHIN)
        .map((time) => `a deleted ${what} was healed after ${Math.round(time)} ms`),
    );
    const faults = [...verdict.faults, ...tooLate];
    if (faults.length > 0) throw new Error(faults.join('\n'));
    return 'deleted: nothing found';
  } finally {
    await crew.end();
  }
});
