// Writes frames: one whole, or what stands before the data of one. That the parts are of the right size is the
// caller's to see to; nothing is checked here.

import type { EncodedHeaders } from './frame-headers.js';
import { At, PREFIX_BYTES } from './frame-layout.js';
import {
  countFlagged,
  type FlaggedOptions,
  flaggedSize,
  flagsOf,
  writeFlaggedOptions,
} from './frame-options.js';
import { writeU16, writeU32, writeU64 } from './primitives.js';

/** What {@link encodeFrame} writes; fields left out are zero or absent. */
export interface FrameFields extends FlaggedOptions {
  kind: number;
  flags?: number;
  /** 8 bytes */
  sender: Uint8Array;
  sequence?: number;
  order?: number;
  time?: number;
  subject?: string;
  /** The headers as encoded by {@link encodeHeaders}. */
  headers?: EncodedHeaders | undefined;
  /** One CBOR item. */
  data: Uint8Array;
}

/** Bytes of everything before the data, for a frame with these fields. */
export function headSize(fields: Omit<FrameFields, 'data'>): number {
  return (
    At.subject +
    (fields.subject?.length ?? 0) +
    2 +
    flaggedSize(flagsOf(fields)) +
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
  const { subject = '', headers } = fields;
  const flagged = flagsOf(fields);
  writeFixed(target, at, fields);
  writeU32(target, at + At.length, size - PREFIX_BYTES);
  writeU16(target, at + At.flags, (fields.flags ?? 0) | flagged);
  writeU16(target, at + At.subjectLength, subject.length);
  let cursor = at + At.subject;
  for (let i = 0; i < subject.length; i += 1) target[cursor++] = subject.charCodeAt(i);
  target[cursor++] = 0xb8;
  target[cursor++] = countFlagged(flagged) + (headers?.count ?? 0);
  cursor = writeFlaggedOptions(target, cursor, fields);
  if (headers) {
    target.set(headers.bytes, cursor);
    cursor += headers.bytes.length;
  }
  return cursor;
}

/** Writes what is neither a length nor follows from the options. */
function writeFixed(
  target: Uint8Array,
  at: number,
  { kind, sender, sequence = 0, order = 0, time = 0 }: Omit<FrameFields, 'data'>,
): void {
  target[at] = 0xd8;
  target[at + 1] = 0x18;
  target[at + 2] = 0x5a;
  target[at + At.array] = 0x89;
  target[at + At.kind] = kind;
  target[at + 9] = 0x19;
  target[at + 12] = 0x1b;
  target.set(sender, at + At.sender);
  target[at + 21] = 0x1b;
  writeU64(target, at + At.sequence, sequence);
  target[at + 30] = 0x1b;
  writeU64(target, at + At.order, order);
  target[at + 39] = 0x1b;
  writeU64(target, at + At.time, time);
  target[at + 48] = 0x79;
}

/** One whole frame in memory of its own. */
export function encodeFrame(fields: FrameFields): Buffer {
  const head = headSize(fields);
  const frame = Buffer.allocUnsafe(head + fields.data.length);
  writeHead(frame, 0, frame.length, fields);
  frame.set(fields.data, head);
  return frame;
}
