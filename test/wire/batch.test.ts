// The bytes of a batch: finding its messages, and taking it apart.
import { expect, it } from 'vitest';
import { batchItems, splitBatch, writeBatchHead } from '../../src/wire/batch.js';
import {
  At,
  BATCH_HEAD_BYTES,
  checkFrame,
  encodeFrame,
  Flag,
  FrameFault,
  Kind,
  messageCount,
  readFlags,
  readSubject,
  readTail,
  readU64,
} from '../../src/wire/frame.js';
import { decodeValue, encodeValue } from '../../src/wire/values.js';

const sender = Buffer.alloc(8, 7);

function batchOf(values: unknown[], flags: number = Flag.batch): Buffer {
  const head = Buffer.alloc(BATCH_HEAD_BYTES);
  writeBatchHead(head, 0, values.length);
  const items = values.map((value) => Buffer.from(encodeValue(Buffer.from(encodeValue(value)))));
  const data = Buffer.concat([head, ...items]);
  return encodeFrame({
    kind: Kind.publish,
    flags,
    sender,
    sequence: 5,
    order: 100,
    time: 9,
    subject: 'a.b',
    data,
  });
}

const values = ['x', 17, { deep: [1] }, new Uint8Array(300), new Uint8Array(70_000)];

it('says how many messages it holds, and a plain frame one', () => {
  expect(messageCount(batchOf(values), 0)).toBe(5);
  const single = encodeFrame({ kind: Kind.publish, sender, subject: 'a', data: encodeValue(1) });
  expect(messageCount(single, 0)).toBe(1);
});

it('finds the data of each message, whatever the form of its head', () => {
  const frame = batchOf(values);
  const found = [...batchItems(frame, 0, frame.length)].map(([start, end]) => decodeValue(frame, start, end));
  expect(found).toEqual(values);
});

it('comes apart into frames with sequences and orders of their own, and with its other flags', () => {
  const frame = batchOf(values, Flag.batch | Flag.ackSoon | Flag.resent);
  const frames = splitBatch(frame, 0, frame.length);
  expect(frames.map((one) => readU64(one, At.sequence))).toEqual([5, 6, 7, 8, 9]);
  expect(frames.map((one) => readU64(one, At.order))).toEqual([100, 101, 102, 103, 104]);
  for (const [index, one] of frames.entries()) {
    checkFrame(one, 0, one.length);
    expect(readFlags(one, 0)).toBe(Flag.ackSoon | Flag.resent);
    expect(readSubject(one, 0)).toBe('a.b');
    expect(readU64(one, At.time)).toBe(9);
    expect(decodeValue(one, readTail(one, 0, one.length).data, one.length)).toEqual(values[index]);
  }
});

it('with a message cut off, with something behind the last one, or with something else in it is refused', () => {
  const frame = batchOf(['x', 'y']);
  expect(() => splitBatch(frame, 0, frame.length - 1)).toThrow(FrameFault);
  expect(() => splitBatch(Buffer.concat([frame, Buffer.of(0x40)]), 0, frame.length + 1)).toThrow(FrameFault);
  const other = Buffer.from(frame);
  other[frame.length - 3] = 0x82;
  expect(() => splitBatch(other, 0, other.length)).toThrow(FrameFault);
});
