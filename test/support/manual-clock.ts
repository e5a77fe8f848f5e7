// A clock that stands still until a test moves it. What was deferred runs when the test says so.
import type { Clock, Timer } from '../../src/util/clock.js';

interface Pending {
  readonly at: number;
  readonly fire: () => void;
}

export class ManualClock implements Clock {
  #now = 1_000;
  #random = 0;
  #deferred: (() => void)[] = [];
  readonly #timers = new Set<Pending>();

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 1_700_000_000_000 + Math.floor(this.#now);
  }

  setTimer(delay: number, fire: () => void): Timer {
    const pending = { at: this.#now + delay, fire };
    this.#timers.add(pending);
    return { cancel: () => this.#timers.delete(pending) };
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  afterIo(run: () => void): void {
    this.#deferred.push(run);
  }

  randomBytes(length: number): Buffer {
    return Buffer.alloc(length, ++this.#random);
  }

  keepAlive(): { ref(): void; unref(): void; release(): void } {
    return { ref() {}, unref() {}, release() {} };
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Runs what was deferred, and what that defers, until there is nothing left. */
  settle(): void {
    while (this.#deferred.length > 0) for (const run of this.#deferred.splice(0)) run();
  }

  /** Lets time pass; timers fire one after the other, each at its own time. */
  advance(duration: number): void {
    const end = this.#now + duration;
    for (let next = this.#nextUntil(end); next !== undefined; next = this.#nextUntil(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fire();
      this.settle();
    }
    this.#now = end;
    this.settle();
  }

  /** Time passes and nobody could do anything meanwhile: the process was suspended. */
  jump(duration: number): void {
    this.#now += duration;
    this.advance(0);
  }

  #nextUntil(end: number): Pending | undefined {
    let next: Pending | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
    }
    return next;
  }
}
