// Whether the host may have counted this peer as stalled and dropped messages for it. It says how many as soon as it
// is acknowledged again, unless it dies first: then the number is lost with it, and this peer has to know by
// itself. Judged is only how long this process was not awake; one that is awake reads its link.
import { SLOW_READING_TIMEOUT } from '../limits.js';

export class ReadingWatch {
  #awakeAt: number;
  #isDoubtful = false;
  #pings = 0;
  #pongs = 0;
  /** The ping whose pong comes behind everything that the host has to say about it. */
  #decisive: number | undefined;

  constructor(now: number) {
    this.#awakeAt = now;
  }

  /** Whether messages may be missing here of which the host has not told. */
  get mayHaveMissed(): boolean {
    return this.#isDoubtful;
  }

  /** This process has its turn; called often. */
  awake(now: number): void {
    if (now - this.#awakeAt > SLOW_READING_TIMEOUT) {
      this.#isDoubtful = true;
      this.#decisive = undefined;
    }
    this.#awakeAt = now;
  }

  /** @param isEven whether everything that was read is acknowledged: the host has noticed then that we are back */
  wantsPing(isEven: boolean): boolean {
    return this.#isDoubtful && isEven && this.#decisive === undefined;
  }

  pinged(isEven: boolean): void {
    this.#pings += 1;
    if (this.wantsPing(isEven)) this.#decisive = this.#pings;
  }

  ponged(): void {
    this.#pongs += 1;
    if (this.#decisive === undefined || this.#pongs < this.#decisive) return;
    this.#decisive = undefined;
    this.#isDoubtful = false;
  }
}
