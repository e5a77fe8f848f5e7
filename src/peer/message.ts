// A message as users see it. Its data stays encoded in the chunk it arrived in until somebody looks at it; then,
// or when the reader moves on, it lets go of the chunk, whose memory is read into again.
import type { MailslotError } from '../errors.js';
import { decodeValue } from '../wire/values.js';
import type { SenderRecord } from './sender-records.js';

/** The memory that a chunk of frames arrived in, and how many messages still need it. */
export interface ChunkHold {
  messages: number;
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

/** Where an {@link IncomingMessage} finds its parts, and what it is made of. */
export interface FrameParts {
  subject: string;
  from: SenderRecord;
  sequence: number;
  order: number;
  time: number;
  headers: Readonly<Record<string, string>>;
  /** Memory that holds the encoded data from `start` to `end`. */
  bytes: Buffer;
  start: number;
  end: number;
  /** Bytes of the whole frame. */
  size: number;
  hold: ChunkHold | undefined;
}

export const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

export class IncomingMessage implements Message {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly order: number;
  readonly size: number;
  readonly sequence: number;
  /** The account of its sender, which is not acknowledged past this message until it is taken. */
  readonly from: SenderRecord;
  readonly error: MailslotError | undefined;
  readonly #time: number;
  #bytes: Buffer | undefined;
  #start: number;
  #end: number;
  #hold: ChunkHold | undefined;
  #data: unknown;

  constructor(parts: FrameParts, error?: MailslotError) {
    this.subject = parts.subject;
    this.headers = parts.headers;
    this.order = parts.order;
    this.size = parts.size;
    this.sequence = parts.sequence;
    this.from = parts.from;
    this.error = error;
    this.#time = parts.time;
    this.#bytes = error === undefined ? parts.bytes : undefined;
    this.#start = parts.start;
    this.#end = parts.end;
    this.#hold = parts.hold;
    this.#data = undefined;
    if (parts.hold !== undefined) parts.hold.messages += 1;
  }

  get data(): unknown {
    const bytes = this.#bytes;
    if (bytes !== undefined) {
      this.#data = decodeValue(bytes, this.#start, this.#end);
      this.#bytes = undefined;
      this.#letGo();
    }
    return this.#data;
  }

  get sender(): string {
    return this.from.id;
  }

  get time(): Date {
    return new Date(this.#time);
  }

  get retained(): boolean {
    return false;
  }

  get redelivered(): boolean {
    return false;
  }

  /** Makes the message independent of the chunk it came in. */
  detach(): void {
    if (this.#hold === undefined) return;
    if (this.#bytes !== undefined) {
      this.#bytes = Buffer.from(this.#bytes.subarray(this.#start, this.#end));
      this.#end -= this.#start;
      this.#start = 0;
    }
    this.#letGo();
  }

  #letGo(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    this.#hold = undefined;
    hold.messages -= 1;
    if (hold.messages === 0) hold.release();
  }
}
