// A slot by itself: what dropping leaves behind, and when a forgotten one is given up. Time is the test's.
import { beforeEach, describe, expect, it } from 'vitest';
import { ChunkHold } from '../../src/peer/chunk-hold.js';
import { IncomingMessage, NO_HEADERS } from '../../src/peer/message.js';
import { OpenSlot } from '../../src/peer/slot.js';
import { SlotWatch } from '../../src/peer/slot-watch.js';
import { encodeValue } from '../../src/wire/values.js';
import { ManualClock } from '../support/manual-clock.js';

const from = {
  id: 'x',
  bytes: Buffer.alloc(8),
  high: 0,
  low: 0,
  read: 0,
  acknowledged: 0,
  urgent: false,
  heardAt: 0,
};
const STALL = 1_000;

let clock: ManualClock;
let watch: SlotWatch;
let gaps: (number | undefined)[];
let slows: number;
let released: number;
let sequence: number;

beforeEach(() => {
  clock = new ManualClock();
  watch = new SlotWatch(clock);
  gaps = [];
  slows = released = sequence = 0;
});

function slot(
  overflow: 'wait' | 'drop-oldest',
  changes: { capacity?: number; capacityBytes?: number } = {},
): OpenSlot {
  const one: OpenSlot = new OpenSlot({
    id: 1,
    pattern: 'a',
    capacity: 3,
    capacityBytes: 1_000_000,
    overflow,
    stallTimeout: STALL,
    gaps: true,
    maxMessageBytes: 1_000_000,
    clock,
    owner: {
      taken() {},
      gap: (_, missed) => gaps.push(missed),
      full: (full) => watch.full(full),
      slow: () => {
        slows += 1;
      },
      left() {},
      closed: (gone) => watch.forget(gone),
    },
    ...changes,
  });
  one.opened();
  return one;
}

/** Offers the next number, in a chunk that wants to be released. */
function offer(to: OpenSlot, size = 100): void {
  const bytes = Buffer.from(encodeValue(++sequence));
  const release = (): void => {
    released += 1;
  };
  const hold = new ChunkHold(bytes, release);
  const origin = {
    ...{ subject: 'a', headers: NO_HEADERS, from, isShared: false, headBytes: size - bytes.length, sequence },
    ...{ orderHigh: 0, orderLow: sequence, timeHigh: 0, timeLow: 1 },
  };
  to.offer(new IncomingMessage(origin, 0, bytes, 0, bytes.length, hold));
}

async function readAll(from: OpenSlot): Promise<unknown[]> {
  const items: unknown[] = [];
  for (
    let item = await from.read({ timeout: 0 });
    item !== undefined;
    item = await from.read({ timeout: 0 })
  ) {
    items.push('gap' in item ? item : item.data);
  }
  return items;
}

describe('dropping', () => {
  it('keeps the newest, tells once per tick, and lets go of memory', async () => {
    const one = slot('drop-oldest');
    for (let i = 0; i < 10; i += 1) offer(one);
    expect(gaps).toEqual([]);
    clock.settle();
    expect(gaps).toEqual([7]);
    expect(released).toBe(7);
    expect(await readAll(one)).toEqual([{ gap: { missed: 7 } }, 8, 9, 10]);
    expect(released).toBe(10);
  });

  it('merges the markers it drops, and an unknown number stays unknown', async () => {
    const one = slot('drop-oldest');
    offer(one);
    one.offerGap(5);
    offer(one);
    for (let i = 0; i < 3; i += 1) offer(one);
    expect(await one.read()).toEqual({ gap: { missed: 7 } });
    one.offerGap(undefined);
    for (let i = 0; i < 9; i += 1) offer(one);
    expect(await one.read()).toEqual({ gap: { missed: undefined } });
  });

  it('by bytes drops as many as the new message needs', async () => {
    const one = slot('drop-oldest', { capacity: 100, capacityBytes: 350 });
    for (let i = 0; i < 3; i += 1) offer(one, 100);
    offer(one, 300);
    expect(await readAll(one)).toEqual([{ gap: { missed: 3 } }, 4]);
    offer(one, 9_999);
    expect(await readAll(one)).toEqual([5]);
  });

  it('tells what it dropped before it says that it closed', async () => {
    const one = slot('drop-oldest');
    for (let i = 0; i < 5; i += 1) offer(one);
    await one.close();
    expect(gaps).toEqual([2]);
    clock.settle();
    expect(gaps).toEqual([2]);
  });
});

describe('a wait slot that is forgotten', () => {
  it('drops what waits after its stall time-out, and not before', () => {
    const one = slot('wait');
    for (let i = 0; i < 10; i += 1) offer(one);
    clock.advance(STALL - 100);
    expect([one.info.messageCount, one.info.dropped, slows]).toEqual([10, 0, 1]);
    clock.advance(600);
    expect([one.info.messageCount, one.info.dropped, slows]).toEqual([3, 7, 1]);
    offer(one);
    expect([one.info.messageCount, one.info.dropped]).toEqual([3, 8]);
  });

  it('that is read now and then is not', async () => {
    const one = slot('wait');
    for (let i = 0; i < 30; i += 1) offer(one);
    for (let i = 0; i < 20; i += 1) {
      clock.advance(STALL - 100);
      await one.read();
    }
    expect(one.info).toMatchObject({ messageCount: 10, dropped: 0 });
  });

  it('after a last read is given up nevertheless, though nothing new arrives', async () => {
    const one = slot('wait');
    for (let i = 0; i < 10; i += 1) offer(one);
    clock.advance(STALL / 2);
    await one.read();
    clock.advance(STALL * 3);
    expect(one.info).toMatchObject({ messageCount: 3, dropped: 6 });
  });

  it('waits again from the next read on, and can stall again', async () => {
    const one = slot('wait');
    for (let i = 0; i < 10; i += 1) offer(one);
    clock.advance(STALL * 2);
    expect(await readAll(one)).toEqual([{ gap: { missed: 7 } }, 8, 9, 10]);
    for (let i = 0; i < 10; i += 1) offer(one);
    expect(one.info).toMatchObject({ messageCount: 10, dropped: 7 });
    clock.advance(STALL * 2);
    expect(one.info).toMatchObject({ messageCount: 3, dropped: 14 });
  });

  it('leaves no timer behind', async () => {
    const one = slot('wait');
    for (let i = 0; i < 10; i += 1) offer(one);
    await one.close();
    clock.advance(STALL * 2);
    expect(clock.timers).toBe(0);
  });
});

it('what did not come to it is counted as lost, and a gap of unknown size by itself', () => {
  const one = slot('drop-oldest');
  one.offerGap(5);
  one.offerGap(undefined);
  for (let i = 0; i < 5; i += 1) offer(one);
  expect(one.info).toMatchObject({ dropped: 2, missed: 7, unknownGaps: 1 });
  expect(one.drops).toEqual({ overflow: 2, stalled: 0, expired: 0, lost: 5 });
});
