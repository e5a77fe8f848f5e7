// The frame, for whoever reads or writes one: its parts are put together here, and other modules import them from here.
// Finds out how long a frame is and whether it is one. It does not read streams (frame-splitter.ts) or decode data
// (values.ts).
import { MAX_FRAME_BYTES, MAX_SUBJECT_BYTES } from '../limits.js';
import { checkBatch } from './batch-head.js';
import { At, Flag, FrameFault, MIN_FRAME_BYTES, PREFIX_BYTES } from './frame-layout.js';
import { checkFlaggedOptions } from './frame-options.js';
import { readU16, readU32 } from './primitives.js';

export {
  BATCH_HEAD_BYTES,
  batchOffset,
  checkBatch,
  countOffset,
  isBatchOf,
  messageCount,
} from './batch-head.js';
export { type EncodedHeaders, encodeHeaders, readTail, type Tail } from './frame-headers.js';
export {
  At,
  Flag,
  FrameFault,
  Kind,
  MIN_FRAME_BYTES,
  optionsOffset,
  PREFIX_BYTES,
  readFlags,
  readSubject,
} from './frame-layout.js';
export { checkRef, readRef, readTtl, toPosition, writeRef, writeTo, writeTtl } from './frame-options.js';
export { encodeFrame, type FrameFields, headSize, writeHead } from './frame-writer.js';
export {
  latin1,
  readU16,
  readU32,
  readU64,
  writeU16,
  writeU32,
  writeU64,
} from './primitives.js';

/**
 * Size in bytes of the frame at `at`, or 0 when its length field is not there yet.
 * @throws FrameFault when the bytes cannot begin a frame, or announce one of an impossible size
 */
export function frameSize(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < PREFIX_BYTES) {
    const prefix = [0xd8, 0x18, 0x5a];
    for (let i = 0; i < 3 && at + i < end; i += 1) {
      if (bytes[at + i] !== prefix[i]) throw new FrameFault(`byte ${i} of a frame is ${hex(bytes[at + i])}`);
    }
    return 0;
  }
  if (bytes[at] !== 0xd8 || bytes[at + 1] !== 0x18 || bytes[at + 2] !== 0x5a) {
    throw new FrameFault(
      `a frame begins with ${hex(bytes[at])} ${hex(bytes[at + 1])} ${hex(bytes[at + 2])}, not with d8 18 5a`,
    );
  }
  const size = PREFIX_BYTES + readU32(bytes, at + At.length);
  if (size < MIN_FRAME_BYTES || size > MAX_FRAME_BYTES) {
    throw new FrameFault(
      `a frame announces ${size} bytes; ${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES} are possible`,
    );
  }
  return size;
}

/**
 * Checks the fixed bytes of a whole frame and that its subject and options lie inside it.
 * @throws FrameFault
 */
export function checkFrame(bytes: Uint8Array, at: number, size: number): void {
  if (
    bytes[at + At.array] !== 0x89 ||
    bytes[at + 9] !== 0x19 ||
    bytes[at + 12] !== 0x1b ||
    bytes[at + 21] !== 0x1b ||
    bytes[at + 30] !== 0x1b ||
    bytes[at + 39] !== 0x1b ||
    bytes[at + 48] !== 0x79
  ) {
    throw new FrameFault('a frame lacks one of its fixed bytes');
  }
  const subjectLength = readU16(bytes, at + At.subjectLength);
  const options = At.subject + subjectLength;
  if (subjectLength > MAX_SUBJECT_BYTES || options + 3 > size || bytes[at + options] !== 0xb8) {
    throw new FrameFault(
      `a frame of ${size} bytes has a subject of ${subjectLength} bytes and no options behind it`,
    );
  }
  const flags = readU16(bytes, at + At.flags);
  if (flags & (Flag.hasTo | Flag.hasTtl | Flag.hasRef)) checkFlaggedOptions(bytes, at, size, flags);
  if (flags & Flag.batch) checkBatch(bytes, at, size);
}

function hex(byte: number | undefined): string {
  return byte === undefined ? 'nothing' : byte.toString(16).padStart(2, '0');
}
