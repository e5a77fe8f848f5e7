// Writes the replies of this peer's responders. What cannot be sent as an answer goes as an error in its place.
import { MailslotError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { controlFrame, type ErrorReply } from '../wire/control.js';
import { At, Flag, Kind, writeRef, writeTo, writeU64 } from '../wire/frame.js';
import { FrameTemplate } from '../wire/frame-template.js';
import type { PeerId } from '../wire/peer-id.js';
import { encodeValue } from '../wire/values.js';
import { describeFailure, UnsentAnswer } from './error-reply.js';

/** Whom a reply is for. */
export interface Recipient {
  readonly asker: Uint8Array;
  /** The asker's number for the query. */
  readonly id: number;
}

export interface RepliesOptions {
  clock: Clock;
  peerId: PeerId;
  maxMessageBytes: number;
  send(frame: Buffer): boolean;
}

const NO_ONE = new Uint8Array(8);
const NULL_ITEM = Uint8Array.of(0xf6);

export class Replies {
  readonly #options: RepliesOptions;
  readonly #last: FrameTemplate;
  readonly #more: FrameTemplate;
  readonly #end: FrameTemplate;

  constructor(options: RepliesOptions) {
    this.#options = options;
    const fields = { kind: Kind.reply, sender: options.peerId.bytes, to: NO_ONE, ref: 0 };
    this.#last = new FrameTemplate(fields);
    this.#more = new FrameTemplate({ ...fields, flags: Flag.more });
    this.#end = new FrameTemplate({ ...fields, flags: Flag.stream });
  }

  /** The only reply. */
  answer(recipient: Recipient, answer: unknown): void {
    try {
      this.#sendData(this.#last, recipient, answer);
    } catch (error) {
      this.fail(recipient, error);
    }
  }

  /**
   * One reply of a stream; returns the bytes of its frame.
   * @throws what {@link fail} makes the last reply of
   */
  answerMore(recipient: Recipient, answer: unknown): number {
    return this.#sendData(this.#more, recipient, answer);
  }

  /** A stream ends, with all of its replies sent. */
  end(recipient: Recipient): void {
    this.#send(this.#end, recipient, NULL_ITEM);
  }

  /** The last reply: what a handler threw. */
  fail(recipient: Recipient, error: unknown): void {
    this.refuse(recipient, describeFailure(error));
  }

  /** The last reply: an error. */
  refuse({ asker, id }: Recipient, error: ErrorReply): void {
    const { clock, peerId, maxMessageBytes, send } = this.#options;
    const fields = { to: asker, ref: id, flags: Flag.error, time: clock.wallTime() };
    const frameOf = (reply: ErrorReply): Buffer => controlFrame('error REPLY', peerId.bytes, reply, fields);
    const { data, ...rest } = error;
    if (data !== undefined) {
      const frame = tryEncode(() => frameOf(error));
      if (frame !== undefined && frame.length <= maxMessageBytes) return void send(frame);
    }
    // the data is a courtesy; that the handler failed has to arrive
    send(frameOf(rest));
  }

  #sendData(template: FrameTemplate, recipient: Recipient, answer: unknown): number {
    const data = encodeAnswer(answer);
    const { maxMessageBytes } = this.#options;
    const size = template.size + data.length;
    if (size > maxMessageBytes) throw tooLarge(size, maxMessageBytes);
    this.#send(template, recipient, data);
    return size;
  }

  #send(template: FrameTemplate, { asker, id }: Recipient, data: Uint8Array): void {
    const frame = template.frame(data);
    writeU64(frame, At.time, this.#options.clock.wallTime());
    writeTo(frame, 0, asker);
    writeRef(frame, 0, id);
    this.#options.send(frame);
  }
}

/** @throws UnsentAnswer */
function encodeAnswer(answer: unknown): Uint8Array {
  try {
    return encodeValue(answer, 'respond');
  } catch (error) {
    // what a getter of the answer threw is the handler's failure
    throw MailslotError.is(error) ? new UnsentAnswer(error.code, error.message) : error;
  }
}

/** Undefined for what was fit to be sent by itself, and is nested too deep, or too large, inside of something. */
function tryEncode(encode: () => Buffer): Buffer | undefined {
  try {
    return encode();
  } catch {
    return undefined;
  }
}

function tooLarge(size: number, limit: number): UnsentAnswer {
  const message = `query: the answer has ${size} bytes, more than the responder's maxMessageBytes of ${limit}; answer with less, or raise it in openBus on both sides`;
  return new UnsentAnswer('MAILSLOT_MESSAGE_TOO_LARGE', message);
}
