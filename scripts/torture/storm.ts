// Crowds: 50 processes that open one bus at the same instant, on a fresh directory and on that of a killed host, and 1,000
// links of 8 processes that come back at once when their host is killed. One host each time; the times are printed, and
// mean something on a quiet machine only.
//   npx tsx scripts/torture/storm.ts [seconds] [seed] [--rounds n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from './crew.js';
import { inTime, runPart } from './part.js';
import { type Sighting, Sightings } from './sightings.js';

const PROCESSES = 50;
const CROWDS = 8;
const LINKS_OF_EACH = 125;
/** A standby warms its thread a second after it was named. */
const WARM_UP = 2_000;
const starter = fileURLToPath(new URL('../../test/reign/fixtures/starter.mjs', import.meta.url));
const crowd = fileURLToPath(new URL('./crowd.mjs', import.meta.url));

interface Joined {
  epoch: number;
  hosting: boolean;
  took: number;
}

async function heard<Report>(child: ChildProcess, what: string): Promise<Report> {
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`${what} ended with ${code}`);
  });
  gone.catch(() => {});
  const [report] = await inTime(Promise.race([once(child, 'message'), gone]), what);
  return report as Report;
}

async function start(program: string, ...parameters: string[]): Promise<ChildProcess> {
  const child = fork(program, parameters, { execArgv: [] });
  await heard(child, 'a process that starts');
  return child;
}

async function end(children: ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }),
  );
}

/** How long the slowest of many took to join; they leave without a goodbye. */
async function openAtOnce(directory: string): Promise<number> {
  const children = await Promise.all(Array.from({ length: PROCESSES }, () => start(starter, directory)));
  try {
    const reports = children.map((child) => heard<Joined>(child, 'a process that joins'));
    for (const child of children) child.send('start');
    const joined = await Promise.all(reports);
    if (joined.filter(({ hosting }) => hosting).length !== 1)
      throw new Error('there is not exactly one host');
    if (new Set(joined.map(({ epoch }) => epoch)).size !== 1) throw new Error('they are not all on one host');
    return Math.max(...joined.map(({ took }) => took));
  } finally {
    await end(children);
  }
}

interface Return {
  /** Until the last of 1,000 links was back after a kill -9 of their host, ms. */
  took: number;
  /** How many hosts they met on the way. */
  hosts: number;
}

async function comeBackAtOnce(directory: string): Promise<Return> {
  const host = await start(starter, directory);
  host.send('start');
  await heard<Joined>(host, 'the host');
  const crowds = await Promise.all(
    Array.from({ length: CROWDS }, () => start(crowd, directory, String(LINKS_OF_EACH))),
  );
  try {
    await pause(WARM_UP);
    const sightings = new Sightings();
    for (const [index, child] of crowds.entries())
      child.on('message', (told: Sighting) => sightings.note({ ...told, link: `${index}.${told.link}` }));
    const killedAt = Number(process.hrtime.bigint()) / 1e6;
    await end([host]);
    await until(() => sightings.areTogether(CROWDS * LINKS_OF_EACH), 'all links on one host');
    const [overlap] = sightings.overlaps();
    if (overlap !== undefined)
      throw new Error(`link ${overlap.link} came to epoch ${overlap.epoch} when a later one was served`);
    return { took: sightings.end - killedAt, hosts: sightings.hosts };
  } finally {
    await end(crowds);
  }
}

const worst = (times: number[]): string => `${Math.max(...times).toFixed(0)} ms at worst`;

await runPart(async ({ directory, goOn, aims }) => {
  const [fresh, stale, back]: [number[], number[], Return[]] = [[], [], []];
  do {
    const place = join(directory, `r${fresh.length}`);
    fresh.push(await openAtOnce(place));
    stale.push(await openAtOnce(place));
    back.push(await comeBackAtOnce(place));
  } while (aims.rounds === undefined ? goOn() : fresh.length < aims.rounds);
  const links = CROWDS * LINKS_OF_EACH;
  return (
    `storm: ${fresh.length} rounds; ${PROCESSES} processes on a fresh directory ${worst(fresh)}, ` +
    `on a stale one ${worst(stale)}; ${links} links back ${worst(back.map(({ took }) => took))}, ` +
    `on the ${Math.max(...back.map(({ hosts }) => hosts))}. host at worst`
  );
});
