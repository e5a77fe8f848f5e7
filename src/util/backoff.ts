// Delays between attempts: random below a ceiling that doubles, so that many who fail together do not come
// back together. It does not wait; it says how long.
import type { Clock } from './clock.js';

export class Backoff {
  readonly #clock: Clock;
  readonly #min: number;
  readonly #max: number;
  #ceiling: number;

  constructor(clock: Clock, { min, max }: { min: number; max: number }) {
    this.#clock = clock;
    this.#min = min;
    this.#max = max;
    this.#ceiling = min;
  }

  /** The next delay in ms. */
  next(): number {
    const delay = this.#ceiling * (this.#clock.randomBytes(2).readUInt16BE(0) / 0x1_0000);
    this.#ceiling = Math.min(this.#ceiling * 2, this.#max);
    return delay;
  }

  reset(): void {
    this.#ceiling = this.#min;
  }
}
