// The data of a message: from a value to CBOR and back. The scanner (scanner.ts) stands between the two, since the
// bytes come from others; nothing here knows frames.
//
// What comes out: plain objects, arrays, texts, numbers, bigints, booleans, null, undefined, Uint8Array (for a
// Buffer, ArrayBuffer or DataView too), the other typed arrays, Date, Map and Set. An instance of a class arrives as
// a plain object with its own enumerable properties. Holes in arrays become undefined.
import { copyBytes, LONGEST_SHARED_BYTES, viewBytes } from './byte-copies.js';
import { writeItemHead } from './item-writer.js';
import { readValue } from './value-reader.js';
import { ValueWriter } from './value-writer.js';

// `Buffer` is a getter of the global object, which costs more than all the rest of isPlainBytes
const BufferClass: unknown = Buffer;

const writer = new ValueWriter();
let writing = false;

/**
 * The value as one CBOR item, which {@link scanValue} accepts. The bytes are valid until the next call.
 * @param call what the program called, for the message of an error
 * @throws MailslotError `MAILSLOT_NOT_ENCODABLE` naming the part that cannot be sent (functions, symbols, cycles,
 * built-ins such as Error or Promise, invalid dates, half surrogate pairs, nesting over 64, keys over 256 bytes,
 * bigints over 64 bytes), or `MAILSLOT_MESSAGE_TOO_LARGE` above the largest frame
 */
export function encodeValue(value: unknown, call = 'encodeValue'): Uint8Array {
  // a getter in the value may publish, too: it gets a writer of its own
  if (writing) return new ValueWriter().write(value, call);
  writing = true;
  try {
    return writer.write(value, call);
  } finally {
    writing = false;
  }
}

/**
 * The value in `bytes` from `start` to `end`, which {@link scanValue} must have accepted.
 * It shares no memory with `bytes`.
 */
export function decodeValue(bytes: Uint8Array, start: number, end: number): unknown {
  if (!isByteString(bytes, start)) return readValue(bytes, start);
  return copyBytes(bytes, end - byteStringLength(bytes, start, end), end);
}

/**
 * As {@link decodeValue}, for memory that nobody else refers to and nobody writes to any more: a long byte string
 * is a view of it, if it lies where any typed array can be laid over it and keeps little else alive.
 */
export function takeValue(bytes: Uint8Array, start: number, end: number): unknown {
  if (!isByteString(bytes, start)) return readValue(bytes, start);
  const length = byteStringLength(bytes, start, end);
  const at = bytes.byteOffset + end - length;
  const isShort = length <= LONGEST_SHARED_BYTES || length * 2 < bytes.length;
  if (isShort || at % 8 !== 0) return copyBytes(bytes, end - length, end);
  return new Uint8Array(bytes.buffer, at, length);
}

export function isByteString(bytes: Uint8Array, start: number): boolean {
  return bytes[start]! >> 5 === 2;
}

/** The byte string in `bytes` from `start` to `end`, as a view of it wherever it lies. */
export function viewValue(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return viewBytes(bytes, end - byteStringLength(bytes, start, end), end);
}

function byteStringLength(bytes: Uint8Array, start: number, end: number): number {
  const info = bytes[start]! & 0x1f;
  return end - start - (info < 24 ? 1 : 1 + (1 << (info - 24)));
}

/** Whether the value goes as a plain byte string: a Uint8Array or Buffer, and no subclass of them. */
export function isPlainBytes(value: unknown): value is Uint8Array {
  if (!(value instanceof Uint8Array)) return false;
  // not getPrototypeOf, which is a call out of compiled code
  const made = value.constructor;
  return made === Uint8Array || made === BufferClass;
}

/** Bytes of the head in front of a byte string of `length` bytes. */
export function byteStringHeadSize(length: number): number {
  if (length < 24) return 1;
  if (length < 0x100) return 2;
  return length < 0x1_0000 ? 3 : 5;
}

/** Writes the head of a byte string of `length` (below 2³²) bytes at `at`; returns the position behind it. */
export function writeByteStringHead(target: Uint8Array, at: number, length: number): number {
  return writeItemHead(target, at, 2, length);
}
