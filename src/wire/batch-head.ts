// The head of a batch, a PUBLISH frame that holds several messages: how many, checked against the room there is. The
// messages are read and written in batch.ts.
import { WINDOW_FRAMES } from '../limits.js';
import { At, Flag, FrameFault, Kind, optionsOffset, readFlags } from './frame-layout.js';
import { readU32 } from './primitives.js';

/** The head of the array of a batch, and of the empty options map in front of it. */
const BATCH_HEAD = 0x9a;
export const BATCH_HEAD_BYTES = 5;
const NO_OPTIONS_BYTES = 2;
/** The head of a byte string and one byte in it: no message of a batch takes less. */
const LEAST_BATCHED_BYTES = 2;
/** What a publisher asks for one message: of several in one frame nobody could tell which. */
const UNBATCHED = Flag.confirm | Flag.retain | Flag.noEcho | Flag.file;

/** Offset of the array of messages from the frame's start; only with {@link Flag.batch}. */
export function batchOffset(bytes: Uint8Array, at: number): number {
  return optionsOffset(bytes, at) + NO_OPTIONS_BYTES;
}

/** How many messages a PUBLISH frame holds: a batch says so, any other holds one. */
export function messageCount(bytes: Uint8Array, at: number): number {
  return readFlags(bytes, at) & Flag.batch ? readU32(bytes, at + batchOffset(bytes, at) + 1) : 1;
}

/**
 * Checks that a batch may hold as many messages as it says; what they are is for their receivers to find out.
 * @throws FrameFault
 */
export function checkBatch(bytes: Uint8Array, at: number, size: number): void {
  const offset = batchOffset(bytes, at);
  const room = size - offset - BATCH_HEAD_BYTES;
  const isPlain =
    bytes[at + offset - 1] === 0 &&
    bytes[at + At.kind] === Kind.publish &&
    (readFlags(bytes, at) & UNBATCHED) === 0;
  if (room < LEAST_BATCHED_BYTES || !isPlain || bytes[at + offset] !== BATCH_HEAD) {
    throw new FrameFault('a batch is not a PUBLISH frame without options and with an array of messages');
  }
  const count = readU32(bytes, at + offset + 1);
  // more than a window holds was never published
  if (count === 0 || count > WINDOW_FRAMES || count * LEAST_BATCHED_BYTES > room) {
    throw new FrameFault(`a batch announces ${count} messages in ${room} bytes`);
  }
}
