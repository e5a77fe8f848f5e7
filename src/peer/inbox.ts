// The receiver's side: takes messages from the link, drops duplicates, hands each to the slots it matches, and
// acknowledges what they have taken.
//
// Invariant: the acknowledgement of a sender is one number, below which nothing of it is untaken in any slot.
import { LAZY_ACK_DELAY } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import type { Acknowledgement, GapNotice, Note, SingleAcknowledgement } from '../wire/control.js';
import { expiryOf } from '../wire/expiry.js';
import {
  At,
  batchOffset,
  Flag,
  FrameFault,
  readFlags,
  readSubject,
  readTail,
  readU64,
  type Tail,
} from '../wire/frame.js';
import { type FrameWalker, joinHalves } from '../wire/frame-walker.js';
import { PatternTrie } from '../wire/subject.js';
import { SubjectCache } from '../wire/subject-cache.js';
import { BatchDelivery } from './batch-delivery.js';
import type { ChunkHold } from './chunk-hold.js';
import { fileFault } from './file-messages.js';
import { type Body, IncomingMessage, NO_HEADERS, type Origin, SpecialMessage } from './message.js';
import { messageFault } from './message-fault.js';
import { NotedMessages } from './noted-messages.js';
import { type SenderRecord, SenderRecords } from './sender-records.js';
import type { OpenSlot } from './slot.js';

/** The slots that get messages of one subject. */
interface Delivery {
  readonly subject: string;
  readonly slots: readonly OpenSlot[];
}

export interface InboxOptions {
  clock: Clock;
  maxMessageBytes: number;
  /** Sends acknowledgements on the present link, if there is one. */
  sendAck(acknowledgements: (Acknowledgement | SingleAcknowledgement)[]): void;
}

export class Inbox {
  readonly records = new SenderRecords();
  readonly #options: InboxOptions;
  readonly #trie = new PatternTrie<OpenSlot>();
  readonly #cache = new SubjectCache<Delivery>((subject) => this.#resolve(subject));
  /** By id, those that are draining included. */
  readonly #slots = new Map<number, OpenSlot>();
  readonly #noted: NotedMessages;
  readonly #batches: BatchDelivery;
  /** Senders of which something was read since their last acknowledgement. */
  #due = new Set<SenderRecord>();
  /** Of the last message; the next one is often of the same sender and subject. */
  #from: SenderRecord | undefined;
  #delivery: Delivery | undefined;
  #urgent = false;
  #flushing = false;
  /** Slots in which messages wait, or did lately. */
  readonly #crowded = new Set<OpenSlot>();
  #timer: Timer | undefined;
  /** The order last read, in halves: orders rise, and a double per message would be an object each. */
  #orderHigh = 0;
  #orderLow = 0;
  /** …and how many orders further the last message of that frame was. */
  #orderSpan = 0;
  messages = 0;
  bytes = 0;
  duplicates = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#batches = new BatchDelivery({
      maxMessageBytes: options.maxMessageBytes,
      refuse: ({ from }, slots, missed, reason) => this.#refuse(from, slots, missed, reason),
    });
    this.#noted = new NotedMessages({
      records: this.records,
      slot: (id) => (this.#slots.get(id)?.accepting ? this.#slots.get(id) : undefined),
      plainSlots: (subject) => this.#resolve(subject).slots,
      read: (from, sequence) => this.#read(from, sequence),
      // members of a group and others are offered it one after the other
      bodyOf: (walker, from, slots) => this.#bodyOf(walker, from, slots, true),
      sendAck: (acknowledgements) => options.sendAck(acknowledgements),
    });
  }

  add(slot: OpenSlot): void {
    this.#slots.set(slot.id, slot);
    this.#trie.add(slot.pattern, slot);
    this.#forgetDeliveries();
  }

  /** The slot gets no more messages, but may still hold some. */
  detach(slot: OpenSlot): void {
    this.#trie.remove(slot.pattern, slot);
    this.#forgetDeliveries();
  }

  remove(slot: OpenSlot): void {
    this.#slots.delete(slot.id);
    this.#crowded.delete(slot);
    this.#noted.forget(slot);
    this.taken();
  }

  /** Messages began to wait in this slot. */
  crowded(slot: OpenSlot): void {
    this.#crowded.add(slot);
  }

  slots(): Iterable<OpenSlot> {
    return this.#slots.values();
  }

  slot(id: number): OpenSlot | undefined {
    return this.#slots.get(id);
  }

  /** Slots came to hear messages from now on. */
  refresh(): void {
    this.#forgetDeliveries();
  }

  /** Whether everything that was read is acknowledged. */
  get isEven(): boolean {
    return this.#due.size === 0;
  }

  /** The order of the last message that was read; 0 before the first. */
  get highestOrder(): number {
    return joinHalves(this.#orderHigh, this.#orderLow) + this.#orderSpan;
  }

  /** Takes the messages of the frame at which the walker stands; returns the account of its sender. */
  take(walker: FrameWalker, hold: ChunkHold | undefined): SenderRecord {
    const { bytes, at, size, alike, sequence, count } = walker;
    const from = alike ? this.#from! : this.records.at(bytes, at + At.sender);
    this.#from = from;
    // a duplicate in between leaves before its subject is looked up
    if (!alike) this.#delivery = undefined;
    // of a batch that comes again: an earlier host may have taken it apart, and died in the middle of it
    let known = 0;
    if (sequence > 0) {
      const last = sequence + count - 1;
      if (from.read === from.acknowledged) this.#schedule(from);
      if (last <= from.read) return this.#dropDuplicate(from);
      if (from.read >= sequence) known = from.read - sequence + 1;
      from.read = last;
    }
    this.#orderHigh = walker.orderHigh;
    this.#orderLow = walker.orderLow;
    this.#orderSpan = count - 1;
    this.messages += count - known;
    this.bytes += size;
    let delivery = this.#delivery;
    if (delivery === undefined) {
      delivery = this.#cache.lookup(bytes, at + At.subject, walker.subjectLength);
      this.#delivery = delivery;
    }
    if (delivery.slots.length === 0) return from;
    if (walker.flags & Flag.file) this.#refuseUnread(from, delivery.slots, walker, count - known);
    else if (walker.flags & Flag.batch) this.#deliverBatch(delivery, walker, from, hold, known);
    else this.#deliver(delivery, walker, from, hold);
    return from;
  }

  /** Whether the message at which the walker stands came before. */
  hasRead({ bytes, at, sequence, count }: FrameWalker): boolean {
    return sequence > 0 && sequence + count - 1 <= this.records.at(bytes, at + At.sender).read;
  }

  /** Takes the message at which the walker stands, of which the host said more in a NOTE. */
  takeNoted(note: Note, walker: FrameWalker, hold: ChunkHold | undefined): SenderRecord {
    this.messages += 1;
    this.bytes += walker.size;
    this.#delivery = undefined;
    const { orderHigh, orderLow } = walker;
    // what comes again keeps the order it had
    if (joinHalves(orderHigh, orderLow) > this.highestOrder)
      [this.#orderHigh, this.#orderLow, this.#orderSpan] = [orderHigh, orderLow, 0];
    const from = this.#noted.take(note, walker, hold);
    if (this.#noted.areWaiting) this.#arm();
    return from;
  }

  #read(from: SenderRecord, sequence: number): boolean {
    if (from.read === from.acknowledged) this.#schedule(from);
    if (sequence <= from.read) {
      this.#dropDuplicate(from);
      return false;
    }
    from.read = sequence;
    return true;
  }

  #bodyOf(
    walker: FrameWalker,
    from: SenderRecord,
    slots: readonly OpenSlot[],
    isShared: boolean,
  ): Body | undefined {
    const { bytes, at, size } = walker;
    if (walker.flags & Flag.file) return this.#refuseUnread(from, slots, walker, 1);
    const tail = tryReadTail(bytes, at, size);
    if (typeof tail === 'string') {
      this.#refuse(from, slots, 1, tail);
      return undefined;
    }
    const { headers = NO_HEADERS, data: start } = tail;
    const end = at + size;
    const fault = messageFault(bytes, start, end, size, this.#options.maxMessageBytes);
    if (fault !== undefined) {
      this.#refuse(from, slots, 1, fault);
      return undefined;
    }
    const known = { subject: readSubject(bytes, at), headers, from, isShared, headBytes: start - at };
    return { origin: originOf(walker, known), bytes, start, end };
  }

  #deliver(delivery: Delivery, walker: FrameWalker, from: SenderRecord, hold: ChunkHold | undefined): void {
    const { subject, slots } = delivery;
    if (walker.hasOptions) return this.#deliverWithOptions(slots, walker, from, hold);
    const { bytes, at, size } = walker;
    const headBytes = At.subject + subject.length + 2;
    const start = at + headBytes;
    const end = at + size;
    const fault = messageFault(bytes, start, end, size, this.#options.maxMessageBytes);
    if (fault !== undefined) return this.#refuse(from, slots, 1, fault);
    const origin = plainOriginOf(walker, delivery, from, headBytes);
    for (let index = 0; index < slots.length; index += 1) {
      slots[index]!.offer(new IncomingMessage(origin, 0, bytes, start, end, hold));
    }
  }

  #deliverWithOptions(
    slots: readonly OpenSlot[],
    walker: FrameWalker,
    from: SenderRecord,
    hold: ChunkHold | undefined,
  ): void {
    const body = this.#bodyOf(walker, from, slots, slots.length > 1);
    if (body === undefined) return;
    const { origin, bytes, start, end } = body;
    const expiry = expiryOf(walker.bytes, walker.at);
    for (const slot of slots) {
      if (expiry !== undefined) slot.offerSpecial(new SpecialMessage(body, { hold, expiry }));
      else slot.offer(new IncomingMessage(origin, 0, bytes, start, end, hold));
    }
  }

  #deliverBatch(
    delivery: Delivery,
    walker: FrameWalker,
    from: SenderRecord,
    hold: ChunkHold | undefined,
    known: number,
  ): void {
    const headBytes = batchOffset(walker.bytes, walker.at);
    const origin = plainOriginOf(walker, delivery, from, headBytes);
    this.#batches.deliver({ origin, walker, hold, known }, delivery.slots);
  }

  /** Takes a message of a kind that this version does not know: it counts as taken. */
  skip(bytes: Buffer, at: number): void {
    const from = this.records.at(bytes, at + At.sender);
    const sequence = readU64(bytes, at + At.sequence);
    if (sequence === 0) return;
    this.#read(from, sequence);
    if (readFlags(bytes, at) & Flag.ackSoon) this.hasten(from);
  }

  /** The host says that messages are missing. */
  takeGap({ id, missed }: GapNotice): void {
    this.#slots.get(id)?.offerGap(missed);
  }

  /** A message of this sender asked for an early acknowledgement. */
  hasten(record: SenderRecord): void {
    record.urgent = true;
    this.#due.add(record);
    this.#urgent = true;
  }

  hastenAll(ids: readonly Uint8Array[]): void {
    for (const id of ids) {
      const record = this.records.find(id);
      if (record !== undefined) this.hasten(record);
    }
  }

  /** Messages that had to wait were taken. */
  taken(): void {
    this.#noted.flush();
    for (const record of this.#due) {
      if (!record.urgent) continue;
      this.#urgent = true;
      // not at once: a slot that drops what is old says so while the next slot has not got what is new
      return this.#flushLater((run) => this.#options.clock.defer(run));
    }
  }

  /** Sends the acknowledgements that somebody waits for; called at the end of every chunk. */
  flush(): void {
    this.#noted.flush();
    if (!this.#urgent || this.#flushing) return;
    if (this.#crowded.size === 0) return this.#flushNow();
    // what waits may be read in a moment, when the reader has had its turn
    this.#flushLater((run) => this.#options.clock.afterIo(run));
  }

  #flushLater(later: (run: () => void) => void): void {
    if (this.#flushing) return;
    this.#flushing = true;
    later(() => {
      this.#flushing = false;
      this.#flushNow();
    });
  }

  /** Acknowledges everything that is taken, without delay: somebody here is about to leave. */
  acknowledgeNow(): void {
    this.#noted.flush();
    this.#acknowledge(() => true);
  }

  #flushNow(): void {
    this.#urgent = false;
    this.#acknowledge((record) => record.urgent);
  }

  /** The link is new: what was acknowledged on the old one may not have arrived. */
  relink(): void {
    this.#noted.relink();
    for (const record of this.records.values()) {
      if (record.read === 0) continue;
      record.acknowledged = 0;
      this.#schedule(record);
    }
  }

  stop(): void {
    this.#timer?.cancel();
    this.#due.clear();
  }

  #dropDuplicate(from: SenderRecord): SenderRecord {
    this.duplicates += 1;
    // its host has not heard of the acknowledgement
    from.acknowledged = 0;
    this.#schedule(from);
    return from;
  }

  #refuse(from: SenderRecord, slots: readonly OpenSlot[], missed: number, reason: string): void {
    for (const slot of slots) slot.offerGap(missed, { sender: from.id, reason });
  }

  #refuseUnread(
    from: SenderRecord,
    slots: readonly OpenSlot[],
    walker: FrameWalker,
    missed: number,
  ): undefined {
    this.#refuse(from, slots, missed, fileFault(walker, this.#options.maxMessageBytes));
  }

  #forgetDeliveries(): void {
    this.#cache.clear();
    this.#delivery = undefined;
  }

  #resolve(subject: string): Delivery {
    return {
      subject,
      slots: this.#trie.match(subject).filter((slot) => slot.accepting && slot.group === undefined),
    };
  }

  #schedule(record: SenderRecord): void {
    record.heardAt = this.#options.clock.now();
    this.#due.add(record);
    this.#arm();
  }

  #acknowledge(isDue: (record: SenderRecord) => boolean): void {
    const acknowledgements: Acknowledgement[] = [];
    for (const record of this.#due) {
      if (!isDue(record)) continue;
      const upTo = this.#takenUpTo(record);
      const complete = upTo === record.read;
      if (upTo > record.acknowledged) {
        record.acknowledged = upTo;
        acknowledgements.push({ sender: record.bytes, upTo });
      }
      if (!complete) continue;
      record.urgent = false;
      this.#due.delete(record);
    }
    for (const slot of this.#crowded) {
      slot.reported();
      if (slot.waiting === 0) this.#crowded.delete(slot);
    }
    if (acknowledgements.length > 0) this.#options.sendAck(acknowledgements);
    if (this.#due.size > 0 || this.#noted.areWaiting) this.#arm();
  }

  #arm(): void {
    this.#timer ??= this.#options.clock.setTimer(this.#lazyDelay(), () => {
      this.#timer = undefined;
      this.acknowledgeNow();
      this.records.prune(this.#options.clock.now(), (record) => this.#due.has(record));
    });
  }

  /**
   * Some time in the later half of what there is: all receivers of a message begin to wait at once, and acknowledging together
   * they would keep the next message from each other (measured: 16 of them on two cores for up to 2 ms).
   */
  #lazyDelay(): number {
    return LAZY_ACK_DELAY * (0.5 + this.#options.clock.randomBytes(1)[0]! / 512);
  }

  #takenUpTo(record: SenderRecord): number {
    let upTo = record.read;
    for (const slot of this.#crowded) {
      const untaken = slot.firstUntaken(record);
      if (untaken !== undefined && untaken <= upTo) upTo = untaken - 1;
    }
    return upTo;
  }
}

/** Of messages without options, for slots that are all offered them at once. */
function plainOriginOf(
  walker: FrameWalker,
  { subject, slots }: Delivery,
  from: SenderRecord,
  headBytes: number,
): Origin {
  return originOf(walker, { subject, headers: NO_HEADERS, from, isShared: slots.length > 1, headBytes });
}

function originOf(
  walker: FrameWalker,
  known: Pick<Origin, 'subject' | 'headers' | 'from' | 'isShared' | 'headBytes'>,
): Origin {
  return {
    subject: known.subject,
    headers: known.headers,
    from: known.from,
    isShared: known.isShared,
    headBytes: known.headBytes,
    sequence: walker.sequence,
    orderHigh: walker.orderHigh,
    orderLow: walker.orderLow,
    timeHigh: walker.timeHigh,
    timeLow: walker.timeLow,
  };
}

/** Headers and data, or what is wrong with them: the host relays both unread, so it is the sender's fault. */
function tryReadTail(bytes: Buffer, at: number, size: number): Tail | string {
  try {
    return readTail(bytes, at, size);
  } catch (error) {
    if (error instanceof FrameFault) return error.message;
    throw error;
  }
}
