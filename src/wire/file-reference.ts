// The frame whose data lies in a file of the bus folder: what it has in place of the data, and the frame that it stands
// for. The files themselves are transport/message-files.ts.
//
//   <data> = 82 1B <number u64> 1A <size u32>                    which file of this sender, and how many bytes are in it
//            83 1A <count u32> 1B <number u64> 1A <size u32>     of a batch: how many messages are in it, too
import { MAX_FRAME_BYTES } from '../limits.js';
import { At, Flag, MIN_FRAME_BYTES, PREFIX_BYTES, readFlags } from './frame-layout.js';
import { readU32, readU64, writeU16, writeU32, writeU64 } from './primitives.js';

export interface FileReference {
  /** The sender's own count of its files. */
  readonly number: number;
  /** Bytes of the data, one CBOR item. */
  readonly size: number;
  /** Messages of a batch; any other frame says nothing about that. */
  readonly count?: number | undefined;
}

/** The head of a byte string of 64 KiB or more. */
const LONG_STRING_HEAD_BYTES = 5;
/** The head of a count, and the count. */
const COUNT_BYTES = 5;
const PLAIN_BYTES = 15;

/** Bytes of a reference. */
export function referenceBytes({ count }: FileReference): number {
  return count === undefined ? PLAIN_BYTES : PLAIN_BYTES + COUNT_BYTES;
}

/** Writes what stands for the data that lies in a file. */
export function writeFileReference(target: Uint8Array, at: number, reference: FileReference): void {
  const { number, size, count } = reference;
  target[at] = count === undefined ? 0x82 : 0x83;
  if (count !== undefined) {
    target[at + 1] = 0x1a;
    writeU32(target, at + 2, count);
  }
  const rest = at + referenceBytes(reference) - PLAIN_BYTES + 1;
  target[rest] = 0x1b;
  writeU64(target, rest + 1, number);
  target[rest + 9] = 0x1a;
  writeU32(target, rest + 10, size);
}

/** Where the data of a frame with {@link Flag.file} lies; undefined when that is not what the frame says. */
export function readFileReference(bytes: Uint8Array, at: number, size: number): FileReference | undefined {
  const isBatch = (readFlags(bytes, at) & Flag.batch) !== 0;
  const length = isBatch ? PLAIN_BYTES + COUNT_BYTES : PLAIN_BYTES;
  const start = at + size - length;
  const rest = at + size - PLAIN_BYTES + 1;
  if (size < MIN_FRAME_BYTES - 1 + length || bytes[start] !== (isBatch ? 0x83 : 0x82)) return undefined;
  if (bytes[rest] !== 0x1b || bytes[rest + 9] !== 0x1a) return undefined;
  if (isBatch && bytes[start + 1] !== 0x1a) return undefined;
  const reference = {
    number: readU64(bytes, rest + 1),
    size: readU32(bytes, rest + 10),
    count: isBatch ? readU32(bytes, start + 2) : undefined,
  };
  const isPossible = reference.size > 0 && Number.isSafeInteger(reference.number);
  return isPossible && wholeSize(size, reference) <= MAX_FRAME_BYTES ? reference : undefined;
}

/** Bytes of the frame that one of `size` bytes stands for. */
export function wholeSize(size: number, reference: FileReference): number {
  return size - referenceBytes(reference) + reference.size;
}

/** Bytes of the messages at `at`, whose frame has {@link Flag.file}, with their data; of one that says nothing useful, its own. */
export function messageSize(bytes: Uint8Array, at: number, size: number): number {
  const reference = readFileReference(bytes, at, size);
  return reference === undefined ? size : wholeSize(size, reference);
}

/** Bytes that {@link wholeFrame} needs at most. */
export function wholeFrameMemory(size: number, reference: FileReference): number {
  return wholeSize(size, reference) + 7;
}

/**
 * The frame that this one stands for, in `memory`, where it begins so that the content of long bytes comes to lie on a
 * multiple of 8. Its data, the last `reference.size` bytes, is for the caller to fill in.
 */
export function wholeFrame(
  bytes: Uint8Array,
  at: number,
  size: number,
  reference: FileReference,
  memory: Buffer = Buffer.allocUnsafeSlow(wholeFrameMemory(size, reference)),
): Buffer {
  const head = size - referenceBytes(reference);
  const offset = -(head + LONG_STRING_HEAD_BYTES) & 7;
  const frame = memory.subarray(offset, offset + wholeSize(size, reference));
  frame.set(bytes.subarray(at, at + head));
  writeU32(frame, At.length, frame.length - PREFIX_BYTES);
  writeU16(frame, At.flags, readFlags(bytes, at) & ~Flag.file);
  return frame;
}

/** The frame that stands for this one, whose data, the last `reference.size` bytes of it, is in a file. */
export function referenceFrame(
  bytes: Uint8Array,
  at: number,
  size: number,
  reference: FileReference,
): Buffer {
  const head = size - reference.size;
  const frame = Buffer.allocUnsafe(head + referenceBytes(reference));
  frame.set(bytes.subarray(at, at + head));
  writeU32(frame, At.length, frame.length - PREFIX_BYTES);
  writeU16(frame, At.flags, readFlags(bytes, at) | Flag.file);
  writeFileReference(frame, head, reference);
  return frame;
}
