// The policies that drop: what stays, where the markers stand, and that the numbers are exact whatever happens (R7).
import { describe, expect, it } from 'vitest';
import type { Overflow } from '../../src/peer/api.js';
import { ChunkHold } from '../../src/peer/chunk-hold.js';
import { IncomingMessage, NO_HEADERS, SpecialMessage } from '../../src/peer/message.js';
import { OpenSlot } from '../../src/peer/slot.js';
import { encodeValue } from '../../src/wire/values.js';
import { ManualClock } from '../support/manual-clock.js';

const from = {
  ...{ id: 'x', bytes: Buffer.alloc(8), high: 0, low: 0 },
  ...{ read: 0, acknowledged: 0, urgent: false, heardAt: 0 },
};

interface Settings {
  overflow: Overflow;
  capacity?: number;
  capacityBytes?: number;
  gaps?: boolean;
}

/** A slot by itself, and who fills it with numbers: 0, 1, 2, … */
class Bench {
  readonly clock = new ManualClock();
  readonly slot: OpenSlot;
  offered = 0;
  /** As events tell. */
  told = 0;
  released = 0;
  /** Of the host or of unreadable messages, which the policy has nothing to do with. */
  gaps = 0;

  constructor({ overflow, capacity = 3, capacityBytes = 1_000_000, gaps = true }: Settings) {
    this.slot = new OpenSlot({
      id: 1,
      pattern: '>',
      ...{ capacity, capacityBytes, overflow, gaps },
      stallTimeout: 1_000,
      maxMessageBytes: 1_000_000,
      clock: this.clock,
      owner: {
        taken() {},
        gap: (_, missed) => {
          this.told += missed ?? 0;
        },
        full: () => expect.unreachable(),
        slow() {},
        left() {},
        closed() {},
      },
    });
    this.slot.opened();
  }

  offer(subject = 'a', size = 100): void {
    const bytes = Buffer.from(encodeValue(this.offered++));
    const release = (): void => {
      this.released += 1;
    };
    const hold = new ChunkHold(bytes, release);
    const origin = {
      ...{
        subject,
        headers: NO_HEADERS,
        from,
        isShared: false,
        headBytes: size - bytes.length,
        sequence: this.offered,
      },
      ...{ orderHigh: 0, orderLow: this.offered, timeHigh: 0, timeLow: 1 },
    };
    this.slot.offer(new IncomingMessage(origin, 0, bytes, 0, bytes.length, hold));
  }

  /** With a time to live, ms, or as a last value that was kept. */
  offerSpecial({ ttl, retained = false }: { ttl?: number; retained?: boolean }, subject = 'a'): void {
    const bytes = Buffer.from(encodeValue(this.offered++));
    const origin = {
      ...{
        subject,
        headers: NO_HEADERS,
        from,
        isShared: false,
        headBytes: 100 - bytes.length,
        sequence: this.offered,
      },
      ...{ orderHigh: 0, orderLow: this.offered, timeHigh: 0, timeLow: 1 },
    };
    const expiry = ttl === undefined ? undefined : this.clock.wallTime() + ttl;
    const body = { origin, bytes, start: 0, end: bytes.length };
    this.slot.offerSpecial(new SpecialMessage(body, { expiry, retained, hold: undefined }));
  }

  offerAll(...subjects: string[]): void {
    for (const subject of subjects) this.offer(subject);
  }

  /** The next item: a number, or a marker as text. */
  async read(): Promise<number | string | undefined> {
    const item = await this.slot.read({ timeout: 0 });
    return item !== undefined && 'gap' in item ? `-${item.gap.missed}` : (item?.data as number | undefined);
  }

  async readAll(): Promise<(number | string)[]> {
    const items: (number | string)[] = [];
    for (let item = await this.read(); item !== undefined; item = await this.read()) items.push(item);
    return items;
  }
}

describe('drop-newest', () => {
  it('keeps the beginning and what came last, with the marker between them', async () => {
    const bench = new Bench({ overflow: 'drop-newest' });
    for (let i = 0; i < 10; i += 1) bench.offer();
    expect(bench.slot.info).toMatchObject({ messageCount: 3, dropped: 7, missed: 7 });
    expect(await bench.readAll()).toEqual([0, 1, '-7', 9]);
  });

  it('a capacity of one holds what came last', async () => {
    const bench = new Bench({ overflow: 'drop-newest', capacity: 1 });
    for (let i = 0; i < 5; i += 1) bench.offer();
    expect(await bench.readAll()).toEqual(['-4', 4]);
  });

  it('drops as many as a large message needs', async () => {
    const bench = new Bench({ overflow: 'drop-newest', capacity: 100, capacityBytes: 500 });
    for (let i = 0; i < 5; i += 1) bench.offer();
    bench.offer('a', 250);
    expect(await bench.readAll()).toEqual([0, 1, '-3', 5]);
    bench.offer();
    bench.offer('a', 9_999);
    expect(await bench.readAll()).toEqual(['-1', 7]);
  });
});

describe('drop-incoming', () => {
  it('keeps the beginning, with the marker behind it, and goes on when there is room', async () => {
    const bench = new Bench({ overflow: 'drop-incoming' });
    for (let i = 0; i < 10; i += 1) bench.offer();
    expect(bench.slot.info).toMatchObject({ messageCount: 3, dropped: 7, missed: 7 });
    expect(await bench.read()).toBe(0);
    bench.offer();
    bench.offer();
    expect(await bench.readAll()).toEqual([1, 2, '-7', 10, '-1']);
  });

  it('counts bytes, and takes one message of any size when it is empty', async () => {
    const bench = new Bench({ overflow: 'drop-incoming', capacity: 100, capacityBytes: 250 });
    bench.offer('a', 9_999);
    bench.offer();
    expect(await bench.readAll()).toEqual([0, '-1']);
    for (const size of [100, 200, 100]) bench.offer('a', size);
    expect(await bench.readAll()).toEqual([2, '-1', 4]);
  });
});

describe('conflate', () => {
  it('holds the newest message of each subject, in the order in which those came', async () => {
    const bench = new Bench({ overflow: 'conflate' });
    bench.offerAll('a', 'b', 'a', 'a', 'c', 'b');
    expect(bench.slot.info).toMatchObject({ messageCount: 3, dropped: 3, missed: 3 });
    expect(await bench.readAll()).toEqual(['-3', 3, 4, 5]);
  });

  it('a marker stands where each older message was', async () => {
    const bench = new Bench({ overflow: 'conflate', capacity: 10 });
    bench.offerAll('a', 'b', 'c', 'd', 'b', 'd');
    expect(await bench.readAll()).toEqual([0, '-1', 2, '-1', 4, 5]);
  });

  it('with more subjects than room the oldest message gives way', async () => {
    const bench = new Bench({ overflow: 'conflate' });
    bench.offerAll('a', 'b', 'c', 'd', 'b', 'e');
    expect(await bench.readAll()).toEqual(['-3', 3, 4, 5]);
    bench.offerAll('a', 'a');
    expect(await bench.readAll()).toEqual(['-1', 7]);
  });
});

describe.each(['drop-newest', 'drop-incoming', 'conflate'] as const)('%s', (overflow) => {
  it('without `gaps` shows no marker, and counts all the same', async () => {
    const bench = new Bench({ overflow, gaps: false });
    for (let i = 0; i < 10; i += 1) bench.offer(`s${i % 2}`);
    const read = await bench.readAll();
    expect(read.every((item) => typeof item === 'number')).toBe(true);
    expect(bench.slot.info.missed).toBe(10 - read.length);
  });

  it('tells of what was dropped once per tick, and keeps no memory of others', () => {
    const bench = new Bench({ overflow });
    for (let i = 0; i < 10; i += 1) bench.offer();
    expect(bench.told).toBe(0);
    bench.clock.settle();
    expect(bench.told).toBe(bench.slot.info.dropped);
    expect(bench.released).toBe(10);
  });

  it('an unknown gap does not swallow a known number', async () => {
    const bench = new Bench({ overflow, capacity: 1 });
    bench.offerAll('a', 'b');
    bench.slot.offerGap(undefined);
    bench.offerAll('a', 'b');
    const items = await bench.readAll();
    expect(items.filter((item) => item === '-undefined')).toHaveLength(1);
    const known = items.filter((item) => typeof item === 'string' && item !== '-undefined');
    expect(known.reduce((sum: number, text) => sum - Number(text), 0)).toBe(3);
  });

  it('what has outlived its time gives way first, and is counted as that', async () => {
    const bench = new Bench({ overflow });
    for (let i = 0; i < 3; i += 1) bench.offerSpecial({ ttl: 100 }, `s${i}`);
    bench.clock.advance(100);
    bench.offer('new');
    expect(bench.slot.info).toMatchObject({ messageCount: 1, dropped: 0, missed: 0, expired: 3 });
    expect(await bench.readAll()).toEqual([3]);
  });

  it('last values come in whatever the capacity', async () => {
    const bench = new Bench({ overflow });
    for (let i = 0; i < 5; i += 1) bench.offerSpecial({ retained: true }, `s${i}`);
    expect(bench.slot.info).toMatchObject({ messageCount: 5, dropped: 0 });
    bench.offer('s9');
    bench.clock.settle();
    const { messageCount, dropped } = bench.slot.info;
    expect(messageCount + dropped).toBe(6);
    expect(bench.told).toBe(dropped);
  });

  it('close says how many were unread, and a drained one ends when they were read', async () => {
    const bench = new Bench({ overflow });
    for (let i = 0; i < 10; i += 1) bench.offer(`s${i}`);
    expect(await bench.slot.close()).toEqual({ unread: 3 });
    const other = new Bench({ overflow });
    for (let i = 0; i < 10; i += 1) other.offer(`s${i}`);
    const drained = other.slot.drain();
    await other.readAll().catch(() => {});
    await drained;
  });
});

// a generator of random numbers that a seed repeats: mulberry32
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

describe.each(['drop-oldest', 'drop-newest', 'drop-incoming', 'conflate'] as const)(
  'R7: delivered + announced = sent, exactly and in place: %s',
  (overflow) => {
    it.each(Array.from({ length: 25 }, (_, i) => i + 1))('seed %i', async (seed) => {
      const random = randomFrom(seed);
      const capacity = 1 + random(12);
      const capacityBytes = 200 + random(3_000);
      const bench = new Bench({ overflow, capacity, capacityBytes });
      const subjects = 1 + random(2 * capacity);
      let next = 0;
      let missed = 0;
      const take = async (): Promise<boolean> => {
        const item = await bench.read();
        if (typeof item === 'number') {
          expect(item).toBe(next);
          next += 1;
        } else if (item !== undefined) {
          missed -= Number(item);
          next -= Number(item);
        }
        return item !== undefined;
      };
      for (let step = 0; step < 400; step += 1) {
        for (let i = random(8); i > 0; i -= 1) bench.offer(`s${random(subjects)}`, 100 + random(300));
        for (let i = random(8); i > 0; i -= 1) await take();
        const { messageCount } = bench.slot.info;
        expect(messageCount).toBeLessThanOrEqual(capacity);
        if (messageCount > 1) expect(bench.slot.bytes).toBeLessThanOrEqual(capacityBytes);
      }
      while (await take());
      bench.clock.settle();
      expect(next).toBe(bench.offered);
      expect(missed).toBeGreaterThan(0);
      expect([bench.slot.info.dropped, bench.slot.info.missed, bench.told]).toEqual([missed, missed, missed]);
      expect(bench.slot.bytes).toBe(0);
    });
  },
);
