// The asking side of queries: gives each an id, a deadline and exactly one outcome.
//
// Invariant: every open query settles: with a reply, an error, its time-out, its signal, or the end of the link.
import { MailslotError } from '../errors.js';
import { MAX_OPEN_QUERIES, MAX_OPEN_QUERY_BYTES, STREAM_CREDIT } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import type { Deadlines } from '../util/deadlines.js';
import { RecentMap } from '../util/recent-map.js';
import { cancelFrame, controlFrame, readControl } from '../wire/control.js';
import { creditOf } from '../wire/credit.js';
import { At, checkRef, Flag, FrameFault, readFlags, readRef, writeTtl, writeU64 } from '../wire/frame.js';
import { PEER_ID_BYTES, type PeerId } from '../wire/peer-id.js';
import { failedReply, messageOf } from './incoming.js';
import type { IncomingMessage } from './message.js';
import type { Question } from './question.js';

/** Who hears what becomes of a question. After `end` nothing comes. */
export interface Listener {
  /** @param size bytes of its frame @param more whether its responder says that another one follows */
  reply(message: IncomingMessage, size: number, more: boolean): void;
  /** No more replies: all have come, or, with an error, something went wrong. */
  end(error: unknown): void;
}

/** A stream of replies that was asked for. */
export interface Streaming {
  stop(): void;
  /** So much credit of what came was read: the responder may send as much again. */
  grant(credit: number): void;
}

interface OpenQuestion {
  readonly id: number;
  readonly question: Question;
  readonly listener: Listener;
  /** ms, monotonic */
  readonly askedAt: number;
  timer: Timer | undefined;
  onAbort: (() => void) | undefined;
  sent: boolean;
  /** How many last replies are still to come; undefined until the host says. */
  expected: number | undefined;
  received: number;
  /** Streams only: what the responder may still send. */
  credit: number;
  /** Streams only: who answers, once it has. */
  responder: Uint8Array | undefined;
}

export interface AskerOptions {
  clock: Clock;
  deadlines: Deadlines;
  peerId: PeerId;
  /** Largest answer that is taken. */
  maxMessageBytes: number;
  /** Sends a frame if the bus is connected; false when it is not. */
  send(frame: Buffer): boolean;
}

export class Asker {
  readonly #options: AskerOptions;
  readonly #open = new RecentMap<OpenQuestion>();
  /** Those that were not sent yet, for want of a link or of room at the host. */
  readonly #unsent = new Map<number, OpenQuestion>();
  #sent = 0;
  #sentBytes = 0;
  #lastId = 0;
  asked = 0;

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Asks; returns how to stop listening. */
  ask(question: Question, listener: Listener): () => void {
    const open = this.#begin(question, listener);
    return () => this.#finish(open, undefined, true);
  }

  /** Asks for a stream of replies. */
  askStream(question: Question, listener: Listener): Streaming {
    const open = this.#begin(question, listener);
    return {
      stop: () => this.#finish(open, undefined, true),
      grant: (credit) => this.#grant(open, credit),
    };
  }

  #begin(question: Question, listener: Listener): OpenQuestion {
    const open: OpenQuestion = {
      id: ++this.#lastId,
      question,
      listener,
      askedAt: this.#options.clock.now(),
      timer: undefined,
      onAbort: undefined,
      sent: false,
      expected: question.all ? undefined : 1,
      received: 0,
      credit: STREAM_CREDIT,
      responder: undefined,
    };
    this.asked += 1;
    this.#open.add(open.id, open);
    this.#limit(open);
    question.frame.set(this.#options.peerId.bytes, At.sender);
    writeU64(question.frame, At.sequence, open.id);
    if (this.#unsent.size > 0 || !this.#trySend(open)) this.#unsent.set(open.id, open);
    return open;
  }

  /** Sends what waits, as far as the host takes it: after OPEN, and whenever a query is done. */
  sendWaiting(): void {
    for (const open of this.#unsent.values()) {
      const { frame, timeout } = open.question;
      const passed = this.#options.clock.now() - open.askedAt;
      if (timeout !== undefined) writeTtl(frame, 0, Math.max(1, Math.ceil(timeout - passed)));
      if (!this.#trySend(open)) return;
      this.#unsent.delete(open.id);
    }
  }

  /** Sees to it that the query ends at its deadline and with its signal. */
  #limit(open: OpenQuestion): void {
    const { timeout, signal } = open.question;
    if (timeout !== undefined) {
      const expire = (): void => this.#finish(open, timedOut(open.question, timeout), true);
      open.timer = this.#options.deadlines.set(timeout, expire);
    }
    if (signal === undefined) return;
    open.onAbort = () => this.#finish(open, signal.reason, true);
    signal.addEventListener('abort', open.onAbort, { once: true });
  }

  #trySend(open: OpenQuestion): boolean {
    const { frame } = open.question;
    const hasRoom = this.#sent < MAX_OPEN_QUERIES && this.#sentBytes + frame.length <= MAX_OPEN_QUERY_BYTES;
    if ((!hasRoom && this.#sent > 0) || !this.#options.send(frame)) return false;
    open.sent = true;
    this.#sent += 1;
    this.#sentBytes += frame.length;
    return true;
  }

  /** A REPLY came. */
  takeReply(bytes: Buffer, at: number, size: number): void {
    const flags = readFlags(bytes, at);
    checkRef('REPLY', bytes, at);
    const open = this.#open.get(readRef(bytes, at));
    if (open === undefined) return;
    if (flags & Flag.all) {
      open.expected = readControl('count REPLY', bytes, at, size);
    } else if (open.question.isStream) {
      return this.#takeStreamed(open, bytes, at, size);
    } else {
      const more = (flags & Flag.more) !== 0;
      if (!more) open.received += 1;
      open.listener.reply(this.#messageOf(bytes, at, size, open.question), size, more);
    }
    if (open.received === open.expected) this.#finish(open, undefined, false);
  }

  #takeStreamed(open: OpenQuestion, bytes: Buffer, at: number, size: number): void {
    const flags = readFlags(bytes, at);
    const more = (flags & Flag.more) !== 0;
    if (flags & Flag.stream && !more) return this.#finish(open, undefined, false);
    const reply = this.#messageOf(bytes, at, size, open.question);
    if (reply.error !== undefined) return this.#finish(open, reply.error, more);
    if (more && open.credit <= 0) return this.#finish(open, greedy(open.question), true);
    if (more) open.credit -= creditOf(size);
    open.responder ??= Buffer.from(bytes.subarray(at + At.sender, at + At.sender + PEER_ID_BYTES));
    open.listener.reply(reply, size, more);
    if (!more) this.#finish(open, undefined, false);
  }

  #grant(open: OpenQuestion, credit: number): void {
    if (!this.#open.has(open.id)) return;
    open.credit += credit;
    const fields = { to: open.responder, ref: open.id };
    this.#options.send(controlFrame('CREDIT', this.#options.peerId.bytes, credit, fields));
  }

  /** The answer, or in its place why it cannot be taken: a responder's fault must not cost the asker its link. */
  #messageOf(bytes: Buffer, at: number, size: number, question: Question): IncomingMessage {
    const { subject, call } = question;
    const { maxMessageBytes } = this.#options;
    if (size > maxMessageBytes)
      return failedReply(bytes, at, subject, tooLarge(question, size, maxMessageBytes));
    try {
      return messageOf(bytes, at, size, { subject, call });
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error;
      return failedReply(bytes, at, subject, malformed(question, error));
    }
  }

  /** The link ended: what was sent may have been carried out, and is not sent again. */
  linkLost(): void {
    for (const open of this.#open.values()) {
      if (open.sent) this.#finish(open, lostWithLink(open.question), false);
    }
  }

  /** Ends every query that waits. */
  rejectAll(error: unknown): void {
    for (const open of this.#open.values()) this.#finish(open, error, true);
  }

  rejectUnsent(error: unknown): void {
    for (const open of [...this.#unsent.values()]) this.#finish(open, error, false);
  }

  #finish(open: OpenQuestion, error: unknown, cancel: boolean): void {
    if (!this.#open.delete(open.id)) return;
    open.timer?.cancel();
    if (open.onAbort !== undefined) open.question.signal?.removeEventListener('abort', open.onAbort);
    if (open.sent) this.#settleSent(open, cancel);
    else this.#unsent.delete(open.id);
    open.listener.end(error);
    if (this.#unsent.size > 0) this.sendWaiting();
  }

  #settleSent({ id, question }: OpenQuestion, cancel: boolean): void {
    this.#sent -= 1;
    this.#sentBytes -= question.frame.length;
    if (cancel) this.#options.send(cancelFrame(this.#options.peerId, id));
  }
}

function timedOut({ call, subject }: Question, timeout: number): MailslotError {
  return new MailslotError(
    'MAILSLOT_TIMEOUT',
    `${call}: no reply to "${subject}" within ${timeout} ms; raise \`timeout\`, or see why the responder is slow`,
  );
}

function lostWithLink({ call, subject }: Question): MailslotError {
  const message = `${call}: the host went before a reply to "${subject}" came; the query may have been carried out: ask again only if that does no harm`;
  return new MailslotError('MAILSLOT_RESPONDER_LOST', message);
}

function greedy({ call, subject }: Question): MailslotError {
  const message = `${call}: the responder of "${subject}" sent more than it had credit for; look for a faulty responder`;
  return new MailslotError('MAILSLOT_PROTOCOL_VIOLATION', message);
}

function tooLarge({ call, subject }: Question, size: number, limit: number): MailslotError {
  const message = `${call}: the answer to "${subject}" has ${size} bytes, more than maxMessageBytes of ${limit}; raise it in openBus, or ask for less`;
  return new MailslotError('MAILSLOT_MESSAGE_TOO_LARGE', message);
}

function malformed({ call, subject }: Question, cause: FrameFault): MailslotError {
  const message = `${call}: the answer to "${subject}" cannot be read: ${cause.message}; look for a faulty responder`;
  return new MailslotError('MAILSLOT_PROTOCOL_VIOLATION', message, { cause });
}
