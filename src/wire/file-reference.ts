// The frame of a message whose data lies in a file of the bus folder: what it has in place of the data, and the frame
// that it stands for. The files themselves are transport/message-files.ts.
//
//   <data> = 82 1B <number u64> 1A <size u32>      which file of this sender, and how many bytes are in it
import { MAX_FRAME_BYTES } from '../limits.js';
import { At, Flag, MIN_FRAME_BYTES, PREFIX_BYTES, readFlags } from './frame-layout.js';
import { readU32, readU64, writeU16, writeU32, writeU64 } from './primitives.js';

export interface FileReference {
  /** The sender's own count of its files. */
  readonly number: number;
  /** Bytes of the data, one CBOR item. */
  readonly size: number;
}

/** Bytes of a reference. */
export const FILE_REFERENCE_BYTES = 15;

/** The head of a byte string of 64 KiB or more. */
const LONG_STRING_HEAD_BYTES = 5;

/** Writes what stands for the data that lies in a file. */
export function writeFileReference(target: Uint8Array, at: number, { number, size }: FileReference): void {
  target[at] = 0x82;
  target[at + 1] = 0x1b;
  writeU64(target, at + 2, number);
  target[at + 10] = 0x1a;
  writeU32(target, at + 11, size);
}

/** Where the data of a frame with {@link Flag.file} lies; undefined when that is not what the frame says. */
export function readFileReference(bytes: Uint8Array, at: number, size: number): FileReference | undefined {
  const start = at + size - FILE_REFERENCE_BYTES;
  if (size < MIN_FRAME_BYTES - 1 + FILE_REFERENCE_BYTES) return undefined;
  if (bytes[start] !== 0x82 || bytes[start + 1] !== 0x1b || bytes[start + 10] !== 0x1a) return undefined;
  const reference = { number: readU64(bytes, start + 2), size: readU32(bytes, start + 11) };
  const isPossible = reference.size > 0 && Number.isSafeInteger(reference.number);
  return isPossible && wholeSize(size, reference) <= MAX_FRAME_BYTES ? reference : undefined;
}

/** Bytes of the frame that one of `size` bytes stands for. */
export function wholeSize(size: number, reference: FileReference): number {
  return size - FILE_REFERENCE_BYTES + reference.size;
}

/** Bytes of the message at `at`, whose frame has {@link Flag.file}, with its data; of one that says nothing useful, its own. */
export function messageSize(bytes: Uint8Array, at: number, size: number): number {
  const reference = readFileReference(bytes, at, size);
  return reference === undefined ? size : wholeSize(size, reference);
}

/**
 * The frame that this one stands for, in memory of its own that begins where the content of long bytes comes to lie on a
 * multiple of 8. Its data, the last `reference.size` bytes, is for the caller to fill in.
 */
export function wholeFrame(bytes: Uint8Array, at: number, size: number, reference: FileReference): Buffer {
  const whole = wholeSize(size, reference);
  const head = size - FILE_REFERENCE_BYTES;
  const offset = -(head + LONG_STRING_HEAD_BYTES) & 7;
  const frame = Buffer.allocUnsafeSlow(whole + offset).subarray(offset);
  frame.set(bytes.subarray(at, at + head));
  writeU32(frame, At.length, whole - PREFIX_BYTES);
  writeU16(frame, At.flags, readFlags(bytes, at) & ~Flag.file);
  return frame;
}
