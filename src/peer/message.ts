// A message as users see it. Its data stays encoded in the chunk it arrived in until somebody looks at it. Then, or when the
// reader moves on, it lets go of the chunk, whose memory is read into again; or, when its data is long bytes that no other
// slot was offered, those are given to the program where they lie.
import type { MailslotError } from '../errors.js';
import { copyBytes } from '../wire/byte-copies.js';
import { joinHalves } from '../wire/frame-walker.js';
import { decodeValue, isByteString, takeValue, viewValue } from '../wire/values.js';
import type { ChunkHold } from './chunk-hold.js';
import type { SenderRecord } from './sender-records.js';

/** What a subscriber, responder or asker gets. */
export interface Message<T = unknown> {
  readonly subject: string;
  /**
   * Decoded when it is first looked at, and the same value from then on; undefined beside an `error`. It is the reader's
   * alone. Bytes may lie in memory that other messages of this process share, so keep a copy (`slice()`) of the few that
   * are kept for long.
   */
  readonly data: T;
  readonly headers: Readonly<Record<string, string>>;
  /** Id of the peer that sent it; the host vouches for it. */
  readonly sender: string;
  /** Rises strictly at every receiver, but for retained and redelivered messages, which keep theirs; the same everywhere. */
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

/** What the messages of one frame share. */
export interface Origin {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The account of the sender, which is not acknowledged past a message until it is taken. */
  readonly from: SenderRecord;
  /** Whether several slots were offered its messages. */
  readonly isShared: boolean;
  /** Bytes of a frame in front of its data. */
  readonly headBytes: number;
  /** Sequence of the first message. */
  readonly sequence: number;
  // order of the first message, and the time, in halves, see FrameWalker
  readonly orderHigh: number;
  readonly orderLow: number;
  readonly timeHigh: number;
  readonly timeLow: number;
}

export const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * A message in the chunk it came in. One is made per message and slot, so its fields are declared only: a field
 * definition would write each of them twice (measured: a fifth of the time to take a message).
 */
export class IncomingMessage implements Message {
  declare private readonly origin: Origin;
  /** Its place in the frame. */
  declare private readonly index: number;
  /** Undefined once the data is decoded. */
  declare private bytes: Uint8Array | undefined;
  declare private start: number;
  declare private end: number;
  declare private hold: ChunkHold | undefined;
  declare private value: unknown;

  constructor(
    origin: Origin,
    index: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    hold: ChunkHold | undefined,
  ) {
    this.origin = origin;
    this.index = index;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.hold = hold;
    this.value = undefined;
    if (hold !== undefined) hold.messages += 1;
  }

  get subject(): string {
    return this.origin.subject;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.origin.headers;
  }

  get from(): SenderRecord {
    return this.origin.from;
  }

  get sequence(): number {
    return this.origin.sequence + this.index;
  }

  /** Bytes of a frame with this message alone. */
  get size(): number {
    return this.origin.headBytes + this.end - this.start;
  }

  get data(): unknown {
    const { bytes } = this;
    if (bytes !== undefined) {
      this.value = this.takeData(bytes);
      this.bytes = undefined;
      this.letGo();
    }
    return this.value;
  }

  get error(): MailslotError | undefined {
    return undefined;
  }

  get order(): number {
    const { orderHigh, orderLow } = this.origin;
    return joinHalves(orderHigh, orderLow) + this.index;
  }

  get sender(): string {
    return this.origin.from.id;
  }

  get time(): Date {
    const { timeHigh, timeLow } = this.origin;
    return new Date(Math.min(joinHalves(timeHigh, timeLow), LATEST_TIME));
  }

  get retained(): boolean {
    return false;
  }

  get redelivered(): boolean {
    return false;
  }

  /** Makes the message independent of what becomes of the chunk it came in. */
  detach(): void {
    const { hold } = this;
    // cheaper than the copy, of data that perhaps nobody looks at
    if (hold !== undefined && !hold.isDisposable && this.bytes !== undefined && this.mayHave(hold))
      hold.give();
    else this.copyOut();
  }

  /** The same, and keeps none of the chunk in memory. */
  copyOut(): void {
    const { hold } = this;
    if (hold === undefined || hold.isDisposable) return;
    if (this.bytes !== undefined) {
      this.bytes = copyBytes(this.bytes, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    this.letGo();
  }

  /** What a validator made of the data, which it has looked at, takes its place. */
  replaceData(value: unknown): void {
    this.value = value;
  }

  /** What stands for this reply where its data cannot be accepted. */
  toFailure(error: MailslotError): FailedReply {
    return new FailedReply(this.origin, error);
  }

  /** What a program sees that prints a message. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { subject, data, headers, sender, order, time, error } = this;
    return { subject, ...(error === undefined ? { data } : { error }), headers, sender, order, time };
  }

  private takeData(bytes: Uint8Array): unknown {
    const { hold, start, end } = this;
    if (hold === undefined) return decodeValue(bytes, start, end);
    if (hold.isDisposable && hold.messages === 1) return takeValue(bytes, start, end);
    if (!this.mayHave(hold) || !isByteString(bytes, start)) return decodeValue(bytes, start, end);
    hold.give();
    return viewValue(bytes, start, end);
  }

  private mayHave(hold: ChunkHold): boolean {
    return hold.mayGive(this.end - this.start, this.origin.isShared);
  }

  private letGo(): void {
    const { hold } = this;
    this.hold = undefined;
    hold?.letGo();
  }
}

/** A message that was checked, and where it lies. */
export interface Body {
  readonly origin: Origin;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** What there is to say of some messages only. */
export interface Marks {
  readonly hold: ChunkHold | undefined;
  readonly retained?: boolean;
  readonly redelivered?: boolean;
  /** ms since 1970 */
  readonly expiry: number | undefined;
}

/** A message that came under a NOTE, or that expires. */
export class SpecialMessage extends IncomingMessage {
  readonly #marks: Omit<Marks, 'hold'>;

  constructor({ origin, bytes, start, end }: Body, { hold, ...marks }: Marks) {
    super(origin, 0, bytes, start, end, hold);
    this.#marks = marks;
  }

  override get retained(): boolean {
    return this.#marks.retained === true;
  }

  override get redelivered(): boolean {
    return this.#marks.redelivered === true;
  }

  hasExpired(wallTime: number): boolean {
    return this.#marks.expiry !== undefined && this.#marks.expiry <= wallTime;
  }
}

/** What takes the place of an answer that a responder failed to give. */
export class FailedReply extends IncomingMessage {
  readonly #error: MailslotError;

  constructor(origin: Origin, error: MailslotError) {
    super(origin, 0, UNDEFINED_ITEM, 0, UNDEFINED_ITEM.length, undefined);
    this.#error = error;
  }

  override get error(): MailslotError {
    return this.#error;
  }
}

const UNDEFINED_ITEM = Buffer.of(0xf7);
