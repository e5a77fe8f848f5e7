// The queue of a slot: messages in order, whole batches of them among single ones, and markers for gaps between them.
// It knows what fits into the capacity (those messages are taken) and what waits for room behind it. Where that line
// is follows from the lengths alone, so it is only looked for when somebody asks.
//
//   shift ←  [ taken … | waiting … ]  ← push
import { Ring } from '../util/ring.js';
import { type Gap, isGap, joinGaps } from './gap.js';
import type { IncomingMessage } from './message.js';
import { MessageBatch } from './message-batch.js';
import type { SenderRecord } from './sender-records.js';

/** What comes out of a slot. */
export type Entry = IncomingMessage | Gap;

export interface Capacity {
  messages: number;
  bytes: number;
}

export class SlotQueue {
  readonly #entries = new Ring<Entry | MessageBatch>();
  readonly #capacity: Capacity;
  /** The batch that is being read, which is not among the entries any more. */
  #batch: MessageBatch | undefined;
  /** Messages, not counting markers. */
  length = 0;
  bytes = 0;

  constructor(capacity: Capacity) {
    this.#capacity = capacity;
  }

  /** Whether there is neither a message nor a marker. */
  get isEmpty(): boolean {
    return this.#batch === undefined && this.#entries.length === 0;
  }

  /** Whether some messages wait for room; one always fits. */
  get isOver(): boolean {
    return (this.length > this.#capacity.messages || this.bytes > this.#capacity.bytes) && this.length > 1;
  }

  /** How many messages wait for room. */
  get waiting(): number {
    return this.isOver ? this.length - this.#taken() : 0;
  }

  push(message: IncomingMessage): void {
    this.#entries.push(message);
    this.length += 1;
    this.bytes += message.size;
  }

  pushBatch(batch: MessageBatch): void {
    this.#entries.push(batch);
    this.length += batch.length;
    this.bytes += batch.bytes;
  }

  /** A marker behind another one becomes one with it: so there are never many more markers than messages. */
  pushGap(gap: Gap): void {
    const { last } = this.#entries;
    const joined = last !== undefined && isGap(last) ? joinGaps(last, gap) : undefined;
    if (joined === undefined) this.#entries.push(gap);
    else this.#entries.replaceLast(joined);
  }

  shift(): Entry | undefined {
    let batch = this.#batch;
    if (batch === undefined) {
      const entry = this.#entries.shift();
      if (entry === undefined) return undefined;
      if (!(entry instanceof MessageBatch)) return this.#leaves(entry);
      batch = this.#batch = entry;
    }
    const message = batch.shift();
    if (batch.length === 0) this.#batch = undefined;
    this.length -= 1;
    this.bytes -= message.size;
    return message;
  }

  /** The first message; it stays where it is. */
  peek(): IncomingMessage | undefined {
    for (const entry of this.#all()) {
      if (entry instanceof MessageBatch) return entry.peek();
      if (!isGap(entry)) return entry;
    }
    return undefined;
  }

  /** The lowest sequence of this sender that is not taken; undefined when everything is. */
  firstUntaken(sender: SenderRecord): number | undefined {
    if (!this.isOver) return undefined;
    let taken = this.#taken();
    for (const entry of this.#all()) {
      if (isGap(entry)) continue;
      const isBatch = entry instanceof MessageBatch;
      const skipped = Math.min(taken, isBatch ? entry.length : 1);
      taken -= skipped;
      if (isBatch) {
        if (skipped < entry.length && entry.origin.from === sender) return entry.sequence + skipped;
      } else if (skipped === 0 && entry.from === sender) return entry.sequence;
    }
    return undefined;
  }

  /** Whether the message that came last is from this sender and waits for room. */
  isLastUntaken(sender: SenderRecord): boolean {
    const { last } = this.#entries;
    return this.isOver && last !== undefined && 'from' in last && last.from === sender;
  }

  /** Whose messages are not taken. */
  *sendersUntaken(): Iterable<SenderRecord> {
    if (!this.isOver) return;
    let taken = this.#taken();
    for (const entry of this.#all()) {
      if (isGap(entry)) continue;
      const count = entry instanceof MessageBatch ? entry.length : 1;
      if (taken < count) yield entry instanceof MessageBatch ? entry.origin.from : entry.from;
      taken = Math.max(0, taken - count);
    }
  }

  /** From now on everything is inside the capacity. */
  takeAll(): void {
    this.#capacity.messages = this.#capacity.bytes = Number.POSITIVE_INFINITY;
  }

  /** Forgets everything; returns how many messages that were. */
  clear(): number {
    const { length } = this;
    for (const entry of this.#all()) {
      if (entry instanceof MessageBatch) entry.discard();
      else if (!isGap(entry)) entry.detach();
    }
    this.#batch = undefined;
    while (this.#entries.shift() !== undefined);
    this.length = 0;
    this.bytes = 0;
    return length;
  }

  #leaves(entry: Entry): Entry {
    if (isGap(entry)) return entry;
    this.length -= 1;
    this.bytes -= entry.size;
    return entry;
  }

  *#all(): Iterable<Entry | MessageBatch> {
    if (this.#batch !== undefined) yield this.#batch;
    yield* this.#entries;
  }

  /** How many messages from the first on are inside the capacity. */
  #taken(): number {
    const { messages, bytes } = this.#capacity;
    if (this.bytes <= bytes) return Math.min(this.length, messages);
    let left = bytes;
    let taken = 0;
    for (const entry of this.#all()) {
      if (isGap(entry)) continue;
      const isBatch = entry instanceof MessageBatch;
      const fits = isBatch ? entry.fitting(left) : entry.size <= left ? 1 : 0;
      taken += fits;
      left -= entry instanceof MessageBatch ? entry.bytes : entry.size;
      if (left < 0) break;
    }
    return Math.max(1, Math.min(taken, messages));
  }
}
