// A message as users see it. Its data stays encoded in the chunk it arrived in until somebody looks at it; then,
// or when the reader moves on, it lets go of the chunk, whose memory is read into again.
import type { MailslotError } from '../errors.js';
import { type FrameWalker, joinHalves } from '../wire/frame-walker.js';
import { decodeValue, takeValue } from '../wire/values.js';
import type { SenderRecord } from './sender-records.js';

/** The memory that a chunk of frames arrived in, and how many messages still need it. */
export interface ChunkHold {
  messages: number;
  /** Whether this memory holds one frame and is never read into again, so that the last message may give it away. */
  readonly isDisposable: boolean;
  /** Called when the last message lets go. */
  release(): void;
}

/** What a subscriber, responder or asker gets. */
export interface Message<T = unknown> {
  readonly subject: string;
  /** Decoded when it is first looked at, and the same value from then on; undefined beside an `error`. */
  readonly data: T;
  readonly headers: Readonly<Record<string, string>>;
  /** Id of the peer that sent it; the host vouches for it. */
  readonly sender: string;
  /** Rises strictly at every receiver; the same message has the same order everywhere. */
  readonly order: number;
  /** When it was sent, by the sender's clock. */
  readonly time: Date;
  /** Whether this is a last value that was kept, not a new message. */
  readonly retained: boolean;
  /** Whether another member of the group may have had it before. */
  readonly redelivered: boolean;
  /** Set in place of the data when a responder of `queryAll` failed. */
  readonly error?: MailslotError | undefined;
}

/** The last millisecond that a Date holds: a sender's clock may say anything. */
const LATEST_TIME = 8.64e15;

/** The numbers of a message and the memory it lies in: a walker that stands on its frame, or a copy. */
export type MessageHead = Pick<
  FrameWalker,
  'bytes' | 'size' | 'sequence' | 'orderHigh' | 'orderLow' | 'timeHigh' | 'timeLow'
>;

export const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * A message in the chunk it came in. One is made per message and slot, so its fields are declared only: a field
 * definition would write each of them twice (measured: a fifth of the time to take a message).
 */
export class IncomingMessage implements Message {
  declare readonly subject: string;
  declare readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the whole frame. */
  declare readonly size: number;
  declare readonly sequence: number;
  /** The account of its sender, which is not acknowledged past this message until it is taken. */
  declare readonly from: SenderRecord;
  // in halves, see FrameWalker
  declare private orderHigh: number;
  declare private orderLow: number;
  declare private timeHigh: number;
  declare private timeLow: number;
  /** Memory that holds the encoded data from `start` to `end`; undefined once it is decoded. */
  declare private bytes: Buffer | undefined;
  declare private start: number;
  declare private end: number;
  declare private hold: ChunkHold | undefined;
  declare private value: unknown;

  /** @param head where its numbers are read; its data is in the same memory, from `start` to `end` */
  constructor(
    head: MessageHead,
    from: SenderRecord,
    subject: string,
    headers: Readonly<Record<string, string>>,
    start: number,
    end: number,
    hold: ChunkHold | undefined,
  ) {
    this.subject = subject;
    this.headers = headers;
    this.size = head.size;
    this.sequence = head.sequence;
    this.from = from;
    this.orderHigh = head.orderHigh;
    this.orderLow = head.orderLow;
    this.timeHigh = head.timeHigh;
    this.timeLow = head.timeLow;
    this.bytes = head.bytes;
    this.start = start;
    this.end = end;
    this.hold = hold;
    this.value = undefined;
    if (hold !== undefined) hold.messages += 1;
  }

  get data(): unknown {
    const { bytes } = this;
    if (bytes !== undefined) {
      const { hold } = this;
      this.value =
        hold?.isDisposable && hold.messages === 1
          ? takeValue(bytes, this.start, this.end)
          : decodeValue(bytes, this.start, this.end);
      this.bytes = undefined;
      this.letGo();
    }
    return this.value;
  }

  get error(): MailslotError | undefined {
    return undefined;
  }

  get order(): number {
    return joinHalves(this.orderHigh, this.orderLow);
  }

  get sender(): string {
    return this.from.id;
  }

  get time(): Date {
    return new Date(Math.min(joinHalves(this.timeHigh, this.timeLow), LATEST_TIME));
  }

  get retained(): boolean {
    return false;
  }

  get redelivered(): boolean {
    return false;
  }

  /** Makes the message independent of the chunk it came in. */
  detach(): void {
    if (this.hold === undefined || this.hold.isDisposable) return;
    if (this.bytes !== undefined) {
      this.bytes = Buffer.from(this.bytes.subarray(this.start, this.end));
      this.end -= this.start;
      this.start = 0;
    }
    this.letGo();
  }

  /** What a program sees that prints a message. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { subject, data, headers, sender, order, time, error } = this;
    return { subject, ...(error === undefined ? { data } : { error }), headers, sender, order, time };
  }

  private letGo(): void {
    const { hold } = this;
    if (hold === undefined) return;
    this.hold = undefined;
    hold.messages -= 1;
    if (hold.messages === 0) hold.release();
  }
}

/** What takes the place of an answer that a responder failed to give. */
export class FailedReply extends IncomingMessage {
  readonly #error: MailslotError;

  constructor(head: MessageHead, from: SenderRecord, subject: string, error: MailslotError) {
    super({ ...head, bytes: UNDEFINED_ITEM }, from, subject, NO_HEADERS, 0, UNDEFINED_ITEM.length, undefined);
    this.#error = error;
  }

  override get error(): MailslotError {
    return this.#error;
  }
}

const UNDEFINED_ITEM = Buffer.of(0xf7);
