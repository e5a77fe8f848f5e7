// The asking side of a streamed reply: an iterator over what one responder sends. What was read is granted to the
// responder as credit again, so that it is never far ahead of its reader.
import { MailslotError } from '../errors.js';
import { STREAM_CREDIT } from '../limits.js';
import type { Timer } from '../util/clock.js';
import type { Deadlines } from '../util/deadlines.js';
import { Ring } from '../util/ring.js';
import { creditOf } from '../wire/credit.js';
import type { Asker, Listener, Streaming } from './asker.js';
import type { Message } from './message.js';
import type { Question } from './question.js';
import { ReplyStream } from './reply-stream.js';

type Result = IteratorResult<Message, undefined>;

export interface QueryStreamOptions {
  question: Question;
  /** @throws why it cannot be asked now */
  check(): void;
  asker: Asker;
  deadlines: Deadlines;
  /** Longest wait for one reply, ms. */
  patience: number;
}

/** Credit is granted again when so much of it was read: few frames, and the responder need not stop for them. */
const GRANT_STEP = STREAM_CREDIT / 2;

export class QueryStream implements AsyncIterableIterator<Message> {
  readonly #options: QueryStreamOptions;
  readonly #replies: ReplyStream;
  #streaming: Streaming | undefined;
  /** Runs while somebody waits for a reply, from the last one on. */
  #timer: Timer | undefined;
  /** Of what has come and was not read, in credit. */
  readonly #costs = new Ring<number>();
  /** Read, and not granted again yet. */
  #read = 0;

  constructor(options: QueryStreamOptions) {
    this.#options = options;
    this.#replies = new ReplyStream({
      start: (listener) => this.#start(listener),
      max: Number.POSITIVE_INFINITY,
      isOrdinaryEnd: () => false,
    });
  }

  async next(): Promise<Result> {
    const next = this.#replies.next();
    if (this.#timer === undefined) this.#watch();
    const result = await next;
    if (!result.done) this.#noteRead();
    return result;
  }

  async return(): Promise<Result> {
    this.#timer?.cancel();
    return this.#replies.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #start(listener: Listener): () => void {
    const { asker, question, check } = this.#options;
    check();
    const streaming = asker.askStream(question, {
      reply: (message, size, more) => {
        this.#costs.push(creditOf(size));
        listener.reply(message, size, more);
        this.#watch();
      },
      end: (error) => {
        this.#timer?.cancel();
        listener.end(error);
      },
    });
    this.#streaming = streaming;
    return () => streaming.stop();
  }

  #watch(): void {
    const { deadlines, patience } = this.#options;
    this.#timer?.cancel();
    this.#timer = this.#replies.isAwaited ? deadlines.set(patience, () => this.#giveUp()) : undefined;
  }

  #giveUp(): void {
    const { question, patience } = this.#options;
    const message = `${question.call}: no reply to "${question.subject}" within ${patience} ms of the one before; raise \`timeout\`, or see why the responder is slow`;
    this.#replies.end(new MailslotError('MAILSLOT_TIMEOUT', message));
  }

  #noteRead(): void {
    this.#read += this.#costs.shift() ?? 0;
    if (this.#read < GRANT_STEP) return;
    this.#streaming?.grant(this.#read);
    this.#read = 0;
  }
}
