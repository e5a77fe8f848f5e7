// Files of a bus are removed under it, again and again: soon there is one host again, and nothing is lost.
//   npx tsx scripts/torture/deleted.ts [seconds] [seed] [--rounds n]
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { machineTime, until } from './crew.js';
import { spread } from './figures.js';
import { runPart } from './part.js';
import { startSmallCrew } from './small-crew.js';
import { conclude, describeVerdict, refuse, type Upheaval } from './verdict.js';

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

interface Healing {
  what: string;
  /** Until there was a new host, and until everybody was on it, ms. */
  host: number;
  everybody: number;
}

function linesOf(healings: readonly Healing[]): string[] {
  return Object.keys(removals).map((what) => {
    const those = healings.filter((healing) => healing.what === what);
    const [hosts, everybody] = [those.map(({ host }) => host), those.map((one) => one.everybody)];
    return `  ${what.padEnd(10)} ${spread(hosts)}; ${spread(everybody)}`;
  });
}

function faultsOf(healings: readonly Healing[]): string[] {
  const tooLate = healings.filter(({ host, everybody }) => Math.max(host, everybody) > HEALED_WITHIN);
  return tooLate.map(
    ({ what, host, everybody }) =>
      `a deleted ${what}: a host after ${Math.round(host)} ms, everybody on it after ${Math.round(everybody)} ms`,
  );
}

await runPart(async ({ directory, random, goOn, aims }) => {
  const crew = await startSmallCrew(directory);
  const upheavals: Upheaval[] = [];
  const healings: Healing[] = [];
  try {
    while (aims.rounds === undefined ? goOn() : upheavals.length < aims.rounds) {
      const what = random.pick(Object.keys(removals));
      const { epoch } = crew.pointer();
      const at = machineTime();
      removals[what]!(directory, join(directory, 'b-test'));
      upheavals.push({ epoch, at, order: Date.now() * 1_000 });
      await until(() => crew.pointer().epoch > epoch, `a host after a deleted ${what}`);
      const host = machineTime() - at;
      await crew.settled(epoch);
      healings.push({ what, host, everybody: machineTime() - at });
      await pause(500 + random.below(1_000));
    }
    const verdict = await conclude(crew, upheavals);
    console.log(['deleted: one host again, and everybody on it, after', ...linesOf(healings)].join('\n'));
    console.log(describeVerdict(verdict));
    refuse([...verdict.faults, ...faultsOf(healings)]);
    return 'deleted: nothing found';
  } finally {
    await crew.end();
  }
});
