// The messages of a batch frame as one slot sees them: they stay bytes until they are read, one after the other, or
// dropped. Every item was checked before the batch was made. Short bytes are copied out of their chunk many at once: one by
// one, each would need a view to be copied from, which costs more than the copying.
import { itemHeadSize, itemLength } from '../wire/batch.js';
import { isByteString } from '../wire/values.js';
import { ChunkHold, LARGEST_SHARE, SHORTEST_GIVEN_BYTES } from './chunk-hold.js';
import { IncomingMessage, type Origin } from './message.js';

/** What is copied at once: so much, less where a message would keep too many times its own size alive… */
const STRETCH_BYTES = 16 * 1024;
/** …and nothing where so few messages are left: memory of their own costs about 1 µs. */
const FEWEST_COPIED_TOGETHER = 8;

/** Part of a frame, copied for one reader, who may keep any of it. */
interface Stretch {
  readonly memory: Buffer;
  readonly hold: ChunkHold;
  /** Where it lay. */
  readonly from: number;
  readonly to: number;
}

export class MessageBatch {
  readonly origin: Origin;
  /** How many messages are left. */
  length: number;
  /** Their sizes, as {@link IncomingMessage.size} has them. */
  bytes: number;
  readonly #memory: Buffer;
  readonly #frameEnd: number;
  readonly #hold: ChunkHold | undefined;
  /** Where the first of its messages begins, and, once that was made, ends. */
  #cursor: number;
  #end = 0;
  /** Place in the frame of the first one. */
  #index = 0;
  /** The first one, if somebody peeked at it. */
  #peeked: IncomingMessage | undefined;
  #stretch: Stretch | undefined;

  /** @param items their number, where in `memory` the first begins and the last ends, and their sizes together */
  constructor(
    origin: Origin,
    memory: Buffer,
    items: { count: number; start: number; end: number; bytes: number },
    hold: ChunkHold | undefined,
  ) {
    this.origin = origin;
    this.#memory = memory;
    this.length = items.count;
    this.#cursor = items.start;
    this.#frameEnd = items.end;
    this.bytes = items.bytes;
    this.#hold = hold;
    if (hold !== undefined) hold.messages += 1;
  }

  /** Sequence of the next message. */
  get sequence(): number {
    return this.origin.sequence + this.#index;
  }

  /** Takes the next message out; only while there is one. */
  shift(): IncomingMessage {
    const message = this.#peeked ?? this.#make();
    this.#peeked = undefined;
    this.#cursor = this.#end;
    this.#index += 1;
    this.length -= 1;
    this.bytes -= message.size;
    if (this.length === 0) this.#letGo();
    return message;
  }

  peek(): IncomingMessage {
    this.#peeked ??= this.#make();
    return this.#peeked;
  }

  /** How many of its messages, from the first on, fit into so many bytes. */
  fitting(bytes: number): number {
    let left = bytes;
    let cursor = this.#cursor;
    for (let count = 0; count < this.length; count += 1) {
      const head = itemHeadSize(this.#memory, cursor);
      const length = itemLength(this.#memory, cursor, head);
      left -= this.origin.headBytes + length;
      if (left < 0) return count;
      cursor += head + length;
    }
    return this.length;
  }

  /** Forgets what is left. */
  discard(): void {
    if (this.length > 0) this.#letGo();
    this.#peeked?.detach();
    this.length = 0;
  }

  #make(): IncomingMessage {
    const memory = this.#memory;
    const head = itemHeadSize(memory, this.#cursor);
    const start = this.#cursor + head;
    const end = start + itemLength(memory, this.#cursor, head);
    this.#end = end;
    const stretch = this.#stretchOver(start, end);
    if (stretch === undefined)
      return new IncomingMessage(this.origin, this.#index, memory, start, end, this.#hold);
    const { from } = stretch;
    return new IncomingMessage(
      this.origin,
      this.#index,
      stretch.memory,
      start - from,
      end - from,
      stretch.hold,
    );
  }

  /** The copy in which the message from `start` to `end` lies, if there is to be one. */
  #stretchOver(start: number, end: number): Stretch | undefined {
    const last = this.#stretch;
    if (last !== undefined && end <= last.to) return last;
    const length = end - start;
    const isWorthIt = length < SHORTEST_GIVEN_BYTES && this.length >= FEWEST_COPIED_TOGETHER;
    if (!isWorthIt || this.#hold === undefined || !isByteString(this.#memory, start)) return undefined;
    this.#stretch = this.#copy(start, Math.min(STRETCH_BYTES, LARGEST_SHARE * length));
    return this.#stretch;
  }

  #copy(from: number, bytes: number): Stretch {
    const to = Math.min(from + bytes, this.#frameEnd);
    const memory = Buffer.allocUnsafeSlow(to - from);
    this.#memory.copy(memory, 0, from, to);
    return { memory, hold: ChunkHold.ofCopies(memory), from, to };
  }

  #letGo(): void {
    this.#hold?.letGo();
  }
}
