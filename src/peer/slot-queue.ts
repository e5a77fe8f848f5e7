// The queue of a slot: messages in order, markers for gaps between them, and the line between those that are
// taken (inside the capacity) and those that wait for room.
//
//   shift ←  [ taken … | waiting … ]  ← push
import { Ring } from '../util/ring.js';
import type { IncomingMessage } from './message.js';
import type { SenderRecord } from './sender-records.js';

/** Stands in a slot for messages that are missing: so many, or `undefined` where nobody can know. */
export interface Gap {
  readonly gap: { readonly missed: number | undefined };
}

export type Entry = IncomingMessage | Gap;

export function isGap(entry: object): entry is Gap {
  return 'gap' in entry;
}

export interface Capacity {
  messages: number;
  bytes: number;
}

export class SlotQueue {
  readonly #entries = new Ring<Entry>();
  readonly #capacity: Capacity;
  #bytes = 0;
  #taken = 0;
  #takenBytes = 0;

  constructor(capacity: Capacity) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How many entries wait for room. */
  get waiting(): number {
    return this.#entries.length - this.#taken;
  }

  /** Whether one more message of this size would be inside the capacity; one always fits an empty slot. */
  hasRoom(size: number): boolean {
    if (this.#taken === 0) return true;
    return this.#taken < this.#capacity.messages && this.#takenBytes + size <= this.#capacity.bytes;
  }

  peek(): Entry | undefined {
    return this.#entries.at(0);
  }

  push(entry: Entry): void {
    const size = sizeOf(entry);
    const fits = this.#taken === this.#entries.length && this.hasRoom(size);
    this.#entries.push(entry);
    this.#bytes += size;
    if (fits) {
      this.#taken += 1;
      this.#takenBytes += size;
    }
  }

  shift(): Entry | undefined {
    const entry = this.#entries.shift();
    if (entry === undefined) return undefined;
    const size = sizeOf(entry);
    this.#bytes -= size;
    this.#taken -= 1;
    this.#takenBytes -= size;
    if (this.#taken < this.#entries.length) this.#takeWaiting();
    return entry;
  }

  /** The lowest sequence of this sender that is not taken; undefined when everything is. */
  firstUntaken(sender: SenderRecord): number | undefined {
    for (let index = this.#taken; index < this.#entries.length; index += 1) {
      const entry = this.#entries.at(index)!;
      if (!isGap(entry) && entry.from === sender) return entry.sequence;
    }
    return undefined;
  }

  *[Symbol.iterator](): Iterator<Entry> {
    yield* this.#entries;
  }

  #takeWaiting(): void {
    let next = this.#entries.at(this.#taken);
    while (next !== undefined && this.hasRoom(sizeOf(next))) {
      this.#taken += 1;
      this.#takenBytes += sizeOf(next);
      next = this.#entries.at(this.#taken);
    }
  }
}

function sizeOf(entry: Entry): number {
  return isGap(entry) ? 0 : entry.size;
}
