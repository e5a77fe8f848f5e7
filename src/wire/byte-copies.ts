// Copies of byte strings out of read buffers, cheap for the small ones: memory of their own costs about 1 µs each,
// whatever their size, so small copies share slabs, as Node's small Buffers do. The `buffer` of such a copy holds
// its neighbours too; it is marked so that nobody can transfer it to another thread and take them along.
import { markAsUntransferable } from 'node:worker_threads';

/** One kept copy keeps this much alive; Node's own pool has 8 KiB, which is one allocation per 8 KiB of data. */
const SLAB_BYTES = 16 * 1024;
/** Longer copies get memory of their own: there the copying costs more than the memory. */
export const LONGEST_SHARED_BYTES = 2 * 1024;
/** From here on filling new memory with zeros before the copy costs more than the Buffer that avoids it; measured. */
const SHORTEST_UNZEROED = 16 * 1024;
/** Shorter ones lie in V8's heap, without any slab; measured. */
const SHORTEST_SHARED = 32;
/** Up to this length a loop copies faster than a native call, which takes a view of the source first; measured. */
const LOOPED_BYTES = 96;
/** …and up to this one where the source is a whole array. */
const LONGEST_SET_BYTES = 24;

let slab = newSlab();
let used = 0;

function newSlab(): Uint8Array {
  const bytes = new Uint8Array(SLAB_BYTES);
  markAsUntransferable(bytes.buffer);
  return bytes;
}

/** A copy of a stretch of `bytes` as a plain Uint8Array. */
export function copyBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  const copy = memoryFor(length);
  if (length > LOOPED_BYTES) copy.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, length));
  else loop(bytes, start, copy, 0, length);
  return copy;
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
  if (length <= LONGEST_SHARED_BYTES) return takeShared(length);
  if (length < SHORTEST_UNZEROED) return new Uint8Array(length);
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

function takeShared(length: number): Uint8Array {
  if (used + length > SLAB_BYTES) {
    slab = newSlab();
    used = 0;
  }
  const at = used;
  // a multiple of 8, so that programs can lay any typed array over a copy
  used += (length + 7) & ~7;
  return new Uint8Array(slab.buffer, at, length);
}
