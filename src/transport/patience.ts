// How long a host that answers no handshake is given. Counted is only time in which we were awake: a gap longer
// than an attempt can take was our own stall, and the host starts with a clean sheet; an attempt that ended late says that
// this process is slow, and nothing of the host. It dials nobody.
import {
  HANDSHAKE_TIMEOUT,
  HUNG_HOST_ATTEMPTS,
  HUNG_HOST_TIMEOUT,
  LATE_ATTEMPT,
  MAX_LATE_ATTEMPTS,
  RETRY_DELAY_MAX,
  STALL_THRESHOLD,
} from '../limits.js';
import type { Clock } from '../util/clock.js';

/** A host that fell silent on a link: that time counts, too. */
export interface Suspicion {
  readonly epoch: number;
  /** When it should have said something, on the monotonic clock, ms. */
  readonly since: number;
}

export class Patience {
  readonly #clock: Clock;
  #epoch: number;
  #since: number;
  #lastLook: number;
  #attempts = 0;
  #given = HANDSHAKE_TIMEOUT;
  #lateAttempts = 0;
  #keyForgiven = 0;

  /** @param suspicion of a moment ago: nothing may have happened since */
  constructor(clock: Clock, suspicion: Suspicion | undefined) {
    this.#clock = clock;
    this.#epoch = suspicion?.epoch ?? 0;
    this.#since = suspicion?.since ?? 0;
    this.#lastLook = clock.now();
  }

  /** To be called after each attempt that failed, with the time it began. */
  isOver(epoch: number, startedAt: number): boolean {
    const now = this.#clock.now();
    const longest = HANDSHAKE_TIMEOUT + RETRY_DELAY_MAX + STALL_THRESHOLD;
    if (epoch !== this.#epoch) this.#startOver(epoch, startedAt);
    else if (now - this.#lastLook > longest) this.#startOver(epoch, now);
    this.#lastLook = now;
    if (this.#forgives(now - startedAt)) return false;
    this.#attempts += 1;
    // three thirds of it may add up to a little less
    return this.#attempts >= HUNG_HOST_ATTEMPTS && now - this.#since > HUNG_HOST_TIMEOUT - 1;
  }

  /** How long the next attempt may take: those that are still owed share what is left, and the last one ends with it. */
  left(epoch: number): number {
    this.#given = epoch === this.#epoch ? this.#share() : HANDSHAKE_TIMEOUT;
    return this.#given;
  }

  #share(): number {
    const owed = Math.max(1, HUNG_HOST_ATTEMPTS - this.#attempts);
    const left = this.#since + HUNG_HOST_TIMEOUT - this.#clock.now();
    return Math.min(HANDSHAKE_TIMEOUT, Math.max(RETRY_DELAY_MAX, left / owed));
  }

  /** Whether an attempt that took so long does not count. Not for ever: a machine may stay slow, and its host hang. */
  #forgives(took: number): boolean {
    if (took <= this.#given + LATE_ATTEMPT || this.#lateAttempts === MAX_LATE_ATTEMPTS) return false;
    this.#lateAttempts += 1;
    // after a sleep it is now already
    this.#since = Math.min(this.#since + took, this.#lastLook);
    return true;
  }

  /** Whether this is the first wrong key in this epoch. */
  forgivesKey(epoch: number): boolean {
    const first = this.#keyForgiven !== epoch;
    this.#keyForgiven = epoch;
    return first;
  }

  #startOver(epoch: number, since: number): void {
    this.#epoch = epoch;
    this.#attempts = 0;
    this.#since = since;
  }
}
