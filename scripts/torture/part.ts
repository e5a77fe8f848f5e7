// What the parts share: their command line, a time budget, a folder of their own, and patience that ends.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { SeededRandom } from '../fuzz/seeded-random.js';

const PATIENCE = 60_000;

export interface Part {
  directory: string;
  random: SeededRandom;
  /** Whether there is time left. */
  goOn(): boolean;
  /** How far to go, where that was said: then time does not matter. */
  aims: Aims;
}

export interface Aims {
  kills?: number;
  messages?: number;
  rounds?: number;
  peers?: number;
}

/** Runs a part as `[seconds] [seed] [--<aim> n]…` say; what it resolves to is printed, and what it throws ends the process with 1. */
export async function runPart(work: (part: Part) => Promise<string>): Promise<void> {
  const seconds = Number(process.argv[2] ?? 60);
  const random = new SeededRandom(Number(process.argv[3] ?? 1));
  const directory = await mkdtemp(join(tmpdir(), 'ms-'));
  const end = performance.now() + seconds * 1000;
  try {
    console.log(await work({ directory, random, goOn: () => performance.now() < end, aims: readAims() }));
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
  // a part that failed may have left open what it opened
  process.exit();
}

function readAims(): Aims {
  const number = { type: 'string' } as const;
  const options = { kills: number, messages: number, rounds: number, peers: number };
  const { values } = parseArgs({ args: process.argv.slice(4), options });
  return Object.fromEntries(Object.entries(values).map(([aim, value]) => [aim, Number(value)]));
}

/** Rejects when `work` takes longer than anything healthy does. */
export async function inTime<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
