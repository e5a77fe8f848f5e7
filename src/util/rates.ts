// How fast counts rise, from looking at them now and then: nothing is measured in between, and nobody pays who never looks.
import type { Clock } from './clock.js';

/** Looks that are closer than this, ms, begin at the same one before them: of a moment, a rate says nothing. */
const LEAST_SPAN = 1_000;

interface Look {
  readonly at: number;
  readonly counts: readonly number[];
}

export class Rates {
  readonly #clock: Clock;
  /** What is compared with. */
  #base: Look;
  /** What will be, once it is old enough. */
  #last: Look;

  /** The counts are 0 now. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#base = this.#last = { at: clock.now(), counts: [] };
  }

  /** By how much each of these counts, which are always the same ones, rose per second since an earlier look. */
  perSecond(counts: readonly number[]): number[] {
    const at = this.#clock.now();
    if (at - this.#last.at >= LEAST_SPAN) {
      this.#base = this.#last;
      this.#last = { at, counts };
    }
    const { at: from, counts: before } = this.#base;
    if (at === from) return counts.map(() => 0);
    return counts.map((count, index) => ((count - (before[index] ?? 0)) * 1000) / (at - from));
  }
}
