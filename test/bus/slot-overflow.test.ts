// What a full slot does: make publishers wait, or drop and count. Nothing is ever lost without a number.
import type { Bus, Gap, Message } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, isPending, takeData } from '../support/waiting.js';

function numbers(count: number, start = 0): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

/** Publishes 0 … count-1; resolves when all have been admitted and taken. */
async function publishAll(bus: Bus, subject: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await bus.publish(subject, i);
  await bus.publish('end', undefined, { confirm: true });
}

/** Follows messages and gaps; fails when a gap has not the exact size of its hole. */
class Ledger {
  delivered = 0;
  missed = 0;
  next = 0;

  note(item: Message<number> | Gap): void {
    if ('gap' in item) {
      this.missed += item.gap.missed!;
      this.next += item.gap.missed!;
      return;
    }
    expect(item.data).toBe(this.next);
    this.delivered += 1;
    this.next += 1;
  }
}

describe('overflow: wait', () => {
  it('makes the publisher wait, and loses nothing when the reader comes back', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * 1024 });
    const slot = await subscriber!.subscribe<number>('n', { capacity: 10 });
    let admitted = 0;
    const publishing = (async () => {
      for (let i = 0; i < 20_000; i += 1) {
        await publisher!.publish('n', i);
        admitted += 1;
      }
    })();
    await eventually(() => publisher!.stats().window.waiting === 1, 'a waiting publish');
    expect(admitted).toBeLessThan(20_000);
    expect(await isPending(publishing)).toBe(true);
    expect(await takeData(slot, 20_000)).toEqual(numbers(20_000));
    await publishing;
    expect(slot.info).toMatchObject({ dropped: 0, missed: 0 });
  });

  it('counts capacity in bytes too', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<Uint8Array>('n', { capacityBytes: 3_000 });
    await publisher!.publish('n', new Uint8Array(1_000));
    await publisher!.publish('n', new Uint8Array(1_000), { confirm: true });
    const third = publisher!.publish('n', new Uint8Array(1_000), { confirm: true });
    await eventually(() => slot.info.messageCount === 3);
    expect(await isPending(third)).toBe(true);
    await slot.read();
    await third;
  });

  it('takes one message of any size when it is empty', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<Uint8Array>('n', { capacity: 1, capacityBytes: 1 });
    await publisher!.publish('n', new Uint8Array(100_000), { confirm: true });
    expect((await takeData(slot, 1))[0]).toHaveLength(100_000);
  });

  it('says once that the slot is full, and holds nobody else', async () => {
    const [publisher, subscriber] = await busOf(2);
    const events = new EventLog(subscriber!);
    await subscriber!.subscribe('n', { capacity: 1 });
    const other = await subscriber!.subscribe<number>('other');
    await subscriber!.respond('ping', () => 'pong');
    for (let i = 0; i < 50; i += 1) await publisher!.publish('n', i);
    await publisher!.publish('other', 1);
    expect(await takeData(other, 1)).toEqual([1]);
    expect((await publisher!.query('ping')).data).toBe('pong');
    await events.first('slow-slot');
    for (let i = 0; i < 50; i += 1) await publisher!.publish('n', i);
    await publisher!.query('ping');
    expect(events.of('slow-slot')).toEqual([
      { type: 'slow-slot', pattern: 'n', waiting: expect.any(Number) },
    ]);
  });

  it('holds up who publishes to it, and no other peers', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { windowBytes: 64 * 1024 });
    const full = await childPeer(directory);
    await full.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('full', { capacity: 1 });
    });
    const held = (async () => {
      for (let i = 0; i < 1_000; i += 1) await bus.publish('full', new Uint8Array(1_000));
    })();
    await eventually(() => bus.stats().window.waiting === 1, 'a waiting publish');
    const [publisher, receiver] = [await childPeer(directory), await joinBus(directory)];
    const slot = await receiver.subscribe<Uint8Array>('free');
    await publisher.run(({ bus }) => bus.respond('ping', () => 'pong').then(() => {}));
    const published = publisher.run(async ({ bus }) => {
      for (let i = 0; i < 5_000; i += 1) await bus.publish('free', new Uint8Array(1_000));
    });
    expect(await takeData(slot, 5_000)).toHaveLength(5_000);
    await published;
    expect((await bus.query('ping')).data).toBe('pong');
    expect(await isPending(held)).toBe(true);
    await full.kill();
    await held;
  });

  it('a slow reader slows the publisher of another process without losing anything', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<number>('n', { capacity: 5 });
    const child = await childPeer(directory, { windowBytes: 64 * 1024 });
    const published = child.run(async ({ bus }) => {
      for (let i = 0; i < 5_000; i += 1) await bus.publish('n', i);
    });
    const seen: number[] = [];
    for await (const { data } of slot) {
      seen.push(data);
      if (seen.length % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (seen.length === 5_000) break;
    }
    expect(seen).toEqual(numbers(5_000));
    await published;
  });
});

describe('overflow: drop-oldest', () => {
  it('keeps the newest, and one marker in front tells exactly what is missing', async () => {
    const [publisher, subscriber] = await busOf(2);
    const events = new EventLog(subscriber!);
    const slot = await subscriber!.subscribe<number>('n', {
      capacity: 10,
      overflow: 'drop-oldest',
      gaps: true,
    });
    await subscriber!.subscribe('end');
    await publishAll(publisher!, 'n', 100);
    expect(slot.info).toMatchObject({ messageCount: 10, dropped: 90, missed: 90 });
    expect(await slot.read()).toEqual({ gap: { missed: 90 } });
    const rest: unknown[] = [];
    for (
      let item = await slot.read({ timeout: 0 });
      item !== undefined;
      item = await slot.read({ timeout: 0 })
    ) {
      rest.push('gap' in item ? item : item.data);
    }
    expect(rest).toEqual(numbers(10, 90));
    await eventually(() => sum(events) === 90, 'the gaps as events');
    expect(subscriber!.stats().slots.find(({ pattern }) => pattern === 'n')).toMatchObject({
      dropped: 90,
      missed: 90,
      drops: { overflow: 90, stalled: 0, expired: 0, lost: 0 },
    });
  });

  it('without `gaps` the markers stay out of the way, the numbers remain', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('n', { capacity: 10, overflow: 'drop-oldest' });
    await subscriber!.subscribe('end');
    await publishAll(publisher!, 'n', 100);
    expect(await takeData(slot, 10)).toEqual(numbers(10, 90));
    expect(slot.info).toMatchObject({ dropped: 90, missed: 90 });
  });

  it.each([
    ['for await', 0],
    ['batches', 1],
  ])('R7: delivered + announced = sent, exactly, for a reader that falls behind (%s)', async (_, batched) => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<number>('n', { capacity: 50, overflow: 'drop-oldest', gaps: true });
    const child = await childPeer(directory);
    const published = child.run(async ({ bus }) => {
      for (let i = 0; i < 20_000; i += 1) await bus.publish('n', i);
    });
    const ledger = new Ledger();
    if (batched) {
      for await (const batch of slot.batches()) {
        for (const item of batch) ledger.note(item);
        await new Promise((resolve) => setImmediate(resolve));
        if (ledger.next === 20_000) break;
      }
    } else {
      for await (const item of slot) {
        ledger.note(item);
        if (ledger.delivered % 30 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (ledger.next === 20_000) break;
      }
    }
    await published;
    expect(ledger.missed).toBeGreaterThan(0);
    expect(ledger.delivered + ledger.missed).toBe(20_000);
    expect(slot.info).toMatchObject({ dropped: ledger.missed, missed: ledger.missed });
  });

  it('never makes the publisher wait', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * 1024 });
    const slot = await subscriber!.subscribe<Uint8Array>('n', { capacity: 4, overflow: 'drop-oldest' });
    for (let i = 0; i < 2_000; i += 1) await publisher!.publish('n', new Uint8Array(500));
    await publisher!.publish('n', new Uint8Array(1), { confirm: true });
    expect(slot.info).toMatchObject({ messageCount: 4, dropped: 1_997 });
  });
});

describe.each(['drop-newest', 'drop-incoming', 'conflate'] as const)('overflow: %s', (overflow) => {
  it('drops nothing for what somebody waits for already', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('n', { overflow, capacity: 1 });
    await publisher!.publish('n', 0);
    await slot.read();
    const reading = slot.read();
    // these two are one batch
    void publisher!.publish('n', 1);
    void publisher!.publish('n', 2);
    await publisher!.publish('end', undefined, { confirm: true });
    expect([(await reading)?.data, (await slot.read())?.data]).toEqual([1, 2]);
    expect(slot.info.dropped).toBe(0);
  });

  it('R7: delivered + announced = sent, exactly, for a reader that falls behind', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<number>('n.*', { capacity: 50, overflow, gaps: true });
    const child = await childPeer(directory);
    const published = child.run(async ({ bus }) => {
      for (let i = 0; i < 20_000; i += 1) await bus.publish(`n.${i % 80}`, i);
      await bus.publish('n.end', 20_000);
    });
    const ledger = new Ledger();
    let published20k = false;
    void published.then(() => {
      published20k = true;
    });
    while (!published20k) {
      const item = await slot.read({ timeout: 5 });
      if (item !== undefined) ledger.note(item);
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (ledger.next < 20_001) ledger.note((await slot.read())!);
    expect(ledger.missed).toBeGreaterThan(0);
    expect(ledger.delivered + ledger.missed).toBe(20_001);
    expect(slot.info).toMatchObject({ dropped: ledger.missed, missed: ledger.missed });
  });

  it('never makes the publisher wait', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * 1024 });
    const slot = await subscriber!.subscribe<Uint8Array>('n', { capacity: 4, overflow });
    for (let i = 0; i < 2_000; i += 1) await publisher!.publish('n', new Uint8Array(500));
    await publisher!.publish('n', new Uint8Array(1), { confirm: true });
    const { messageCount, dropped } = slot.info;
    expect(messageCount).toBe(overflow === 'conflate' ? 1 : 4);
    expect(dropped).toBe(2_001 - messageCount);
  });
});

describe.each([
  ['drop-oldest', [{ gap: { missed: 7 } }, 7, 8, 9]],
  ['drop-newest', [0, 1, { gap: { missed: 7 } }, 9]],
  ['drop-incoming', [0, 1, 2, { gap: { missed: 7 } }]],
  ['conflate', [{ gap: { missed: 7 } }, 7, 8, 9]],
] as const)('overflow: %s', (overflow, expected) => {
  it('is bounded in bytes', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number[]>('n.*', { capacityBytes: 3_500, overflow, gaps: true });
    for (let i = 0; i < 10; i += 1)
      await publisher!.publish(`n.${i}`, [i, new Uint8Array(1_000)], { confirm: true });
    expect(slot.info).toMatchObject({ messageCount: 3, dropped: 7, missed: 7 });
    const items: unknown[] = [];
    for (const _ of expected) {
      const item = await slot.read({ timeout: 0 });
      items.push(item !== undefined && 'gap' in item ? item : item?.data[0]);
    }
    expect(items).toEqual(expected);
  });
});

describe('a forgotten wait slot (R12)', () => {
  it('costs the others its stallTimeout, then drops and counts until it is read again', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * 1024 });
    const events = new EventLog(subscriber!);
    const slot = await subscriber!.subscribe<number>('n', { capacity: 10, stallTimeout: 50, gaps: true });
    const other = await subscriber!.subscribe<number>('n', { capacity: 100_000 });
    await subscriber!.subscribe('end');
    await publishAll(publisher!, 'n', 3_000);
    expect(await takeData(other, 3_000)).toEqual(numbers(3_000));
    const ledger = new Ledger();
    while (ledger.next < 3_000) ledger.note((await slot.read())!);
    expect(ledger.delivered).toBe(10);
    expect(ledger.missed).toBe(2_990);
    await eventually(() => sum(events) === 2_990);
  });

  it('costs them no more than that, and once', async () => {
    const stallTimeout = 500;
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * 1024 });
    await subscriber!.subscribe('n', { capacity: 10, stallTimeout });
    const start = performance.now();
    for (let i = 0; i < 4_000; i += 1) await publisher!.publish('n', new Uint8Array(1_000));
    const took = performance.now() - start;
    expect(took).toBeGreaterThan(stallTimeout - 10);
    // 60 windows: were it not once, it would be half a minute
    expect(took).toBeLessThan(6 * stallTimeout);
  });

  it('waits again once it is read again, and stalls again when it is forgotten again', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('n', { capacity: 10, stallTimeout: 1 });
    for (let i = 0; i < 30; i += 1) await publisher!.publish('n', i);
    await eventually(() => slot.info.dropped === 20, 'the first stall');
    expect(await takeData(slot, 10)).toEqual(numbers(10, 20));
    for (let i = 0; i < 12; i += 1) await publisher!.publish('n', i);
    await eventually(() => slot.info.messageCount === 12, 'twelve messages in a slot for ten');
    expect(slot.info.dropped).toBe(20);
    await eventually(() => slot.info.dropped === 22, 'the second stall');
    expect(subscriber!.stats().slots[0]).toMatchObject({
      drops: { overflow: 0, stalled: 22, expired: 0, lost: 0 },
    });
    expect(await takeData(slot, 10)).toEqual(numbers(10, 2));
  });

  it('that was read a little and then forgotten freezes nobody either', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * 1024 });
    const slot = await subscriber!.subscribe<number>('n', { capacity: 10, stallTimeout: 50 });
    const publishing = publishAll(publisher!, 'n', 20_000);
    await eventually(() => publisher!.stats().window.waiting === 1, 'a waiting publish');
    await slot.read();
    await publishing;
    expect(slot.info.dropped).toBe(19_989);
  });
});

function sum(events: EventLog): number {
  return events.of('gap').reduce((total, { missed }) => total + missed!, 0);
}
