// One simulated run: a seed becomes a history, the history a verdict. The same seed and the same package give the
// same history to the byte.
import { createHash } from 'node:crypto';
import { checkHistory, type Violation } from '../history/checker.js';
import type { HistoryRecord } from '../history/history.js';
import { Dice } from './dice.js';
import { inflict } from './faults.js';
import type { Program } from './program.js';
import { mixed } from './scenario.js';
import type { Subject } from './subject.js';
import { World } from './world.js';

export interface Outcome {
  seed: number;
  violations: readonly (Violation | { rule: 'thrown' | 'restless'; message: string })[];
  /** How often what happened: records by what they say, faults, and frames that were dropped as duplicates. */
  counts: ReadonlyMap<string, number>;
  /** Events of the virtual clock. */
  events: number;
  /** The history as text, one record a line. */
  history(): string;
}

/** Longest virtual time of a run, ms: everything that waits for something has given up by then. */
const LONGEST_RUN = 300_000;
/** How often it is looked whether everything is at rest, and how long it has to stay so, ms. */
const LOOK_INTERVAL = 100;
const REST = 1_500;

export async function simulate(subject: Subject, seed: number, scenario = mixed): Promise<Outcome> {
  const dice = new Dice(seed);
  const world = new World(subject, dice, scenario);
  const run = new Run(world);
  const faults: Outcome['violations'][number][] = [];
  try {
    await world.agenda.run(() => run.isOver);
    if (!run.isAtRest && world.failures.length === 0)
      faults.push({ rule: 'restless', message: run.describe() });
  } catch (error) {
    faults.push({ rule: 'thrown', message: (error as Error).stack ?? String(error) });
  }
  for (const message of world.failures) faults.push({ rule: 'thrown', message });
  const { records } = world.history;
  const checked = checkHistory(records, {
    atRest: run.isAtRest,
    deadlineSlack: world.heldFor + 50,
  });
  return {
    seed,
    violations: [...faults, ...checked],
    counts: countsOf(world),
    events: world.agenda.count,
    history: () => world.history.toText(),
  };
}

function countsOf({ history, processes, counts: faults }: World): Map<string, number> {
  const counts = new Map(faults);
  const add = (what: string, count: number): void => void counts.set(what, (counts.get(what) ?? 0) + count);
  for (const record of history.records) add(kindOf(record), ofMany(record));
  for (const { bus } of processes) add('duplicate', bus.stats().received.duplicates);
  return counts;
}

/** For how many messages a record stands. */
function ofMany(record: HistoryRecord): number {
  return record.op === 'published' || record.op === 'read' ? (record.count ?? 1) : 1;
}

function kindOf(record: HistoryRecord): string {
  switch (record.op) {
    case 'gap':
      return record.missed === undefined ? 'gap of unknown size' : 'gap of known size';
    case 'answered':
      return record.outcome;
    case 'ended':
      return record.how;
    default:
      return record.op;
  }
}

export function hashOf(outcome: Outcome): string {
  return createHash('sha256').update(outcome.history()).digest('hex');
}

class Run {
  readonly #world: World;
  #quietSince: number | undefined;
  #faultsLeft = 1;
  isAtRest = false;

  constructor(world: World) {
    this.#world = world;
    this.#begin();
    this.#look();
  }

  get isOver(): boolean {
    const { agenda, failures } = this.#world;
    return this.isAtRest || failures.length > 0 || agenda.now > LONGEST_RUN;
  }

  describe(): string {
    return `not at rest after ${LONGEST_RUN} ms:\n${this.#living.map(({ state }) => state).join('\n')}`;
  }

  get #living(): Program[] {
    return this.#world.programs.filter(({ process }) => process.alive && process.bus.state !== 'closed');
  }

  #begin(): void {
    const { dice, scenario } = this.#world;
    const programs = Array.from({ length: dice.between(3, 5) }, (_, index) =>
      this.#world.start({ ...scenario.drawProcess(dice), ...(index < 2 ? { mayHost: true } : {}) }),
    );
    const ready = programs.map((program) => this.#prepare(program));
    this.#world.watch(Promise.all(ready).then(() => this.#proceed(programs)));
  }

  async #prepare(program: Program): Promise<void> {
    await program.process.bus.open();
    await this.#world.scenario.prepare(this.#world, program);
  }

  #proceed(programs: readonly Program[]): void {
    const faults = this.#world.scenario.begin(this.#world, programs);
    // who waits for messages that nobody publishes any more does not keep a run from its end
    this.#faultsLeft = faults.filter((planned) => 'at' in planned).length;
    for (const planned of faults) {
      if ('after' in planned)
        this.#world.afterPoured(planned.after, () => inflict(this.#world, planned.fault));
      else
        this.#world.after(planned.at, () => {
          this.#faultsLeft -= 1;
          inflict(this.#world, planned.fault);
        });
    }
  }

  #look(): void {
    const { agenda } = this.#world;
    const living = this.#living;
    const isQuiet =
      this.#faultsLeft === 0 && living.every((program) => program.isQuiet && !program.process.thread.held);
    if (!isQuiet) this.#quietSince = undefined;
    else this.#quietSince ??= agenda.now;
    this.isAtRest = this.#quietSince !== undefined && agenda.now - this.#quietSince >= REST;
    this.#world.after(LOOK_INTERVAL, () => this.#look());
  }
}
