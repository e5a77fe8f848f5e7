// Runs handlers, a limited number at once. While there is room a handler starts during the call; p-queue, which
// costs more than a short handler, keeps those that must wait.
import PQueue from 'p-queue';

export class HandlerLine {
  readonly #concurrency: number;
  /** At work without having waited. */
  #direct = 0;
  #waiting: PQueue | undefined;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** How many are at work or wait. */
  get load(): number {
    return this.#direct + this.#queued;
  }

  get hasRoom(): boolean {
    return this.#queued === 0 && this.#direct < this.#concurrency;
  }

  /** @param begin starts the work; returns a promise that never rejects, or undefined when all is done already */
  enter(begin: () => Promise<void> | undefined): void {
    if (!this.hasRoom) return this.#wait(begin);
    this.#direct += 1;
    const end = begin();
    if (end === undefined) this.#leave();
    else void end.then(() => this.#leave());
  }

  get #queued(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.size + this.#waiting.pending;
  }

  #wait(begin: () => Promise<void> | undefined): void {
    this.#waiting ??= new PQueue();
    this.#makeRoom(this.#waiting);
    void this.#waiting.add(async () => begin());
  }

  #leave(): void {
    this.#direct -= 1;
    if (this.#waiting !== undefined && this.#queued > 0) this.#makeRoom(this.#waiting);
  }

  /** The queue gets the room that those outside it leave. */
  #makeRoom(queue: PQueue): void {
    const room = this.#concurrency - this.#direct;
    if (room === 0) return queue.pause();
    queue.concurrency = room;
    queue.start();
  }
}
