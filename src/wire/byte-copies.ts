// Copies of byte strings out of read buffers, cheap for the small ones: memory of their own costs about 1 µs each,
// whatever their size, so small copies share slabs, as Node's small Buffers do. The `buffer` of such a copy holds
// its neighbours too; it is marked so that nobody can transfer it to another thread and take them along.
import { markAsUntransferable } from 'node:worker_threads';

/** A copy of up to so many bytes shares a slab of so many: the longer ones need a longer one to share it at all. */
const SMALL = { longest: 512, slab: 16 * 1024 };
const MEDIUM = { longest: 8 * 1024, slab: 64 * 1024 };
/** Longer copies get memory of their own: there the copying costs more than the memory. */
export const LONGEST_SHARED_BYTES = MEDIUM.longest;
/** From here on filling new memory with zeros before the copy costs more than the Buffer that avoids it; measured. */
const SHORTEST_UNZEROED = 16 * 1024;
/** Shorter ones lie in V8's heap, without any slab; measured. */
const SHORTEST_SHARED = 32;
/** Up to this length a loop copies faster than a native call, which takes a view of the source first; measured. */
const LOOPED_BYTES = 48;
/** …and up to this one where the source is a whole array. */
const LONGEST_SET_BYTES = 24;
/** Memory that is remembered, and so kept alive, for the next copy out of it; larger ones are looked up each time. */
const LARGEST_REMEMBERED = 256 * 1024;

/** Memory that is cut into copies from the front, and left to them when it is used up. */
class Slab {
  readonly #bytes: number;
  #buffer = new ArrayBuffer(0);
  #used = 0;
  #left = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    if (length > this.#left) this.#renew();
    const at = this.#used;
    // a multiple of 8, so that programs can lay any typed array over a copy
    const stride = (length + 7) & ~7;
    this.#used += stride;
    this.#left -= stride;
    return new Uint8Array(this.#buffer, at, length);
  }

  #renew(): void {
    // not zeroed: nothing of it is seen before it was written
    this.#buffer = Buffer.allocUnsafeSlow(this.#bytes).buffer;
    markAsUntransferable(this.#buffer);
    this.#used = 0;
    this.#left = this.#bytes;
  }
}

const small = new Slab(SMALL.slab);
const medium = new Slab(MEDIUM.slab);

// `buffer` of a typed array is a call out of compiled code, as dear as the copying; many copies come out of one chunk.
let source: Uint8Array = new Uint8Array(0);
let sourceBuffer = source.buffer;
let sourceOffset = 0;

/** A copy of a stretch of `bytes` as a plain Uint8Array. */
export function copyBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  const copy = memoryFor(length);
  if (length <= LOOPED_BYTES) loop(bytes, start, copy, 0, length);
  else copy.set(viewBytes(bytes, start, end));
  return copy;
}

/** A stretch of `bytes` as a plain Uint8Array that shares their memory. */
export function viewBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  if (bytes !== source) {
    if (bytes.length > LARGEST_REMEMBERED)
      return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
    source = bytes;
    sourceBuffer = bytes.buffer;
    sourceOffset = bytes.byteOffset;
  }
  return new Uint8Array(sourceBuffer, sourceOffset + start, length);
}

/** Copies all of `bytes` to `at` in `target`; returns the position behind it. */
export function copyInto(target: Uint8Array, at: number, bytes: Uint8Array): number {
  const { length } = bytes;
  if (length > LONGEST_SET_BYTES) target.set(bytes, at);
  else loop(bytes, 0, target, at, length);
  return at + length;
}

// four at a time: a third less than one at a time for 16 bytes, measured
function loop(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void {
  let i = 0;
  for (const last = length - 3; i < last; i += 4) {
    to[at + i] = from[start + i]!;
    to[at + i + 1] = from[start + i + 1]!;
    to[at + i + 2] = from[start + i + 2]!;
    to[at + i + 3] = from[start + i + 3]!;
  }
  for (; i < length; i += 1) to[at + i] = from[start + i]!;
}

function memoryFor(length: number): Uint8Array {
  if (length < SHORTEST_SHARED) return new Uint8Array(length);
  if (length <= SMALL.longest) return small.take(length);
  if (length <= MEDIUM.longest) return medium.take(length);
  if (length < SHORTEST_UNZEROED) return new Uint8Array(length);
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
