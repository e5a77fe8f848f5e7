// The host is suspended, again and again: it is replaced, and when it wakes it is fenced. Some wake at any time before or while
// that happens. Whatever a woken host still delivered would be doubled, out of order or missing elsewhere.
//   npx tsx scripts/torture/suspend.ts [seconds] [seed] [--rounds n]
import { setTimeout as pause } from 'node:timers/promises';
import type { SeededRandom } from '../fuzz/seeded-random.js';
import { type Crew, machineTime, until } from './crew.js';
import { spread } from './figures.js';
import { runPart } from './part.js';
import { startSmallCrew } from './small-crew.js';
import { conclude, describeVerdict, refuse, type Upheaval } from './verdict.js';

/** What R4 promises: a heartbeat of 3 s, and 5 s. */
const REPLACED_WITHIN = 3_000 + 5_000;
/** Until everybody awake is there: nobody waits for the suspended process. */
const GATE = 500;
/** What R1 allows a host that was replaced, and the second in which its process is given its turn. */
const FENCED_WITHIN = 1_000 + 1_000;

class Suspensions {
  readonly upheavals: Upheaval[] = [];
  /** Until there was a new host, and until everybody awake was on it, ms. */
  readonly replaced: number[] = [];
  readonly back: number[] = [];
  readonly fenced: number[] = [];
  rounds = 0;
  /** Those that woke before anybody had given them up. */
  spared = 0;
  readonly #crew: Crew;
  readonly #random: SeededRandom;

  constructor(crew: Crew, random: SeededRandom) {
    this.#crew = crew;
    this.#random = random;
  }

  async run(): Promise<void> {
    this.rounds += 1;
    if (this.#random.below(3) === 0) await this.#suspendBriefly();
    else await this.#suspendUntilReplaced();
    await pause(500 + this.#random.below(1_000));
  }

  async #suspendUntilReplaced(): Promise<void> {
    const { epoch, member: host } = this.#crew.pointer();
    const at = this.#note(epoch);
    host!.suspend();
    await until(() => this.#crew.pointer().epoch > epoch, 'a host in place of a suspended one');
    this.replaced.push(machineTime() - at);
    await this.#crew.settled(epoch, () => this.#crew.living.filter((member) => member !== host));
    this.back.push(machineTime() - at);
    await pause(this.#random.below(1_000));
    host!.resume();
    await this.#fencing(epoch);
    await this.#crew.settled(epoch);
  }

  /** Resolves when the host of this epoch, which was just woken, has been left by its own peer. */
  async #fencing(epoch: number): Promise<void> {
    const host = this.#crew.living.find(({ connections }) =>
      connections.some((connection) => connection.epoch === epoch && connection.hosting),
    );
    const wokenAt = machineTime();
    await until(() => host!.disconnections.some((one) => one.epoch === epoch), 'the fencing of a woken host');
    this.fenced.push(Math.max(0, host!.disconnections.find((one) => one.epoch === epoch)!.at - wokenAt));
  }

  /** It may or may not be replaced meanwhile. */
  async #suspendBriefly(): Promise<void> {
    const { epoch, member: host } = this.#crew.pointer();
    this.#note(epoch);
    host!.suspend();
    await pause(500 + this.#random.below(10_000));
    host!.resume();
    await this.#crew.settled(epoch - 1);
    if (this.#crew.pointer().epoch === epoch) this.spared += 1;
  }

  #note(epoch: number): number {
    const at = machineTime();
    this.upheavals.push({ epoch, at, order: Date.now() * 1_000 });
    return at;
  }

  faults(): string[] {
    const tooLate = this.replaced.filter((time) => time > REPLACED_WITHIN);
    const tooSlow = this.back.filter((time) => time > REPLACED_WITHIN + GATE);
    const tooLong = this.fenced.filter((time) => time > FENCED_WITHIN);
    return [
      ...tooLate.map((time) => `a suspended host was replaced after ${Math.round(time)} ms`),
      ...tooSlow.map((time) => `everybody was back after ${Math.round(time)} ms`),
      ...tooLong.map((time) => `a woken host was fenced after ${Math.round(time)} ms`),
    ];
  }
}

await runPart(async ({ directory, random, goOn, aims }) => {
  const crew = await startSmallCrew(directory);
  const suspensions = new Suspensions(crew, random);
  try {
    while (aims.rounds === undefined ? goOn() : suspensions.rounds < aims.rounds) await suspensions.run();
    const verdict = await conclude(crew, suspensions.upheavals);
    const { rounds, spared, replaced, back, fenced } = suspensions;
    console.log(
      [
        `suspend: ${rounds} hosts suspended, ${spared} of them woken before they were replaced`,
        `  replaced after  ${spread(replaced)}`,
        `  all back after  ${spread(back)}`,
        `  fenced, awake   ${spread(fenced)}`,
        describeVerdict(verdict),
      ].join('\n'),
    );
    refuse([...verdict.faults, ...suspensions.faults()]);
    return 'suspend: nothing found';
  } finally {
    await crew.end();
  }
});
