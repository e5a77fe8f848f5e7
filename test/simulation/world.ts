// Everything in one simulated run: virtual time, chance, the folder, the processes. It also knows what no process
// does, and so who may rightly have missed something.
import { MailslotError } from '../../src/errors.js';
import { STALL_THRESHOLD } from '../../src/limits.js';
import type { Excused, Untimed } from '../history/history.js';
import { History, type HistoryRecord } from '../history/history.js';
import { Agenda, Rank } from './agenda.js';
import type { Dice } from './dice.js';
import { Program } from './program.js';
import type { Scenario } from './scenario.js';
import { SimDirectory } from './sim-directory.js';
import type { PipeWeather } from './sim-pipe.js';
import { SimProcess } from './sim-process.js';
import type { Subject } from './subject.js';
import type { WallClock } from './thread.js';

export interface Weather extends PipeWeather {
  /** Probability that a host cannot be dialled although it is there (EAGAIN). */
  refusals: number;
}

/** A process that was not awake for longer may have been counted as stalled: half the time after which it is. */
const SLOW_READING = 5_000 - STALL_THRESHOLD;

export class World {
  readonly agenda = new Agenda();
  readonly history = new History(() => this.agenda.now);
  readonly directory = new SimDirectory();
  readonly wall: WallClock = { offset: 0 };
  readonly processes: SimProcess[] = [];
  readonly programs: Program[] = [];
  readonly subject: Subject;
  readonly dice: Dice;
  readonly scenario: Scenario;
  readonly weather: Weather;
  /** What happened that no run may bring about. */
  readonly failures: string[] = [];
  /** How often what happened that is not in the history. */
  readonly counts = new Map<string, number>();
  /** For how long anybody was held, all times together, ms. */
  heldFor = 0;
  #asleepUntil = 0;
  readonly #excused = new Set<SimProcess>();
  /** Messages that were published in long bursts, and what waits for how many. */
  #poured = 0;
  readonly #afterPoured = new Map<number, (() => void)[]>();
  readonly #names = new Map<string, string>();

  constructor(subject: Subject, dice: Dice, scenario: Scenario) {
    this.subject = subject;
    this.dice = dice;
    this.scenario = scenario;
    this.weather = scenario.drawWeather(dice);
  }

  get living(): SimProcess[] {
    return this.processes.filter((process) => process.alive && process.bus.state !== 'closed');
  }

  get hosting(): SimProcess | undefined {
    return this.living.find((process) => process.host !== undefined);
  }

  start(options: { mayHost: boolean; windowBytes: number }): Program {
    const process = new SimProcess(this, this.processes.length + 1, options);
    const program = new Program(this, process);
    this.processes.push(process);
    this.#names.set(process.peerId.hex, process.name);
    this.programs.push(program);
    void process.bus.closed.then((cause) => {
      if (cause !== undefined) this.failures.push(`the Bus of ${process.name} ended: ${cause.message}`);
    });
    return program;
  }

  /** Writes down what the slots of all have got so far. */
  noteHeld(): void {
    for (const program of this.programs) if (program.process.alive) program.noteHeld();
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  note(record: Untimed<HistoryRecord>): void {
    this.history.note(record);
  }

  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  /** Calls `run` after `delay` ms, outside of all processes. */
  after(delay: number, run: () => void): void {
    this.agenda.add(this.agenda.now + delay, Rank.timer, run);
  }

  /** Calls `run` soon after so many messages were published in long bursts; never when they are not. */
  afterPoured(count: number, run: () => void): void {
    this.#afterPoured.set(count, [...(this.#afterPoured.get(count) ?? []), run]);
  }

  countPoured(): void {
    this.#poured += 1;
    const due = this.#afterPoured.get(this.#poured);
    for (const run of due ?? []) this.after(this.dice.delay(0, 2 * this.weather.delay), run);
  }

  kill(process: SimProcess): void {
    process.kill();
    this.note({ op: 'ended', process: process.name, how: 'killed' });
  }

  /** The whole process stands still, or only the thread of its program. */
  hold(process: SimProcess, duration: number, threads: 'all' | 'program'): void {
    this.heldFor += duration;
    this.count(threads === 'all' ? 'suspended' : 'blocked');
    const { thread } = process;
    const heldBefore = thread.heldFor;
    if (threads === 'all') process.suspend(duration);
    else thread.hold(duration);
    if (heldBefore + duration > SLOW_READING) this.#excuse(process, 'stalled');
  }

  /** The lid is closed: nobody runs for so long. */
  sleep(duration: number): void {
    this.#asleepUntil = this.agenda.now + duration;
    for (const process of this.living) this.hold(process, duration, 'all');
  }

  /** For how long the machine still sleeps, ms. */
  get asleep(): number {
    return Math.max(0, this.#asleepUntil - this.agenda.now);
  }

  /** Follows what a program does: it may end with its Bus, but in no other way than it wants to. */
  watch(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!MailslotError.is(error, 'MAILSLOT_CLOSED'))
        this.failures.push((error as Error).stack ?? String(error));
    });
  }

  isGone(pid: number): boolean {
    return this.processes[pid - 1]?.alive !== true;
  }

  /** A host has noticed that the link of this peer ended, and goes on. */
  lostLink(id: string): void {
    this.#excuse(this.processes.find(({ peerId }) => peerId.hex === id));
  }

  /** The data of a message is gone before it was read: nothing but having been given up excuses that. */
  missesFile(process: SimProcess): void {
    this.count('missed file');
    if (!this.#excused.has(process)) this.failures.push(`a file is gone that ${process.name} has to read`);
  }

  /** A host did not wait any longer for those who are not back. */
  excuseAbsent(epoch: number): void {
    const present = this.directory.membersOf(epoch);
    for (const process of this.processes)
      if (process.wasOpen && !present.has(process.peerId.hex)) this.#excuse(process);
  }

  #excuse(process: SimProcess | undefined, reason: Excused['reason'] = 'late'): void {
    if (!process?.alive) return;
    this.#excused.add(process);
    this.note({ op: 'excused', process: process.name, reason });
  }
}
