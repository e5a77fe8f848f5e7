// The frame: what it looks like in bytes, how to read it by arithmetic, and how to write one.
// It does not read streams (frame-splitter.ts), decode data (values.ts) or know what a kind's data holds
// (control.ts). docs/PROTOCOL.md draws the same layout; a test holds the two together.
//
//   0      D8 18 5A <length u32>     tag 24: an encoded CBOR item of that many bytes, namely
//   7      89                        an array of nine:
//   8      <kind>
//   9      19 <flags u16>
//  12      1B <sender u64>           peer id
//  21      1B <sequence u64>         the sender's own count
//  30      1B <order u64>            stamped by the host in place
//  39      1B <time u64>             ms since 1970, the sender's clock
//  48      79 <length u16> <subject>
//          B8 <n> <options>          [01 1B to] [02 1A ttl] [03 1B ref], then headers: text → text
//          <data>                    any CBOR item
import { MAX_FRAME_BYTES, MAX_HEADERS, MAX_SUBJECT_BYTES, WINDOW_FRAMES } from '../limits.js';

/** Kinds of frames. 16–19 are relayed like PUBLISH, 20–23 ignored, other unknown ones are a violation. */
export const Kind = {
  publish: 0,
  query: 1,
  reply: 2,
  credit: 3,
  cancel: 4,
  ack: 5,
  settled: 6,
  note: 7,
  gap: 8,
  welcome: 9,
  join: 10,
  open: 11,
  slot: 12,
  standby: 13,
  ping: 14,
  goaway: 15,
} as const;

/** Bits of the flags field. */
export const Flag = {
  /** PUBLISH: the sender waits for a receipt. */
  confirm: 1,
  /** PUBLISH: keep as the last value of the subject. */
  retain: 2,
  /** PUBLISH: not to the sender's own slots. */
  noEcho: 4,
  /** PUBLISH: sent again after a take-over. */
  resent: 8,
  /** PUBLISH: acknowledge at once. */
  ackSoon: 16,
  hasTo: 32,
  hasTtl: 64,
  hasRef: 128,
  /** REPLY: another one of the same responder follows. */
  more: 256,
  /** REPLY: the data is `{ code, message, … }`, not an answer. */
  error: 512,
  /** QUERY: to all responders. REPLY: the host says how many will answer. */
  all: 1024,
  /** QUERY: the asker takes a streamed reply and grants credit. REPLY: the stream ends, and the data is no answer. */
  stream: 2048,
  /** PUBLISH: the frame holds several messages, see batch.ts. */
  batch: 4096,
} as const;

export const At = {
  length: 3,
  array: 7,
  kind: 8,
  flags: 10,
  sender: 13,
  sequence: 22,
  order: 31,
  time: 40,
  subjectLength: 49,
  subject: 51,
} as const;

/** Bytes in front of what the length field counts. */
export const PREFIX_BYTES = 7;
/** The smallest frame: empty subject, no options, one byte of data. */
export const MIN_FRAME_BYTES = At.subject + 2 + 1;

const OPTION_TO_BYTES = 10;
const OPTION_TTL_BYTES = 6;
const OPTION_REF_BYTES = 10;

/** A frame that breaks the layout. The link it came from must end; `message` says what was found where. */
export class FrameFault extends Error {
  override readonly name = 'FrameFault';
}

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

function checkFlaggedOptions(bytes: Uint8Array, at: number, size: number, flags: number): void {
  let cursor = at + optionsOffset(bytes, at) + 2;
  const expect = (first: number, second: number, length: number): void => {
    if (cursor + length >= at + size || bytes[cursor] !== first || bytes[cursor + 1] !== second) {
      throw new FrameFault(`option ${first} is flagged but not in its place`);
    }
    cursor += length;
  };
  if (flags & Flag.hasTo) expect(1, 0x1b, OPTION_TO_BYTES);
  if (flags & Flag.hasTtl) expect(2, 0x1a, OPTION_TTL_BYTES);
  if (flags & Flag.hasRef) expect(3, 0x1b, OPTION_REF_BYTES);
}

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Reads a u64 as a number: exact up to 2⁵³, which sequences, orders and times never reach. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4);
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes a whole number from 0 to 2⁵³ as a u64. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, (value / 0x1_0000_0000) >>> 0);
  writeU32(bytes, at + 4, value >>> 0);
}

export function readFlags(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + At.flags);
}

export function readSubject(bytes: Uint8Array, at: number): string {
  const length = readU16(bytes, at + At.subjectLength);
  return latin1(bytes, at + At.subject, at + At.subject + length);
}

/** Offset of the options map from the frame's start. */
export function optionsOffset(bytes: Uint8Array, at: number): number {
  return At.subject + readU16(bytes, at + At.subjectLength);
}

/** Position of the flagged `to` (8 bytes) in `bytes`; only with {@link Flag.hasTo}. */
export function toPosition(bytes: Uint8Array, at: number): number {
  return at + optionsOffset(bytes, at) + 4;
}

/** The flagged time to live in ms; only with {@link Flag.hasTtl}. */
export function readTtl(bytes: Uint8Array, at: number): number {
  return readU32(bytes, ttlPosition(bytes, at));
}

/** The flagged reference (a query's id); only with {@link Flag.hasRef}. */
export function readRef(bytes: Uint8Array, at: number): number {
  return readU64(bytes, refPosition(bytes, at));
}

function ttlPosition(bytes: Uint8Array, at: number): number {
  const to = readFlags(bytes, at) & Flag.hasTo ? OPTION_TO_BYTES : 0;
  return at + optionsOffset(bytes, at) + 2 + to + 2;
}

function refPosition(bytes: Uint8Array, at: number): number {
  const flags = readFlags(bytes, at);
  const before = (flags & Flag.hasTo ? OPTION_TO_BYTES : 0) + (flags & Flag.hasTtl ? OPTION_TTL_BYTES : 0);
  return at + optionsOffset(bytes, at) + 2 + before + 2;
}

/** Replaces the flagged time to live. */
export function writeTtl(bytes: Uint8Array, at: number, ttl: number): void {
  writeU32(bytes, ttlPosition(bytes, at), ttl);
}

/** Replaces the flagged `to`. */
export function writeTo(bytes: Uint8Array, at: number, to: Uint8Array): void {
  bytes.set(to, toPosition(bytes, at));
}

/** Replaces the flagged reference. */
export function writeRef(bytes: Uint8Array, at: number, ref: number): void {
  writeU64(bytes, refPosition(bytes, at), ref);
}

/** Where the parts behind the subject lie. Positions are absolute in `bytes`. */
export interface Tail {
  /** Undefined when the message has no headers. */
  headers: Record<string, string> | undefined;
  data: number;
}

/**
 * Finds the data of a frame and reads its headers.
 * @throws FrameFault when the options are not what the layout says
 */
export function readTail(bytes: Uint8Array, at: number, size: number): Tail {
  const start = at + optionsOffset(bytes, at);
  const flags = readFlags(bytes, at);
  let count = bytes[start + 1]!;
  let cursor = start + 2;
  if (flags & Flag.hasTo) [cursor, count] = [cursor + OPTION_TO_BYTES, count - 1];
  if (flags & Flag.hasTtl) [cursor, count] = [cursor + OPTION_TTL_BYTES, count - 1];
  if (flags & Flag.hasRef) [cursor, count] = [cursor + OPTION_REF_BYTES, count - 1];
  if (count < 0 || count > MAX_HEADERS) throw new FrameFault(`a frame has ${count} headers`);
  if (count === 0) return { headers: undefined, data: cursor };
  const headers: Record<string, string> = {};
  const reader = { bytes, cursor, end: at + size };
  for (let i = 0; i < count; i += 1) {
    const name = readText(reader);
    // defineProperty: a header called __proto__ must become a property, not the prototype
    Object.defineProperty(headers, name, {
      value: readText(reader),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return { headers, data: reader.cursor };
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readText(reader: { bytes: Uint8Array; cursor: number; end: number }): string {
  const { bytes, end } = reader;
  const head = bytes[reader.cursor]!;
  let length = head & 0x1f;
  let at = reader.cursor + 1;
  if (length === 24) length = bytes[at++]!;
  else if (length === 25) [length, at] = [readU16(bytes, at), at + 2];
  else if (length > 25) throw new FrameFault('a header has a text of an unusual length');
  if (head >> 5 !== 3 || at + length >= end) throw new FrameFault('a header is not a text inside its frame');
  reader.cursor = at + length;
  try {
    return strictUtf8.decode(bytes.subarray(at, at + length));
  } catch {
    throw new FrameFault('a header is not UTF-8');
  }
}

/** What {@link encodeFrame} writes; fields left out are zero or absent. */
export interface FrameFields {
  kind: number;
  flags?: number;
  /** 8 bytes */
  sender: Uint8Array;
  sequence?: number;
  order?: number;
  time?: number;
  subject?: string;
  /** 8 bytes; sets {@link Flag.hasTo} */
  to?: Uint8Array | undefined;
  /** ms; sets {@link Flag.hasTtl} */
  ttl?: number | undefined;
  /** sets {@link Flag.hasRef} */
  ref?: number | undefined;
  /** The headers as encoded by {@link encodeHeaders}. */
  headers?: EncodedHeaders | undefined;
  /** One CBOR item. */
  data: Uint8Array;
}

/** Headers as CBOR, without the head of the map. */
export interface EncodedHeaders {
  count: number;
  bytes: Uint8Array;
}

/** Encodes headers as the wire has them. Counts and sizes are the caller's to check. */
export function encodeHeaders(headers: Record<string, string>): EncodedHeaders {
  const parts: Uint8Array[] = [];
  const entries = Object.entries(headers);
  for (const text of entries.flat()) {
    const bytes = Buffer.from(text, 'utf8');
    parts.push(Buffer.from(textHead(bytes.length)), bytes);
  }
  return { count: entries.length, bytes: Buffer.concat(parts) };
}

function textHead(length: number): number[] {
  if (length < 24) return [0x60 | length];
  return length < 256 ? [0x78, length] : [0x79, length >>> 8, length & 0xff];
}

/** Bytes of everything before the data, for a frame with these fields. */
export function headSize(fields: Omit<FrameFields, 'data'>): number {
  return (
    At.subject +
    (fields.subject?.length ?? 0) +
    2 +
    (fields.to ? OPTION_TO_BYTES : 0) +
    (fields.ttl === undefined ? 0 : OPTION_TTL_BYTES) +
    (fields.ref === undefined ? 0 : OPTION_REF_BYTES) +
    (fields.headers?.bytes.length ?? 0)
  );
}

/** Writes everything before the data into `target` at `at`; `size` is that of the whole frame. Returns the end. */
export function writeHead(
  target: Uint8Array,
  at: number,
  size: number,
  fields: Omit<FrameFields, 'data'>,
): number {
  const { subject = '', to, ttl, ref, headers } = fields;
  const flags =
    (fields.flags ?? 0) |
    (to ? Flag.hasTo : 0) |
    (ttl === undefined ? 0 : Flag.hasTtl) |
    (ref === undefined ? 0 : Flag.hasRef);
  target[at] = 0xd8;
  target[at + 1] = 0x18;
  target[at + 2] = 0x5a;
  writeU32(target, at + At.length, size - PREFIX_BYTES);
  target[at + At.array] = 0x89;
  target[at + At.kind] = fields.kind;
  target[at + 9] = 0x19;
  writeU16(target, at + At.flags, flags);
  target[at + 12] = 0x1b;
  target.set(fields.sender, at + At.sender);
  target[at + 21] = 0x1b;
  writeU64(target, at + At.sequence, fields.sequence ?? 0);
  target[at + 30] = 0x1b;
  writeU64(target, at + At.order, fields.order ?? 0);
  target[at + 39] = 0x1b;
  writeU64(target, at + At.time, fields.time ?? 0);
  target[at + 48] = 0x79;
  writeU16(target, at + At.subjectLength, subject.length);
  let cursor = at + At.subject;
  for (let i = 0; i < subject.length; i += 1) target[cursor++] = subject.charCodeAt(i);
  target[cursor++] = 0xb8;
  target[cursor++] =
    (to ? 1 : 0) + (ttl === undefined ? 0 : 1) + (ref === undefined ? 0 : 1) + (headers?.count ?? 0);
  if (to) {
    target[cursor] = 1;
    target[cursor + 1] = 0x1b;
    target.set(to, cursor + 2);
    cursor += OPTION_TO_BYTES;
  }
  if (ttl !== undefined) {
    target[cursor] = 2;
    target[cursor + 1] = 0x1a;
    writeU32(target, cursor + 2, ttl);
    cursor += OPTION_TTL_BYTES;
  }
  if (ref !== undefined) {
    target[cursor] = 3;
    target[cursor + 1] = 0x1b;
    writeU64(target, cursor + 2, ref);
    cursor += OPTION_REF_BYTES;
  }
  if (headers) {
    target.set(headers.bytes, cursor);
    cursor += headers.bytes.length;
  }
  return cursor;
}

/** One whole frame in memory of its own. */
export function encodeFrame(fields: FrameFields): Buffer {
  const head = headSize(fields);
  const frame = Buffer.allocUnsafe(head + fields.data.length);
  writeHead(frame, 0, frame.length, fields);
  frame.set(fields.data, head);
  return frame;
}

/** Text of bytes that are known to be ASCII. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

function hex(byte: number | undefined): string {
  return byte === undefined ? 'nothing' : byte.toString(16).padStart(2, '0');
}
