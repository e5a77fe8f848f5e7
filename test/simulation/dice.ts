// The chance of one simulated run: everything in it that is not fixed is drawn here, so that the seed decides all.
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';

export class Dice {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.#random.below(most - least + 1);
  }

  /** A time from `least` to `most` ms, to the microsecond. */
  delay(least: number, most: number): number {
    return least + this.#random.below(Math.round((most - least) * 1_000) + 1) / 1_000;
  }

  chance(probability: number): boolean {
    return this.#random.below(1_000_000) < probability * 1_000_000;
  }

  pick<T>(choices: readonly T[]): T {
    return this.#random.pick(choices);
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#random.below(256)));
  }
}
