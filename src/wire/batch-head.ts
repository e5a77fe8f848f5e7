// The head of a batch, a PUBLISH frame that holds several messages: how many, checked against the room there is. The
// messages are read and written in batch.ts.
import { WINDOW_FRAMES } from '../limits.js';
import { readFileReference, referenceBytes, wholeSize } from './file-reference.js';
import { At, Flag, FrameFault, Kind, optionsOffset, readFlags } from './frame-layout.js';
import { readU32 } from './primitives.js';

/** The head of the array of a batch, and of the empty options map in front of it. */
const BATCH_HEAD = 0x9a;
export const BATCH_HEAD_BYTES = 5;
const NO_OPTIONS_BYTES = 2;
/** The head of a byte string and one byte in it: no message of a batch takes less. */
const LEAST_BATCHED_BYTES = 2;
/** What a publisher asks for one message: of several in one frame nobody could tell which. */
const UNBATCHED = Flag.confirm | Flag.retain | Flag.noEcho;

/** Offset of the array of messages from the frame's start; only with {@link Flag.batch}. */
export function batchOffset(bytes: Uint8Array, at: number): number {
  return optionsOffset(bytes, at) + NO_OPTIONS_BYTES;
}

/** Offset of the count from the array's start, by the flags of the frame: behind a head of one byte, or of two. */
export function countOffset(flags: number): number {
  return flags & Flag.file ? 2 : 1;
}

/** How many messages a PUBLISH frame holds: a batch says so, any other holds one. */
export function messageCount(bytes: Uint8Array, at: number): number {
  const flags = readFlags(bytes, at);
  return flags & Flag.batch ? readU32(bytes, at + batchOffset(bytes, at) + countOffset(flags)) : 1;
}

/**
 * Checks that a batch may hold as many messages as it says; what they are is for their receivers to find out.
 * @throws FrameFault
 */
export function checkBatch(bytes: Uint8Array, at: number, size: number): void {
  const offset = batchOffset(bytes, at);
  const flags = readFlags(bytes, at);
  const isPlain =
    bytes[at + offset - 1] === 0 && bytes[at + At.kind] === Kind.publish && (flags & UNBATCHED) === 0;
  const room = (flags & Flag.file ? filedSize(bytes, at, size) : size) - offset - BATCH_HEAD_BYTES;
  if (room < LEAST_BATCHED_BYTES || !isPlain || (bytes[at + offset] !== BATCH_HEAD && !(flags & Flag.file))) {
    throw new FrameFault('a batch is not a PUBLISH frame without options and with an array of messages');
  }
  const count = messageCount(bytes, at);
  // more than a window holds was never published
  if (count === 0 || count > WINDOW_FRAMES || count * LEAST_BATCHED_BYTES > room) {
    throw new FrameFault(`a batch announces ${count} messages in ${room} bytes`);
  }
}

/** Whether a whole frame, read from a file, holds so many messages as the frame that named the file said. */
export function isBatchOf(frame: Uint8Array, count: number): boolean {
  return frame[batchOffset(frame, 0)] === BATCH_HEAD && messageCount(frame, 0) === count;
}

/** Bytes of a batch with what is in its file; 0 when it names none right behind its options. */
function filedSize(bytes: Uint8Array, at: number, size: number): number {
  const reference = readFileReference(bytes, at, size);
  if (reference === undefined || batchOffset(bytes, at) + referenceBytes(reference) !== size) return 0;
  return wholeSize(size, reference);
}
