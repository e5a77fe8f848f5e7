// What the host remembers of one publisher: how far its messages were relayed, who still has to take them, and
// what it was told to be settled. One pair of numbers per receiver, whatever the number of messages.
//
//   sequence   0 ……………… told ……………… settled ……………… relayed
//                         └ last SETTLED  └ min over owing receivers of what they acknowledged
import type { SettledReceipt } from '../wire/control.js';
import type { PeerId } from '../wire/peer-id.js';
import { type ReceiptRequest, Receipts } from './receipts.js';
import type { Session } from './session.js';

interface Pair {
  delivered: number;
  acknowledged: number;
}

/** One message that settles by itself, whatever the pairs say: see {@link Sender.await}. */
export interface Awaited {
  readonly sequence: number;
}

export class Sender {
  readonly peerId: PeerId;
  /** Present link; undefined after its goodbye. */
  session: Session | undefined;
  /** Highest sequence relayed; resent frames up to it are dropped. */
  relayed: number;
  relayedBytes = 0;
  /** What the last SETTLED said. */
  told: number;
  #toldBytes = 0;
  readonly #pairs = new Map<Session, Pair>();
  /** Of receivers that have taken more than they were handed: it is sent to them again after a take-over. */
  readonly #ahead = new WeakMap<Session, number>();
  readonly #awaited = new Set<Awaited>();
  /** Sequences whose settling is reported at once, rising. */
  #urgent: number[] = [];
  #wantsHaste = false;
  readonly #receipts = new Receipts();
  /** (sequence, total bytes) at the end of each chunk since `told`. */
  #marks: { sequence: number; bytes: number }[] = [];

  /** @param settled the sequence before the first message that the peer will send */
  constructor(peerId: PeerId, settled: number) {
    this.peerId = peerId;
    this.relayed = settled;
    this.told = settled;
  }

  get unsettledBytes(): number {
    return this.relayedBytes - this.#toldBytes;
  }

  /** The messages from `first` to `last` were handed to this receiver. */
  handed(session: Session, first: number, last: number): void {
    const pair = this.#pairs.get(session);
    if (pair !== undefined) {
      pair.delivered = last;
      return;
    }
    // everything before the first is no matter of this receiver
    this.#pairs.set(session, { delivered: last, acknowledged: first - 1 });
    session.owes.add(this);
  }

  /** Returns whether that changed anything. */
  acknowledged(session: Session, upTo: number): boolean {
    this.#receipts.acknowledged(session, upTo);
    const pair = this.#pairs.get(session);
    if (pair === undefined || upTo <= pair.acknowledged) return false;
    pair.acknowledged = upTo;
    if (upTo > pair.delivered) this.#ahead.set(session, upTo);
    if (upTo >= pair.delivered) this.#forget(session);
    return true;
  }

  /** A member of a group has taken this message. */
  takenByMember(sequence: number, session: Session): void {
    this.#receipts.takenByMember(sequence, session);
  }

  /** Nothing is expected from this receiver any more: what it has not acknowledged it has not taken. */
  release(session: Session): void {
    const pair = this.#pairs.get(session);
    if (pair === undefined) return;
    const taken = Math.max(pair.acknowledged, this.#ahead.get(session) ?? 0);
    this.#receipts.giveUp(session, { taken, handed: pair.delivered });
    this.#forget(session);
  }

  /** Nothing is expected from anybody: this account is closed. */
  releaseAll(): void {
    for (const session of [...this.#pairs.keys()]) this.#forget(session);
  }

  #forget(session: Session): void {
    this.#pairs.delete(session);
    session.owes.delete(this);
  }

  /** The message settles not before {@link arrived} is called with the same object. */
  await(message: Awaited): void {
    this.#awaited.add(message);
  }

  arrived(message: Awaited): void {
    this.#awaited.delete(message);
  }

  /** Settling up to this sequence shall be reported at once. */
  markUrgent(sequence: number): void {
    this.#urgent.push(sequence);
    this.#wantsHaste = true;
  }

  /** Whether its receivers are to be asked for acknowledgements; true once for each call of markUrgent. */
  takeHaste(): boolean {
    const wanted = this.#wantsHaste;
    this.#wantsHaste = false;
    return wanted;
  }

  expectReceipt(request: ReceiptRequest): void {
    this.#receipts.expect(request);
  }

  /** A confirmed message came again that was relayed before: its receipt is due again. */
  repeatReceipt(sequence: number): void {
    if (!this.#receipts.repeat(sequence)) return;
    this.told = Math.min(this.told, sequence - 1);
  }

  /** Remembers how many bytes there were at this sequence. */
  mark(): void {
    this.#marks.push({ sequence: this.relayed, bytes: this.relayedBytes });
  }

  /** The sequence up to which every receiver has taken everything. */
  get settled(): number {
    let least = this.relayed;
    for (const pair of this.#pairs.values()) if (pair.acknowledged < least) least = pair.acknowledged;
    for (const { sequence } of this.#awaited) if (sequence <= least) least = sequence - 1;
    return least;
  }

  /** The receivers that owe something and do not see the flag of the last urgent message themselves. */
  *behind(): Iterable<Session> {
    const flagged = this.#urgent.at(-1) ?? 0;
    for (const [session, pair] of this.#pairs) if (pair.delivered < flagged) yield session;
  }

  /** Everybody who owes something. */
  owing(): Iterable<Session> {
    return this.#pairs.keys();
  }

  /** Whether a SETTLED is due now: for an urgent message, or after `bytes` since the last one. */
  isDue(settled: number, bytes: number): boolean {
    if (settled <= this.told) return false;
    return (
      (this.#urgent[0] ?? Number.POSITIVE_INFINITY) <= settled ||
      this.#receipts.isRepeatDue(settled) ||
      this.#bytesAt(settled) - this.#toldBytes >= bytes
    );
  }

  /** Takes what SETTLED has to say up to `settled`. */
  tell(settled: number): SettledReceipt[] {
    this.#toldBytes = this.#bytesAt(settled);
    this.told = settled;
    dropWhile(this.#marks, (mark) => mark.sequence <= settled);
    dropWhile(this.#urgent, (sequence) => sequence <= settled);
    return this.#receipts.take(settled);
  }

  #bytesAt(sequence: number): number {
    let bytes = this.#toldBytes;
    for (const mark of this.#marks) {
      if (mark.sequence > sequence) break;
      bytes = mark.bytes;
    }
    return bytes;
  }
}

/** Removes the leading items for which `matches` holds. */
function dropWhile<T>(items: T[], matches: (item: T) => boolean): void {
  const stop = items.findIndex((item) => !matches(item));
  items.splice(0, stop === -1 ? items.length : stop);
}
