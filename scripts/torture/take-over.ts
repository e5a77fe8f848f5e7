// Take-over among processes: publishers that never pause, and hosts that are killed again and again, the new one inside its
// gate sometimes; others are suspended or block meanwhile. Nothing may be lost, doubled or out of order for those who live.
//   npx tsx scripts/torture/take-over.ts [seconds] [seed] [--kills n] [--messages n]
import { setTimeout as pause } from 'node:timers/promises';
import type { SeededRandom } from '../fuzz/seeded-random.js';
import { Crew, type Member, machineTime, type Task, until } from './crew.js';
import { spread, sum } from './figures.js';
import { runPart } from './part.js';
import { conclude, describeVerdict, openingsOf, refuse, type Upheaval, type Verdict } from './verdict.js';

const CANDIDATES = 11;
const EVERYTHING = '*.*';

/** They host nothing and so live on. */
const readers: readonly Task[] = [
  { label: 'reader', host: 'never', slot: { pattern: EVERYTHING, options: {} } },
  { label: 'blocking reader', host: 'never', blocks: true, slot: { pattern: EVERYTHING, options: {} } },
  { label: 'small reader', host: 'never', slot: { pattern: EVERYTHING, options: { capacity: 16 } } },
  {
    label: 'dropping reader',
    host: 'never',
    blocks: true,
    slot: { pattern: 'n.*', isSlow: true, options: { overflow: 'drop-oldest', capacity: 256 } },
  },
];
const publishers: readonly Task[] = [
  { label: 'publisher a', host: 'never', publish: { subject: 'n.a', bytes: 0, confirmEvery: 0 } },
  { label: 'publisher b', host: 'never', publish: { subject: 'n.b', bytes: 100, confirmEvery: 1_000 } },
  { label: 'publisher c', host: 'never', publish: { subject: 'n.c', bytes: 2_000, confirmEvery: 0 } },
  { label: 'publisher d', host: 'never', publish: { subject: 'n.d', bytes: 150_000, confirmEvery: 0 } },
  {
    label: 'blocking publisher',
    host: 'never',
    blocks: true,
    publish: { subject: 'n.e', bytes: 0, confirmEvery: 100 },
  },
];

/** They host, and are killed for it: what has a receipt arrives nevertheless. */
function candidate(number: number): Task {
  return {
    label: `candidate ${number}`,
    host: 'auto',
    publish: { subject: `c.n${number}`, bytes: 0, confirmEvery: 1 },
    ...(number % 4 === 0 ? { slot: { pattern: EVERYTHING, options: {} } } : {}),
  };
}

interface Kill extends Upheaval {
  pointerAt: number;
  /** Who was alive and awake, and so had to come back. */
  survivors: readonly Member[];
  /** Whether nothing else happened in the same round. */
  isPlain: boolean;
}

class Round {
  readonly kills: Kill[] = [];
  readonly #crew: Crew;
  readonly #random: SeededRandom;
  #candidates = 0;

  constructor(crew: Crew, random: SeededRandom) {
    this.#crew = crew;
    this.#random = random;
  }

  addCandidate(): Member {
    this.#candidates += 1;
    const member = this.#crew.add(candidate(this.#candidates));
    // one that takes over while it is still starting may be killed for it
    void member.ready().then(
      () => member.publish(),
      () => {},
    );
    return member;
  }

  /** One host is killed, or several in a row, with or without something else beside it. */
  async run(): Promise<void> {
    const { epoch } = this.#crew.pointer();
    const what = this.#random.below(10);
    const isPlain = what < 5;
    if (what === 5) await this.#suspendHost();
    const sleeper = what === 6 || what === 7 ? this.#suspendSomebody(what === 6 ? 1_200 : 3_500) : undefined;
    let kills = 1;
    await this.#killHost(epoch, isPlain);
    // the next one has a pointer, and waits for the others to join
    for (; what >= 8 && kills < what - 6; kills += 1) await this.#killHost(epoch + kills, false);
    await sleeper;
    for (; kills > 0; kills -= 1) this.addCandidate();
    await this.#crew.settled(epoch, () => this.#crew.living.filter(({ id }) => id !== undefined));
    await pause(200 + this.#random.below(600));
  }

  async #killHost(above: number, isPlain: boolean): Promise<void> {
    let { epoch, member } = this.#crew.pointer();
    await until(() => {
      ({ epoch, member } = this.#crew.pointer());
      return epoch >= above && member !== undefined;
    }, `a host of epoch ${above}`);
    const survivors = this.#crew.living.filter(({ id, isSuspended }) => id !== undefined && !isSuspended);
    const [at, order] = [machineTime(), Date.now() * 1_000];
    const killing = member!.kill();
    const kill = {
      epoch,
      at,
      order,
      pointerAt: 0,
      isPlain,
      survivors: survivors.filter((one) => one !== member),
    };
    this.kills.push(kill);
    await until(() => this.#crew.pointer().epoch > epoch, `a host after epoch ${epoch}`);
    kill.pointerAt = machineTime();
    await killing;
  }

  /** For less time than it takes to be given up. */
  async #suspendHost(): Promise<void> {
    const { member } = this.#crew.pointer();
    member?.suspend();
    await pause(300 + this.#random.below(1_200));
    member?.resume();
  }

  /** Resolves when it has been woken again. */
  async #suspendSomebody(longest: number): Promise<void> {
    const { member: host } = this.#crew.pointer();
    const others = this.#crew.living.filter((member) => member !== host && member.id !== undefined);
    const sleeper = this.#random.pick(others);
    sleeper.suspend();
    await pause(longest / 2 + this.#random.below(longest / 2));
    sleeper.resume();
  }
}

/** How long after each kill something was first true for everybody, or anybody. */
function times(kills: readonly Kill[], of: (kill: Kill) => number): string {
  return spread(kills.map((kill) => of(kill) - kill.at).filter(Number.isFinite));
}

function backAt({ connections, endedAt = Number.POSITIVE_INFINITY }: Member, epoch: number): number {
  const back = connections.find((connection) => connection.epoch > epoch)?.at ?? Number.POSITIVE_INFINITY;
  // it was killed before it could come back
  return back === Number.POSITIVE_INFINITY && Number.isFinite(endedAt) ? 0 : back;
}

function timesOf(crew: Crew, kills: readonly Kill[]): string {
  const openings = [...openingsOf(crew)];
  const opening = (epoch: number) => Math.min(...openings.flatMap(([of, at]) => (of > epoch ? [at] : [])));
  const flows = crew.members.flatMap((member) => member.flows);
  const flow = (epoch: number) => Math.min(...flows.flatMap((one) => (one.epoch > epoch ? [one.at] : [])));
  return [
    `  new pointer     ${times(kills, ({ pointerAt }) => pointerAt)}`,
    `  first connected ${times(kills, ({ epoch }) => opening(epoch))}`,
    `  all back        ${times(kills, ({ epoch, survivors }) => Math.max(...survivors.map((one) => backAt(one, epoch))))}`,
    `  first message   ${times(kills, ({ epoch }) => flow(epoch))}`,
  ].join('\n');
}

function describe(crew: Crew, kills: readonly Kill[], verdict: Verdict): string {
  const plain = kills.filter(({ isPlain }) => isPlain);
  return [
    `take-over: ${kills.length} hosts killed, ${kills.length - plain.length} of them in rounds with something else beside it`,
    describeVerdict(verdict),
    `from kill -9 on, nothing else in the round:\n${timesOf(crew, plain)}`,
    `from kill -9 on, all:\n${timesOf(crew, kills)}`,
  ].join('\n');
}

await runPart(async ({ directory, random, goOn, aims }) => {
  const crew = new Crew(directory);
  const round = new Round(crew, random);
  const surviving = (): number =>
    sum(crew.living.map(({ task, figures }) => (task.host === 'never' ? figures.published : 0)));
  const isDone = (): boolean => {
    const { kills, messages } = aims;
    if (kills === undefined && messages === undefined) return !goOn();
    return round.kills.length >= (kills ?? 0) && surviving() >= (messages ?? 0);
  };
  try {
    await round.addCandidate().ready();
    await Promise.all(readers.map((task) => crew.add(task).ready()));
    await Promise.all(publishers.map((task) => crew.add(task).ready()));
    await Promise.all(Array.from({ length: CANDIDATES - 1 }, () => round.addCandidate().ready()));
    for (const member of crew.living) if (member.task.host === 'never') member.publish();
    while (!isDone()) await round.run();
    const verdict = await conclude(crew, round.kills);
    console.log(describe(crew, round.kills, verdict));
    refuse(verdict.faults);
    return 'take-over: nothing found';
  } finally {
    await crew.end();
  }
});
