// Messages larger than what a socket takes at once: what arrives is whole, and belongs to whoever read it alone.
import { describe, expect, it } from 'vitest';
import { busOf } from '../support/scratch.js';
import { takeData } from '../support/waiting.js';

const KiB = 1024;
const LENGTHS = [60 * KiB, 300 * KiB, 1024 * KiB, 1024 * KiB + 1, 3 * 1024 * KiB + 8, 16 * KiB];

/** Bytes that tell their message and their place. */
function pattern(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  for (let index = 0; index < words.length; index += 1) words[index] = number * 0x0101_0001 + index;
  return bytes;
}

const patterns = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, number) => pattern(number, LENGTHS[number % LENGTHS.length]!));

/** Numbers of those that are not as they were sent. */
function spoiled(data: unknown[], sent: Uint8Array[]): number[] {
  const isSame = (value: unknown, index: number) => Buffer.compare(value as Uint8Array, sent[index]!) === 0;
  return data.flatMap((value, index) => (isSame(value, index) ? [] : [index]));
}

describe('large messages', () => {
  it('stay as they were while others come, in one slot as in two', { timeout: 30_000 }, async () => {
    const [publisher, one, two] = await busOf(3);
    const slots = [
      await one!.subscribe('large.bytes'),
      await two!.subscribe('large.*'),
      await two!.subscribe('large.bytes'),
    ];
    const sent = patterns(24);
    const reading = slots.map((slot) => takeData(slot, sent.length));
    for (const data of sent) await publisher!.publish('large.bytes', data);
    const [alone, first, second] = await Promise.all(reading);
    for (const data of [alone!, first!, second!]) expect(spoiled(data, sent)).toEqual([]);
    // what one reader does to its data is nobody else's business
    for (const data of first!) (data as Uint8Array).fill(0);
    expect(spoiled(second!, sent)).toEqual([]);
    for (const data of alone!) (data as Uint8Array).fill(0xff);
    for (const data of sent.slice(0, 6)) await publisher!.publish('large.bytes', data);
    expect(spoiled(await takeData(slots[0]!, 6), sent)).toEqual([]);
    expect(alone!.every((data) => (data as Uint8Array).every((byte) => byte === 0xff))).toBe(true);
  });

  it('are not what the next ones are read into, however many share a chunk', {
    timeout: 30_000,
  }, async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('>');
    const sent = Array.from({ length: 300 }, (_, number) => pattern(number, (20 + (number % 50)) * KiB));
    const received: unknown[] = [];
    const reading = (async () => {
      for await (const { data } of slot) if (received.push(data) === sent.length) break;
    })();
    for (const [number, data] of sent.entries()) await publisher!.publish('s'.repeat(1 + (number % 8)), data);
    await reading;
    expect(spoiled(received, sent)).toEqual([]);
  });

  it('can be read as numbers of any size, whatever the length of the subject', {
    timeout: 30_000,
  }, async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('>');
    for (let length = 1; length <= 9; length += 1) {
      await publisher!.publish('s'.repeat(length), pattern(length, 400_000));
      const [data] = (await takeData(slot, 1)) as [Uint8Array];
      const numbers = new BigUint64Array(data.buffer, data.byteOffset, data.length / 8);
      expect(
        Buffer.from(numbers.buffer, numbers.byteOffset, data.length).equals(pattern(length, 400_000)),
      ).toBe(true);
    }
  });

  it('can be moved to another thread without taking anything along', { timeout: 30_000 }, async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('moved');
    const sent = patterns(6);
    for (const data of sent) await publisher!.publish('moved', data);
    const data = (await takeData(slot, sent.length)) as Uint8Array<ArrayBuffer>[];
    const moved = structuredClone(data[2]!, { transfer: [data[2]!.buffer] });
    expect(data[2]!.length).toBe(0);
    data[2] = moved;
    expect(spoiled(data, sent)).toEqual([]);
  });

  it('that wait for room are as they were when publish() was called', { timeout: 30_000 }, async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('waiting');
    const sent = patterns(12);
    const publishing = sent.map((data, number) => {
      const mine = Uint8Array.from(data);
      const options = number % 2 === 0 ? undefined : { headers: { number: `${number}` } };
      const published = publisher!.publish('waiting', mine, options);
      mine.fill(0);
      return published;
    });
    expect(spoiled(await takeData(slot, sent.length), sent)).toEqual([]);
    await Promise.all(publishing);
  });
});
