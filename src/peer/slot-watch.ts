// Looks after slots that ran full: tells when one stays so, and after its stall time-out makes it drop instead of
// holding publishers back. A slot that is full for the length of a chunk is ordinary and costs nothing here.
import { LAZY_ACK_DELAY } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';

/** A slot as the watch sees it. */
export interface WatchedSlot {
  readonly stallTimeout: number;
  /** Messages that wait for room. */
  readonly waiting: number;
  /** Messages read since it was opened. */
  readonly reads: number;
  /** It stays full: say so. */
  slow(): void;
  /** It was full and unread for its stall time-out. */
  stall(): void;
}

interface Watched {
  reads: number;
  /** ms, monotonic */
  since: number;
  told: boolean;
}

export class SlotWatch {
  readonly #clock: Clock;
  readonly #full = new Map<WatchedSlot, Watched>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Messages began to wait in this slot. */
  full(slot: WatchedSlot): void {
    if (this.#full.has(slot)) return;
    this.#full.set(slot, { reads: slot.reads, since: this.#clock.now(), told: false });
    this.#arm();
  }

  forget(slot: WatchedSlot): void {
    this.#full.delete(slot);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#full.clear();
  }

  #arm(): void {
    this.#timer ??= this.#clock.setTimer(LAZY_ACK_DELAY, () => {
      this.#timer = undefined;
      this.#look();
      if (this.#full.size > 0) this.#arm();
    });
  }

  #look(): void {
    const now = this.#clock.now();
    for (const [slot, watched] of this.#full) {
      if (slot.waiting === 0) this.#full.delete(slot);
      else if (slot.reads !== watched.reads)
        this.#full.set(slot, { ...watched, reads: slot.reads, since: now });
      else this.#judge(slot, watched, now);
    }
  }

  #judge(slot: WatchedSlot, watched: Watched, now: number): void {
    if (!watched.told) slot.slow();
    watched.told = true;
    if (now - watched.since >= slot.stallTimeout) slot.stall();
  }
}
