// What a pipe has to tell its owner, in order. Both kinds of pipe have one; it holds what arrives while nobody
// listens, and sees to it that the end is told once and last. It does no I/O.
import type { Clock } from '../util/clock.js';
import type { PipeHandlers } from './pipe.js';

export class PipeInbox {
  readonly #clock: Clock;
  readonly #waiting: Buffer[] = [];
  #handlers: PipeHandlers | undefined;
  #end: { cause: Error | undefined } | undefined;
  #discarded = false;
  #endTold = false;
  #flushing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get handlers(): PipeHandlers | undefined {
    return this.#handlers;
  }

  set handlers(handlers: PipeHandlers | undefined) {
    this.#handlers = handlers;
    this.#flushLater();
  }

  get waitingBytes(): number {
    return this.#waiting.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  data(chunk: Buffer): void {
    if (this.#discarded || this.#end) return;
    if (this.#handlers && this.#waiting.length === 0) this.#handlers.data(chunk);
    else this.#waiting.push(chunk);
  }

  /** As the owner says it; nobody knows while something waits to be delivered. */
  place(): Buffer | undefined {
    return this.#discarded || this.#waiting.length > 0 ? undefined : this.#handlers?.place?.();
  }

  unread(chunk: Buffer): void {
    if (this.#discarded || chunk.length === 0) return;
    this.#waiting.unshift(chunk);
    this.#flushLater();
  }

  drained(): void {
    if (!this.#end) this.#handlers?.drained();
  }

  /** Nothing but the end is told from now on. */
  discard(): void {
    this.#discarded = true;
    this.#waiting.length = 0;
  }

  closed(cause: Error | undefined): void {
    this.#end ??= { cause };
    this.#tellEnd();
  }

  // Later, because an owner sets its handlers while it is still setting up itself.
  #flushLater(): void {
    if (this.#flushing || !this.#handlers || (this.#waiting.length === 0 && !this.#end)) return;
    this.#flushing = true;
    this.#clock.defer(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#handlers && this.#waiting.length > 0) this.#handlers.data(this.#waiting.shift()!);
    this.#tellEnd();
  }

  #tellEnd(): void {
    if (!this.#end || this.#endTold || !this.#handlers || this.#waiting.length > 0) return;
    this.#endTold = true;
    this.#handlers.closed(this.#end.cause);
  }
}
