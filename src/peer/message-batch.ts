// The messages of a batch frame as one slot sees them: they stay bytes until they are read, one after the other, or
// dropped. Every item was checked before the batch was made.
import { itemHeadSize, itemLength } from '../wire/batch.js';
import type { ChunkHold } from './chunk-hold.js';
import { IncomingMessage, type Origin } from './message.js';

export class MessageBatch {
  readonly origin: Origin;
  /** How many messages are left. */
  length: number;
  /** Their sizes, as {@link IncomingMessage.size} has them. */
  bytes: number;
  readonly #memory: Buffer;
  readonly #hold: ChunkHold | undefined;
  /** Where the first of its messages begins, and, once that was made, ends. */
  #cursor: number;
  #end = 0;
  /** Place in the frame of the first one. */
  #index = 0;
  /** The first one, if somebody peeked at it. */
  #peeked: IncomingMessage | undefined;

  /** @param start where the first of its messages begins; the frame ends at `end` */
  constructor(
    origin: Origin,
    memory: Buffer,
    items: { count: number; start: number; bytes: number },
    hold: ChunkHold | undefined,
  ) {
    this.origin = origin;
    this.#memory = memory;
    this.length = items.count;
    this.#cursor = items.start;
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
    this.#end = start + itemLength(memory, this.#cursor, head);
    return new IncomingMessage(this.origin, this.#index, memory, start, this.#end, this.#hold);
  }

  #letGo(): void {
    this.#hold?.letGo();
  }
}
