// One thread of a simulated process: an event loop that can be held (a busy program, SIGSTOP, a laptop asleep) and
// killed. What it is given as a Clock is its own view of the one virtual time.
import type { Clock, Timer } from '../../src/util/clock.js';
import { type Agenda, Rank } from './agenda.js';
import type { Dice } from './dice.js';

/** When every simulated run begins, ms since 1970. */
const EPOCH_TIME = 1_795_000_000_000;

/** The wall clock of the machine, which may be set. */
export interface WallClock {
  /** ms that it is ahead. */
  offset: number;
}

export class Thread {
  readonly clock: Clock;
  readonly #agenda: Agenda;
  #heldUntil = 0;
  #heldSince = 0;
  #alive = true;
  readonly #wakers: (() => void)[] = [];

  constructor(agenda: Agenda, dice: Dice, wall: WallClock) {
    this.#agenda = agenda;
    this.clock = {
      now: () => agenda.now,
      wallTime: () => Math.floor(EPOCH_TIME + agenda.now + wall.offset),
      setTimer: (delay, fire) => this.#setTimer(delay, fire),
      defer: (run) => void this.post(0, Rank.deferred, run),
      afterIo: (run) => void this.post(0, Rank.afterIo, run),
      randomBytes: (length) => dice.bytes(length),
      keepAlive: () => ({ ref() {}, unref() {}, release() {} }),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get held(): boolean {
    return this.#agenda.now < this.#heldUntil;
  }

  /** For how long it has been held without a break, ms. */
  get heldFor(): number {
    return this.held ? this.#agenda.now - this.#heldSince : 0;
  }

  /** Called whenever this thread runs again after it was held, before anything else. */
  onWake(wake: () => void): void {
    this.#wakers.push(wake);
  }

  /** Runs nothing for so long. */
  hold(duration: number): void {
    const until = this.#agenda.now + duration;
    if (until <= this.#heldUntil) return;
    if (!this.held) this.#heldSince = this.#agenda.now;
    this.#heldUntil = until;
    for (const wake of this.#wakers) this.post(duration, Rank.deferred, wake);
  }

  kill(): void {
    this.#alive = false;
  }

  /** Calls `run` in this thread after `delay` ms, or when it runs again; never when it has died. */
  post(delay: number, rank: Rank, run: () => void): void {
    this.#agenda.add(this.#agenda.now + delay, rank, () => {
      if (!this.#alive) return;
      if (this.held) this.post(this.#heldUntil - this.#agenda.now, rank, run);
      else run();
    });
  }

  #setTimer(delay: number, fire: () => void): Timer {
    let cancelled = false;
    this.post(delay, Rank.timer, () => {
      if (!cancelled) fire();
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}
