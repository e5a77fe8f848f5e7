// Messages that the host sends under a NOTE: for members of groups, for slots of which it says so, or last values
// that it kept. It decides which slots get one and how it is acknowledged. Plain messages, which are nearly all,
// never come here (inbox.ts).
import { MAX_LIST, type Note, type SingleAcknowledgement } from '../wire/control.js';
import { expiryOf } from '../wire/expiry.js';
import { At, Flag, Kind, readSubject, readU64 } from '../wire/frame.js';
import type { FrameWalker } from '../wire/frame-walker.js';
import type { ChunkHold } from './chunk-hold.js';
import { type Body, SpecialMessage } from './message.js';
import type { SenderRecord, SenderRecords } from './sender-records.js';
import type { OpenSlot } from './slot.js';

/** What it needs of the inbox. */
export interface NotedOptions {
  records: SenderRecords;
  /** The slot with this id, if it takes messages. */
  slot(id: number): OpenSlot | undefined;
  /** The slots that get a message on this subject without a NOTE. */
  plainSlots(subject: string): readonly OpenSlot[];
  /** Notes that this sequence was read; false for a duplicate. */
  read(from: SenderRecord, sequence: number): boolean;
  /** Finds the data and headers; undefined when they cannot be read, which is the sender's fault and these slots' loss. */
  bodyOf(walker: FrameWalker, from: SenderRecord, slots: readonly OpenSlot[]): Body | undefined;
  sendAck(acknowledgements: SingleAcknowledgement[]): void;
}

/** A message that is acknowledged by itself and waits for room in a slot. */
interface Pending {
  readonly order: number;
  /** Its own record of the sender, which finds it in the slot. */
  readonly from: SenderRecord;
  /** In how many slots it waits, and whether another one has taken it. */
  readonly waits: { slots: number; isTaken: boolean };
}

export class NotedMessages {
  readonly #options: NotedOptions;
  readonly #pending = new Map<OpenSlot, Pending[]>();
  /** Taken, and not acknowledged yet. */
  #taken: SingleAcknowledgement[] = [];

  constructor(options: NotedOptions) {
    this.#options = options;
  }

  /** Whether messages wait that are acknowledged by themselves. */
  get areWaiting(): boolean {
    return this.#pending.size > 0;
  }

  /** Takes the message at which the walker stands; returns the account of its sender. */
  take(note: Note, walker: FrameWalker, hold: ChunkHold | undefined): SenderRecord {
    const { bytes, at } = walker;
    const from = this.#options.records.at(bytes, at + At.sender);
    const named = this.#slotsOf(note, walker);
    if (note.retained === true) {
      this.#offer(named, walker, { ...from }, { hold, retained: true });
      return from;
    }
    // a will: nobody counts it, and nobody waits for it to be taken
    if (walker.sequence === 0) {
      this.#offer(named, walker, { ...from }, { hold });
      return from;
    }
    const isResent = (walker.flags & Flag.resent) !== 0;
    const isAgain = note.redelivered === true || isResent;
    const members = named.filter((slot) => slot.group !== undefined);
    const plain = named.filter((slot) => slot.group === undefined);
    if (plain.length > 0 || !isAgain) {
      const isNew = this.#options.read(from, walker.sequence);
      if (isNew) this.#offer(plain, walker, from, { hold });
    }
    if (isAgain) this.#takeAgain(members, walker, from, hold);
    else this.#offer(members, walker, from, { hold });
    return from;
  }

  /** Acknowledges what was taken meanwhile. */
  flush(): void {
    for (const [slot, pending] of this.#pending) this.#takeFrom(slot, pending);
    if (this.#taken.length === 0) return;
    const taken = this.#taken;
    this.#taken = [];
    for (let at = 0; at < taken.length; at += MAX_LIST) this.#options.sendAck(taken.slice(at, at + MAX_LIST));
  }

  /**
   * This slot takes nothing any more. The host knows, and gives what waits in it to another member, perhaps of this peer: an
   * acknowledgement would speak for that one.
   */
  forget(slot: OpenSlot): void {
    for (const { order, waits } of this.#pending.get(slot) ?? []) {
      waits.slots -= 1;
      if (waits.slots === 0 && waits.isTaken) this.#taken.push({ order });
    }
    this.#pending.delete(slot);
  }

  /** The link is new: what came on the old one is no concern of its host. */
  relink(): void {
    this.#pending.clear();
    this.#taken = [];
  }

  #slotsOf({ slots }: Note, { kind, bytes, at }: FrameWalker): OpenSlot[] {
    // a kind of message that this version does not know: it counts as taken
    if (kind !== Kind.publish) return [];
    if (slots === undefined) return [...this.#options.plainSlots(readSubject(bytes, at))];
    return slots.map((id) => this.#options.slot(id)).filter((slot) => slot !== undefined);
  }

  #takeAgain(
    members: readonly OpenSlot[],
    walker: FrameWalker,
    from: SenderRecord,
    hold: ChunkHold | undefined,
  ): void {
    // a record of its own: the number of its sender is not held back by it
    const own = { ...from };
    this.#offer(members, walker, own, { hold, redelivered: true });
    const order = readU64(walker.bytes, walker.at + At.order);
    const waits = { slots: 0, isTaken: false };
    for (const slot of members) {
      // there may be tens of thousands in front of it: nothing here looks at those
      if (!slot.isLastUntaken(own)) continue;
      waits.slots += 1;
      const pending = this.#pending.get(slot);
      if (pending === undefined) this.#pending.set(slot, [{ order, from: own, waits }]);
      else pending.push({ order, from: own, waits });
    }
    waits.isTaken = waits.slots < members.length;
    if (waits.slots === 0) this.#taken.push({ order });
  }

  #offer(
    slots: readonly OpenSlot[],
    walker: FrameWalker,
    from: SenderRecord,
    marks: { hold: ChunkHold | undefined; retained?: boolean; redelivered?: boolean },
  ): void {
    if (slots.length === 0) return;
    const body = this.#options.bodyOf(walker, from, slots);
    if (body === undefined) return;
    const expiry = expiryOf(walker.bytes, walker.at);
    for (const slot of slots) slot.offerSpecial(new SpecialMessage(body, { ...marks, expiry }));
  }

  /** Slots take in order: behind the first one that waits, all do. */
  #takeFrom(slot: OpenSlot, pending: Pending[]): void {
    const untaken = new Set(slot.sendersUntaken());
    const waiting = pending.findIndex(({ from }) => untaken.has(from));
    for (const { order, waits } of pending.splice(0, waiting === -1 ? pending.length : waiting)) {
      waits.slots -= 1;
      waits.isTaken = true;
      if (waits.slots === 0) this.#taken.push({ order });
    }
    if (pending.length === 0) this.#pending.delete(slot);
  }
}
