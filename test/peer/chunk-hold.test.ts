// Where the bytes of a message come to lie, and what becomes of the chunk they came in. Afterwards the chunk is filled with
// nonsense whenever it may be, as the next read would do.
import { expect, it } from 'vitest';
import { ChunkHold } from '../../src/peer/chunk-hold.js';
import { IncomingMessage, NO_HEADERS, type Origin } from '../../src/peer/message.js';
import { encodeValue } from '../../src/wire/values.js';

const CHUNK_BYTES = 64 * 1024;

const from = {
  ...{ id: '00', bytes: Buffer.alloc(8), high: 0, low: 0 },
  ...{ read: 0, acknowledged: 0, urgent: false, heardAt: 0 },
};

function originOf(isShared: boolean): Origin {
  return {
    ...{ subject: 'a', headers: NO_HEADERS, from, isShared, headBytes: 50, sequence: 1 },
    ...{ orderHigh: 0, orderLow: 1, timeHigh: 0, timeLow: 1 },
  };
}

/** A chunk with some values in it, each a message of its own. */
class Chunk {
  readonly memory = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  readonly hold = new ChunkHold(this.memory, () => {
    this.isFree = true;
    this.memory.fill(0xff);
  });
  readonly messages: IncomingMessage[] = [];
  isFree = false;

  constructor(values: unknown[], { isShared = false } = {}) {
    let at = 3;
    for (const value of values) {
      const item = encodeValue(value);
      this.memory.set(item, at);
      this.messages.push(
        new IncomingMessage(originOf(isShared), 0, this.memory, at, at + item.length, this.hold),
      );
      at += item.length;
    }
  }

  liesIn(bytes: Uint8Array): boolean {
    return bytes.buffer === this.memory.buffer;
  }
}

const bytesOf = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);

it('long bytes are given where they lie, and their chunk is never read into again', () => {
  const chunk = new Chunk([bytesOf(2_000), 'text', bytesOf(3_000, 8)]);
  const data = chunk.messages.map((message) => message.data);
  expect(data).toEqual([bytesOf(2_000), 'text', bytesOf(3_000, 8)]);
  expect(chunk.liesIn(data[0] as Uint8Array)).toBe(true);
  expect(Object.getPrototypeOf(data[0])).toBe(Uint8Array.prototype);
  expect(chunk.messages[0]?.data).toBe(data[0]);
  expect([chunk.isFree, chunk.hold.messages]).toEqual([false, 0]);
});

it('short bytes, and values of other kinds, are copied, and the chunk is free', () => {
  const values = [bytesOf(1_000), 'x'.repeat(5_000), { bytes: bytesOf(5_000) }];
  const chunk = new Chunk(values);
  const data = chunk.messages.map((message) => message.data);
  expect(chunk.isFree).toBe(true);
  expect(data).toEqual(values);
});

it('bytes that several slots were offered are copied for each', () => {
  const chunk = new Chunk([bytesOf(2_000)], { isShared: true });
  const data = chunk.messages[0]?.data as Uint8Array;
  expect([chunk.liesIn(data), chunk.isFree]).toEqual([false, true]);
  expect(data).toEqual(bytesOf(2_000));
});

it('no message keeps more alive than 520 times its size', () => {
  const memory = Buffer.allocUnsafeSlow(520 * 4_096);
  const hold = new ChunkHold(memory, () => {});
  expect([4_095, 4_096].map((length) => hold.mayGive(length, false))).toEqual([false, true]);
});

it('a message that the reader has left unread keeps its long data without a copy, and copies the short', () => {
  const chunk = new Chunk([bytesOf(2_000), bytesOf(500)]);
  for (const message of chunk.messages) message.detach();
  expect(chunk.isFree).toBe(false);
  const [long, short] = chunk.messages.map((message) => message.data as Uint8Array);
  expect([chunk.liesIn(long!), chunk.liesIn(short!)]).toEqual([true, false]);
  expect([long, short]).toEqual([bytesOf(2_000), bytesOf(500)]);
  const unread = new Chunk([bytesOf(500)]);
  unread.messages[0]?.detach();
  expect(unread.isFree).toBe(true);
  expect(unread.messages[0]?.data).toEqual(bytesOf(500));
});

it('a message that waits where its neighbours may be dropped keeps nothing of the chunk', () => {
  const chunk = new Chunk([bytesOf(2_000), 'text']);
  for (const message of chunk.messages) message.copyOut();
  expect(chunk.isFree).toBe(true);
  expect(chunk.messages.map(({ data }) => data)).toEqual([bytesOf(2_000), 'text']);
});

it('what was given cannot be taken along to another thread, unread messages with it', () => {
  const chunk = new Chunk([bytesOf(2_000), bytesOf(3_000, 8)]);
  const [given, unread] = chunk.messages as [IncomingMessage, IncomingMessage];
  const data = given.data as Uint8Array<ArrayBuffer>;
  try {
    structuredClone(data, { transfer: [data.buffer] });
  } catch {
    // newer versions of Node say so; older ones copy
  }
  expect(data).toEqual(bytesOf(2_000));
  expect(unread.data).toEqual(bytesOf(3_000, 8));
});
