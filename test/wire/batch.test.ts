// The bytes of a batch: finding its messages, and taking it apart.
import { expect, it } from 'vitest';
import { WINDOW_FRAMES } from '../../src/limits.js';
import { batchItems, splitBatch } from '../../src/wire/batch.js';
import {
  At,
  checkFrame,
  encodeFrame,
  encodeHeaders,
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
import { batchData, batchDataOf } from '../support/batch-data.js';

const sender = Buffer.alloc(8, 7);

function batchOf(values: unknown[], flags: number = Flag.batch): Buffer {
  return encodeFrame({
    kind: Kind.publish,
    flags,
    sender,
    sequence: 5,
    order: 100,
    time: 9,
    subject: 'a.b',
    data: batchDataOf(values),
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

it('holds at least one message, at most a window full of them, and no more than have room', () => {
  const frame = (data: Buffer) =>
    encodeFrame({ kind: Kind.publish, flags: Flag.batch, sender, subject: 'a', data });
  const check = (data: Buffer) => () => checkFrame(frame(data), 0, frame(data).length);
  const least = (count: number) => Array.from({ length: count }, () => Buffer.of(1));
  expect(check(batchData(least(1)))).not.toThrow();
  expect(check(batchData(least(9)))).not.toThrow();
  expect(check(batchData(least(9), 10))).toThrow(/announces 10 messages in 18 bytes/);
  expect(check(batchData(least(9), 0))).toThrow(/announces 0 messages/);
  expect(check(batchData([]))).toThrow(FrameFault);
  expect(check(batchData(least(WINDOW_FRAMES)))).not.toThrow();
  expect(check(batchData(least(WINDOW_FRAMES + 1)))).toThrow(/announces 65537 messages/);
  expect(check(Buffer.concat([Buffer.of(0x9b), batchData(least(3)).subarray(1)]))).toThrow(FrameFault);
});

it('is a PUBLISH of which nothing special is asked', () => {
  const data = batchDataOf([1, 2]);
  const fields = { kind: Kind.publish, flags: Flag.batch, sender, subject: 'a', data };
  const check = (changes: object) => () => {
    const frame = encodeFrame({ ...fields, ...changes });
    checkFrame(frame, 0, frame.length);
  };
  expect(check({})).not.toThrow();
  for (const kind of [Kind.query, Kind.reply, 16, 20]) expect(check({ kind })).toThrow(FrameFault);
  expect(check({ headers: encodeHeaders({ a: 'b' }) })).toThrow(FrameFault);
  for (const flag of [Flag.confirm, Flag.retain, Flag.noEcho])
    expect(check({ flags: Flag.batch | flag })).toThrow(FrameFault);
  expect(check({ flags: Flag.batch | Flag.ackSoon | Flag.resent })).not.toThrow();
  for (const option of [{ to: sender }, { ttl: 5 }, { ref: 5 }]) expect(check(option)).toThrow(FrameFault);
});
