// The replies to a queryAll, as an iterator: what came and was not read yet, and how it ended.
import { Ring } from '../util/ring.js';
import type { Listener } from './asker.js';
import type { IncomingMessage, Message } from './message.js';

type Result = IteratorResult<Message, undefined>;

const DONE: Result = { done: true, value: undefined };

interface Reader {
  resolve(result: Result): void;
  reject(reason: unknown): void;
}

export class ReplyStream implements AsyncIterableIterator<Message>, Listener {
  readonly #replies = new Ring<Message>();
  readonly #readers: Reader[] = [];
  readonly #start: (listener: Listener) => () => void;
  readonly #max: number;
  /** Errors that end the iteration as if the last reply had come. */
  readonly #isOrdinaryEnd: (error: unknown) => boolean;
  #stop: (() => void) | undefined;
  #received = 0;
  #ended = false;
  #error: unknown;

  /** Asking begins with the first `next`, as with a generator. */
  constructor(options: {
    start(listener: Listener): () => void;
    max: number;
    isOrdinaryEnd(error: unknown): boolean;
  }) {
    this.#start = options.start;
    this.#max = options.max;
    this.#isOrdinaryEnd = options.isOrdinaryEnd;
  }

  /** Whether somebody waits for the next reply. */
  get isAwaited(): boolean {
    return this.#readers.length > 0;
  }

  reply(message: IncomingMessage): void {
    if (this.#ended) return;
    this.#received += 1;
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.resolve({ done: false, value: message });
    else this.#replies.push(message);
    if (this.#received >= this.#max) this.#finish(undefined);
  }

  end(error: unknown): void {
    this.#finish(this.#isOrdinaryEnd(error) ? undefined : error);
  }

  async next(): Promise<Result> {
    if (this.#stop === undefined && !this.#ended) this.#stop = this.#start(this);
    const reply = this.#replies.shift();
    if (reply !== undefined) return { done: false, value: reply };
    if (!this.#ended) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
    return DONE;
  }

  async return(): Promise<Result> {
    this.#finish(undefined);
    return DONE;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stop?.();
    const [first, ...others] = this.#readers.splice(0);
    if (first === undefined) this.#error = error;
    else if (error === undefined) first.resolve(DONE);
    else first.reject(error);
    for (const other of others) other.resolve(DONE);
  }
}
