// Where the bytes of a batch's messages come to lie. Afterwards the chunk that it came in is filled with nonsense, as the
// next read would do.
import { expect, it } from 'vitest';
import { ChunkHold } from '../../src/peer/chunk-hold.js';
import { NO_HEADERS, type Origin } from '../../src/peer/message.js';
import { MessageBatch } from '../../src/peer/message-batch.js';
import { BATCH_HEAD_BYTES } from '../../src/wire/frame.js';
import { batchDataOf } from '../support/batch-data.js';

const FRAME_AT = 5;

const from = {
  ...{ id: '00', bytes: Buffer.alloc(8), high: 0, low: 0 },
  ...{ read: 0, acknowledged: 0, urgent: false, heardAt: 0 },
};
const origin: Origin = {
  ...{ subject: 'a', headers: NO_HEADERS, from, isShared: true, headBytes: 50, sequence: 1 },
  ...{ orderHigh: 0, orderLow: 1, timeHigh: 0, timeLow: 1 },
};

/** A chunk that holds one batch, offered to several slots. */
class Chunk {
  readonly batches: MessageBatch[];
  isFree = false;

  constructor(values: unknown[], slots = 1) {
    const data = batchDataOf(values);
    const memory = Buffer.allocUnsafeSlow(FRAME_AT + data.length + 100).fill(0xee);
    memory.set(data, FRAME_AT);
    const hold = new ChunkHold(memory, () => {
      this.isFree = true;
      memory.fill(0xff);
    });
    const items = {
      count: values.length,
      ...{ start: FRAME_AT + BATCH_HEAD_BYTES, end: FRAME_AT + data.length, bytes: 0 },
    };
    this.batches = Array.from({ length: slots }, () => new MessageBatch(origin, memory, items, hold));
  }

  /** The data of all messages of one slot, each looked at before the next is taken; what is left unread is detached. */
  read(slot = 0, isLookedAt: (index: number) => boolean = () => true): unknown[] {
    const batch = this.batches[slot]!;
    const messages = Array.from({ length: batch.length }, (_, index) => {
      const message = batch.shift();
      if (isLookedAt(index)) void message.data;
      message.detach();
      return message;
    });
    return messages.map(({ data }) => data);
  }
}

const bytesOf = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
const manyOf = (length: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => bytesOf(length, index % 200));

it('short bytes are copied many at once, and the chunk is free when the batch is read', () => {
  const values = manyOf(128, 300);
  const chunk = new Chunk(values);
  const data = chunk.read() as Uint8Array[];
  expect(chunk.isFree).toBe(true);
  expect(data).toEqual(values);
  expect(new Set(data.map(({ buffer }) => buffer)).size).toBeLessThan(10);
  expect(data.every((bytes) => Object.getPrototypeOf(bytes) === Uint8Array.prototype)).toBe(true);
});

it('messages that nobody looked at in time still have their data', () => {
  for (const values of [manyOf(40, 300), Array.from({ length: 300 }, (_, index) => ({ index }))]) {
    const chunk = new Chunk(values);
    expect(chunk.read(0, (index) => index % 7 === 3)).toEqual(values);
    expect(chunk.isFree).toBe(true);
  }
});

it('lengths and kinds may change from message to message', () => {
  const values = Array.from({ length: 150 }, (_, index) => {
    if (index % 5 === 0) return 'x'.repeat(index);
    return bytesOf((index * 37) % 900, index % 256);
  });
  const chunk = new Chunk(values);
  expect(chunk.read()).toEqual(values);
});

it('what one slot writes into its bytes no other slot sees', () => {
  const values = manyOf(64, 100);
  const chunk = new Chunk(values, 2);
  for (const bytes of chunk.read(0) as Uint8Array[]) bytes.fill(0xaa);
  expect(chunk.read(1)).toEqual(values);
});

it('no message keeps more than 520 times its size alive, nor any of another frame', () => {
  for (const length of [1, 60, 500]) {
    const values = [...manyOf(length, 200), bytesOf(1, 1), ...manyOf(length, 10)];
    const data = new Chunk(values).read() as Uint8Array[];
    expect(data).toEqual(values);
    const shares = data.map((bytes) => bytes.buffer.byteLength / (bytes.length + 1));
    expect(Math.max(...shares)).toBeLessThanOrEqual(520);
    // what lies around the frame
    const memories = [...new Set(data.map(({ buffer }) => buffer))];
    expect(memories.some((memory) => new Uint8Array(memory).includes(0xee))).toBe(false);
  }
});

it('what was copied together cannot be taken along to another thread', () => {
  const values = manyOf(128, 20);
  const data = new Chunk(values).read() as Uint8Array<ArrayBuffer>[];
  try {
    structuredClone(data[3], { transfer: [data[3]!.buffer] });
  } catch {
    // newer versions of Node say so; older ones copy
  }
  expect(data).toEqual(values);
});
