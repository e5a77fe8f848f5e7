// Elections among processes: whoever hosts is killed, again and again, a new process joins, and others are suspended for a
// moment while they contend. There may never be two hosts, no epoch may come twice, and everybody must find the successor.
//   npx tsx scripts/torture/elections.ts [seconds] [seed] [--rounds n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SeededRandom } from '../fuzz/seeded-random.js';
import { inTime, runPart } from './part.js';

const CONTENDERS = 20;
/** Most that are suspended in one election, when it begins for them, and for how long: less than anybody is given up after. ms */
const STALLED = 3;
const STALL_AFTER = 40;
const STALL = 250;
const program = fileURLToPath(new URL('../../test/transport/fixtures/contender.mjs', import.meta.url));

interface Report {
  event: 'linked' | 'serving' | 'fenced';
  epoch: number;
}

/** Processes on one bus, by the epoch each is linked to or serves. */
class Field {
  readonly #directory: string;
  readonly #epochs = new Map<ChildProcess, number>();
  #host: ChildProcess | undefined;
  #highest = 0;
  #look: () => void = () => {};
  #fault: Error | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  add(): void {
    const child = fork(program, [this.#directory], { execArgv: [] });
    this.#epochs.set(child, 0);
    child.on('message', (report) => this.#note(child, report as Report));
    child.once('exit', (code) => {
      if (this.#epochs.has(child)) this.#fail(new Error(`a contender ended with ${code}`));
    });
  }

  /** Everybody has the same host; rejects when there were two. */
  settled(): Promise<void> {
    const settled = new Promise<void>((resolve, reject) => {
      this.#look = () => {
        if (this.#fault !== undefined) return reject(this.#fault);
        const agreed = [...this.#epochs.values()].every((epoch) => epoch === this.#highest);
        if (this.#host !== undefined && agreed) resolve();
      };
    });
    this.#look();
    return inTime(settled, `one host for all after epoch ${this.#highest}`);
  }

  async killHost(): Promise<void> {
    const host = this.#host!;
    this.#host = undefined;
    await this.#kill(host);
  }

  /** Suspends some of them for a moment; resolves when all go on. */
  async stallSome(random: SeededRandom): Promise<number> {
    const contenders = [...this.#epochs.keys()];
    const count = random.below(STALLED + 1);
    await Promise.all(Array.from({ length: count }, () => stall(random.pick(contenders), random)));
    return count;
  }

  async clear(): Promise<void> {
    await Promise.all([...this.#epochs.keys()].map((child) => this.#kill(child)));
  }

  async #kill(child: ChildProcess): Promise<void> {
    this.#epochs.delete(child);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  #fail(fault: Error): void {
    this.#fault ??= fault;
    this.#look();
  }

  #note(child: ChildProcess, { event, epoch }: Report): void {
    if (!this.#epochs.has(child)) return;
    this.#epochs.set(child, epoch);
    if (event === 'fenced')
      this.#fail(new Error(`the host of epoch ${epoch} was fenced, although nobody slept`));
    if (event === 'serving') this.#crown(child, epoch);
    this.#look();
  }

  #crown(child: ChildProcess, epoch: number): void {
    if (this.#host !== undefined) this.#fail(new Error(`epoch ${epoch} began beside epoch ${this.#highest}`));
    if (epoch <= this.#highest) this.#fail(new Error(`epoch ${epoch} came after ${this.#highest}`));
    this.#host = child;
    this.#highest = epoch;
  }
}

async function stall(child: ChildProcess, random: SeededRandom): Promise<void> {
  const [after, duration] = [random.below(STALL_AFTER), random.below(STALL)];
  await pause(after);
  child.kill('SIGSTOP');
  await pause(duration);
  child.kill('SIGCONT');
}

await runPart(async ({ directory, random, goOn, aims }) => {
  const field = new Field(directory);
  let [rounds, stalls] = [0, 0];
  try {
    for (let i = 0; i < CONTENDERS; i += 1) field.add();
    await field.settled();
    do {
      // the newcomer meets the election on some rounds, and its outcome on others
      field.add();
      const stalling = field.stallSome(random);
      await field.killHost();
      stalls += await stalling;
      await field.settled();
      rounds += 1;
    } while (aims.rounds === undefined ? goOn() : rounds < aims.rounds);
  } finally {
    await field.clear();
  }
  return `elections: ${rounds} hosts killed, one successor each; ${stalls} contenders suspended meanwhile`;
});
