// Several messages in one frame: those that a publisher published in a row, on one subject, before any of them was
// sent. What they share is said once, and the host relays them like one message. Message i of a batch has the
// frame's sequence + i and order + i; sender, time and subject are the frame's; none has options or headers.
//
//   <data> = 9A <count u32>  then, count times, a byte string with one message's data in it, a CBOR item
//
// Here are the bytes only. Which messages go together is the publisher's business (outbox.ts), what becomes of them
// the receiver's (message-batch.ts). That the frame can be a batch was checked before (checkBatch).
import {
  At,
  BATCH_HEAD_BYTES,
  batchOffset,
  encodeFrame,
  Flag,
  FrameFault,
  Kind,
  messageCount,
  readFlags,
  readSubject,
  readU16,
  readU32,
  readU64,
  writeU32,
} from './frame.js';
import { byteStringHeadSize, writeByteStringHead } from './values.js';

/** Bytes of a byte string's head, by what it begins with; 0 for what is none. */
export function itemHeadSize(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!;
  if (head < 0x40 || head > 0x5a) return 0;
  if (head < 0x58) return 1;
  return head === 0x58 ? 2 : head === 0x59 ? 3 : 5;
}

/** Length of the byte string with a head of `headSize` bytes at `at`. */
export function itemLength(bytes: Uint8Array, at: number, headSize: number): number {
  if (headSize === 1) return bytes[at]! & 0x1f;
  if (headSize === 2) return bytes[at + 1]!;
  return headSize === 3 ? readU16(bytes, at + 1) : readU32(bytes, at + 1);
}

/** Bytes of one message with `length` bytes of data. */
export function batchItemSize(length: number): number {
  return length + byteStringHeadSize(length);
}

/** Writes the head of one message's data; returns the position behind it. */
export function writeItemStart(target: Uint8Array, at: number, length: number): number {
  return writeByteStringHead(target, at, length);
}

/** Writes how many messages follow. */
export function writeBatchHead(target: Uint8Array, at: number, count: number): void {
  target[at] = 0x9a;
  writeU32(target, at + 1, count);
}

/** Where the data of each message of a batch lies, as [start, end) in `bytes`. @throws FrameFault */
export function* batchItems(bytes: Uint8Array, at: number, size: number): Iterable<[number, number]> {
  const end = at + size;
  let cursor = at + batchOffset(bytes, at) + BATCH_HEAD_BYTES;
  for (let left = messageCount(bytes, at); left > 0; left -= 1) {
    const head = cursor < end ? itemHeadSize(bytes, cursor) : 0;
    const start = cursor + head;
    const next = head === 0 || start > end ? end + 1 : start + itemLength(bytes, cursor, head);
    if (next > end) throw new FrameFault(`a batch lacks ${left} of its messages`);
    yield [start, next];
    cursor = next;
  }
  if (cursor !== end) throw new FrameFault(`${end - cursor} bytes follow the last message of a batch`);
}

/**
 * The messages of a batch as frames of their own, with their own sequences and orders.
 * @throws FrameFault
 */
export function splitBatch(bytes: Buffer, at: number, size: number): Buffer[] {
  const sequence = readU64(bytes, at + At.sequence);
  const order = readU64(bytes, at + At.order);
  const shared = {
    kind: Kind.publish,
    flags: readFlags(bytes, at) & ~Flag.batch,
    sender: bytes.subarray(at + At.sender, at + At.sender + 8),
    time: readU64(bytes, at + At.time),
    subject: readSubject(bytes, at),
  };
  return Array.from(batchItems(bytes, at, size), ([start, end], index) =>
    encodeFrame({
      ...shared,
      sequence: sequence + index,
      order: order + index,
      data: bytes.subarray(start, end),
    }),
  );
}
