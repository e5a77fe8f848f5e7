// What a frame looks like in bytes: where its fields are, and the numbers of kinds and flags. What stands in the
// options is in frame-options.ts and frame-headers.ts, what a kind's data holds in control.ts. docs/PROTOCOL.md draws
// the same; a test holds the two together.
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
import { latin1, readU16 } from './primitives.js';

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
  /** PUBLISH: the data is in a file, see file-reference.ts. */
  file: 8192,
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

/** A frame that breaks the layout. The link it came from must end; `message` says what was found where. */
export class FrameFault extends Error {
  override readonly name = 'FrameFault';
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
