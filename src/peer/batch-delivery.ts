// How the messages of one batch frame come into slots: whole, where every one of them can be used, and otherwise one by
// one, with gaps for the others. Which slots those are, and what has been read before, is the inbox's business.
import { batchItems, itemHeadSize, itemLength } from '../wire/batch.js';
import { BATCH_HEAD_BYTES, FrameFault } from '../wire/frame.js';
import type { FrameWalker } from '../wire/frame-walker.js';
import type { ChunkHold } from './chunk-hold.js';
import { IncomingMessage, type Origin } from './message.js';
import { MessageBatch } from './message-batch.js';
import { messageFault } from './message-fault.js';
import type { OpenSlot } from './slot.js';

export interface BatchDeliveryOptions {
  maxMessageBytes: number;
  /** So many messages of this origin are lost to the slots. */
  refuse(origin: Origin, slots: readonly OpenSlot[], missed: number, reason: string): void;
}

/** A batch that is to be delivered. */
export interface ArrivedBatch {
  readonly origin: Origin;
  /** At its frame. */
  readonly walker: FrameWalker;
  readonly hold: ChunkHold | undefined;
  /** So many of its messages, the first ones, came before. */
  readonly known: number;
}

/** One message of a batch, or `count` of them that nobody can find. */
interface JudgedItem {
  start: number;
  end: number;
  count: number;
  fault: string | undefined;
}

export class BatchDelivery {
  readonly #options: BatchDeliveryOptions;

  constructor(options: BatchDeliveryOptions) {
    this.#options = options;
  }

  /** Offers the messages of a batch. */
  deliver(batch: ArrivedBatch, slots: readonly OpenSlot[]): void {
    const { origin, walker, hold, known } = batch;
    const sound = this.#soundBytes(origin, walker);
    if (sound === 0 || known > 0) return this.#deliverSingly(batch, slots);
    const { bytes, at, size, count } = walker;
    const items = { count, start: firstItem(origin, walker), end: at + size, bytes: sound };
    for (const slot of slots) slot.offerBatch(new MessageBatch(origin, bytes, items, hold));
  }

  /** The sizes of a batch's messages; 0 when something is wrong with one of them. */
  #soundBytes(origin: Origin, walker: FrameWalker): number {
    const { bytes, at, size, count } = walker;
    const { maxMessageBytes } = this.#options;
    const end = at + size;
    let cursor = firstItem(origin, walker);
    let sum = 0;
    for (let left = count; left > 0; left -= 1) {
      const head = cursor < end ? itemHeadSize(bytes, cursor) : 0;
      const start = cursor + head;
      if (head === 0 || start > end) return 0;
      cursor = start + itemLength(bytes, cursor, head);
      const own = origin.headBytes + cursor - start;
      if (cursor > end || messageFault(bytes, start, cursor, own, maxMessageBytes) !== undefined) return 0;
      sum += own;
    }
    return cursor === end ? sum : 0;
  }

  #deliverSingly({ origin, walker, hold, known }: ArrivedBatch, slots: readonly OpenSlot[]): void {
    const { refuse } = this.#options;
    // those in a row are one gap: as bytes they may be next to nothing, as gaps and events they are not
    let missed = 0;
    let reason = '';
    let index = 0;
    for (const { start, end, count, fault } of this.#judge(origin, walker)) {
      const first = index;
      index += count;
      const fresh = Math.min(count, index - known);
      if (fresh <= 0) continue;
      if (fault === undefined) {
        if (missed > 0) refuse(origin, slots, missed, reason);
        missed = 0;
        for (const slot of slots)
          slot.offer(new IncomingMessage(origin, first, walker.bytes, start, end, hold));
      } else {
        if (missed === 0) reason = fault;
        missed += fresh;
      }
    }
    if (missed > 0) refuse(origin, slots, missed, reason);
  }

  *#judge({ headBytes }: Origin, { bytes, at, size, count }: FrameWalker): Iterable<JudgedItem> {
    let left = count;
    try {
      for (const [start, end] of batchItems(bytes, at, size)) {
        left -= 1;
        const own = headBytes + end - start;
        const fault = messageFault(bytes, start, end, own, this.#options.maxMessageBytes);
        yield { start, end, count: 1, fault };
      }
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error;
      if (left > 0) yield { start: 0, end: 0, count: left, fault: error.message };
    }
  }
}

function firstItem({ headBytes }: Origin, { at }: FrameWalker): number {
  return at + headBytes + BATCH_HEAD_BYTES;
}
