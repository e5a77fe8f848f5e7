// Relays queries and their replies, and sees to it that every query is answered: by a responder, or by the host
// in its place. The open ones are in query-table.ts.
import { MAX_OPEN_QUERIES, MAX_OPEN_QUERY_BYTES } from '../limits.js';
import { atMost, type Clock } from '../util/clock.js';
import { cancelFrame, controlFrame, type ErrorReply, readControl } from '../wire/control.js';
import {
  At,
  checkRef,
  encodeFrame,
  Flag,
  FrameFault,
  Kind,
  readFlags,
  readRef,
  readU16,
  readU64,
  toPosition,
} from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import { matches } from '../wire/subject.js';
import type { Outlet } from './outlet.js';
import { leastBusy, type OpenQuery, QueryTable } from './query-table.js';
import type { Answerers } from './routes.js';
import type { SystemQuery } from './services.js';
import type { Registration, Session } from './session.js';

/** Every peer answers a query on it, though it registers nothing. */
const SLOTS_SUBJECT = '$slots';

export interface QueriesOptions {
  hostId: PeerId;
  outlet: Outlet;
  /** Who answers on the subject of `length` bytes at `at`. */
  answerers(bytes: Uint8Array, at: number, length: number): Answerers;
  /** One responder for each peer: itself. */
  everybody(): readonly Registration[];
  /** The peer whose id lies there. */
  peerAt(bytes: Uint8Array, at: number): Session | undefined;
  /** Answers a query on a subject that begins with `$`: the value, or undefined when there is no such subject. */
  answerSystemQuery(subject: string): Uint8Array | undefined;
  /** Takes a query on such a subject that may stay open; false when it is none of these. */
  takeSystemQuery(query: SystemQuery): boolean;
  /** The asker of a query that was taken does not want answers any more. */
  cancelSystemQuery(asker: Session, id: number): void;
  /** The host has answered this itself. */
  onAnswer(frame: Buffer): void;
}

export class Queries {
  readonly #table = new QueryTable();
  readonly #options: QueriesOptions;

  constructor(options: QueriesOptions) {
    this.#options = options;
  }

  /** A QUERY came: hands it to one responder, or to all. */
  ask(asker: Session, bytes: Buffer, at: number, size: number): void {
    const id = readU64(bytes, at + At.sequence);
    if (asker.asked.has(id)) throw new FrameFault(`QUERY ${id} is open already`);
    const length = readU16(bytes, at + At.subjectLength);
    const { subject, responders: registered } = this.#options.answerers(bytes, at + At.subject, length);
    const responders = subject === SLOTS_SUBJECT ? this.#options.everybody() : registered;
    if (responders === undefined) return this.#askHost({ asker, id, subject, bytes, at, size });
    const refusal = this.#refusal(asker, size);
    if (refusal !== undefined) return this.#fail(asker, id, refusal);
    const found = this.#narrow(responders, bytes, at);
    if (found === undefined) return this.#fail(asker, id, noSuchPeer);
    const frame = bytes.subarray(at, at + size);
    if (readFlags(bytes, at) & Flag.all) return this.#askAll({ asker, id, subject }, found, frame);
    const chosen = leastBusy(found);
    if (chosen === undefined) return this.#fail(asker, id, noResponder(subject));
    this.#table.open({ asker, id, subject, bytes: size, pending: [chosen] });
    this.#options.outlet.post(chosen.session, frame);
  }

  /** A REPLY came: passes it on if somebody still waits for it. */
  reply(responder: Session, bytes: Buffer, at: number, size: number): void {
    const flags = readFlags(bytes, at);
    if (!(flags & Flag.hasTo) || !(flags & Flag.hasRef)) throw new FrameFault('REPLY lacks `to` or `ref`');
    if (flags & Flag.all) throw new FrameFault('a REPLY that counts replies comes from the host only');
    const query = this.#options.peerAt(bytes, toPosition(bytes, at))?.asked.get(readRef(bytes, at));
    // it was cancelled, or its asker went: both are ordinary
    if (query === undefined || !responder.answering.has(query.key)) return;
    this.#options.outlet.post(query.asker, bytes.subarray(at, at + size));
    if (!(flags & Flag.more)) this.#table.answered(query, responder);
  }

  /** CREDIT came: passes it to the responder it names, if that one still answers this query. */
  credit(asker: Session, bytes: Buffer, at: number, size: number): void {
    const flags = readFlags(bytes, at);
    if (!(flags & Flag.hasTo) || !(flags & Flag.hasRef)) throw new FrameFault('CREDIT lacks `to` or `ref`');
    readControl('CREDIT', bytes, at, size);
    const query = asker.asked.get(readRef(bytes, at));
    const responder = this.#options.peerAt(bytes, toPosition(bytes, at));
    if (query !== undefined && responder?.answering.has(query.key))
      this.#options.outlet.post(responder, bytes.subarray(at, at + size));
  }

  /** CANCEL came from the asker. */
  cancel(asker: Session, bytes: Buffer, at: number): void {
    checkRef('CANCEL', bytes, at);
    const query = asker.asked.get(readRef(bytes, at));
    if (query !== undefined) this.#cancel(query);
    else this.#options.cancelSystemQuery(asker, readRef(bytes, at));
  }

  /**
   * A responder was closed: what it was working on fails at once. Where its peer has another one for that subject, only the
   * peer knows which of them that was, and has answered for it.
   */
  dropResponder({ session }: Registration): void {
    const left = [...session.registrations.values()].filter(({ role }) => role === 'responder');
    for (const query of session.answering.values()) {
      if (left.some(({ pattern }) => matches(pattern, query.subject))) continue;
      while (session.answering.has(query.key)) this.#lose(query, session);
    }
  }

  /** A peer went: its own queries are cancelled, and those it was working on fail at once. */
  leave(session: Session): void {
    for (const query of session.asked.values()) this.#cancel(query);
    for (const query of session.answering.values())
      while (session.answering.has(query.key)) this.#lose(query, session);
  }

  /** Resolves when no query is open, at most after `timeout` ms. */
  whenIdle(clock: Clock, timeout: number): Promise<void> {
    return atMost(clock, timeout, this.#table.whenEmpty());
  }

  #askAll(
    query: { asker: Session; id: number; subject: string },
    responders: readonly Registration[],
    frame: Buffer,
  ): void {
    this.#announceCount(query.asker, query.id, responders.length);
    if (responders.length === 0) return;
    this.#table.open({ ...query, bytes: frame.length, pending: [...responders] });
    for (const session of new Set(responders.map((responder) => responder.session)))
      this.#options.outlet.post(session, frame);
  }

  /** The responders that the query's `to` leaves; undefined when that peer is not here. */
  #narrow(
    responders: readonly Registration[],
    bytes: Buffer,
    at: number,
  ): readonly Registration[] | undefined {
    if (!(readFlags(bytes, at) & Flag.hasTo)) return responders;
    const peer = this.#options.peerAt(bytes, toPosition(bytes, at));
    return peer && responders.filter((responder) => responder.session === peer);
  }

  #refusal(asker: Session, size: number): ErrorReply | undefined {
    if (
      asker.asked.size < MAX_OPEN_QUERIES &&
      asker.askedBytes + size <= Math.max(MAX_OPEN_QUERY_BYTES, size)
    ) {
      return undefined;
    }
    const message = `query: ${asker.asked.size} queries of this peer are open; await some before asking more`;
    return { code: 'MAILSLOT_QUOTA_EXCEEDED', message };
  }

  #askHost(query: SystemQuery): void {
    const { asker, id, subject } = query;
    if (!subject.startsWith('$'))
      throw new FrameFault(`${JSON.stringify(subject)} is not a subject to query`);
    if (this.#options.takeSystemQuery(query)) return;
    const data = this.#options.answerSystemQuery(subject);
    if (data === undefined) return this.#fail(asker, id, noResponder(subject));
    const { bytes: sender } = this.#options.hostId;
    const frame = encodeFrame({ kind: Kind.reply, sender, to: asker.peerId.bytes, ref: id, data });
    this.#answer(asker, frame);
  }

  #announceCount(asker: Session, id: number, count: number): void {
    const fields = { to: asker.peerId.bytes, ref: id, flags: Flag.all };
    this.#answer(asker, controlFrame('count REPLY', this.#options.hostId.bytes, count, fields));
  }

  #fail(asker: Session, id: number, error: ErrorReply, sender = this.#options.hostId): void {
    const fields = { to: asker.peerId.bytes, ref: id, flags: Flag.error };
    this.#answer(asker, controlFrame('error REPLY', sender.bytes, error, fields));
  }

  #answer(asker: Session, frame: Buffer): void {
    this.#options.outlet.post(asker, frame);
    this.#options.onAnswer(frame);
  }

  #lose(query: OpenQuery, responder: Session): void {
    const message =
      'query: the responder left the bus before it answered; the query may have been carried out: ask again only if that does no harm';
    this.#fail(query.asker, query.id, { code: 'MAILSLOT_RESPONDER_LOST', message }, responder.peerId);
    this.#table.answered(query, responder);
  }

  #cancel(query: OpenQuery): void {
    const { asker, id } = query;
    const frame = cancelFrame(asker.peerId, id);
    for (const session of this.#table.cancel(query)) this.#options.outlet.post(session, frame);
  }
}

const noSuchPeer: ErrorReply = {
  code: 'MAILSLOT_NO_SUCH_PEER',
  message: 'query: no peer with the id in `to` is on the bus; peers() lists those that are',
};

function noResponder(subject: string): ErrorReply {
  return {
    code: 'MAILSLOT_NO_RESPONDER',
    message: `query: nobody responds to "${subject}"; start a responder, or ask later`,
  };
}
