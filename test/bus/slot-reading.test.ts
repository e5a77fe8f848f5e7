// The ways to read a slot, and how each of them ends.
import { type Bus, MailslotError, type Message, type Slot } from 'mailslot';
import { beforeEach, describe, expect, it } from 'vitest';
import { busOf } from '../support/scratch.js';
import { EventLog, eventually, isPending, takeData } from '../support/waiting.js';

let publisher: Bus;
let bus: Bus;

beforeEach(async () => {
  [publisher, bus] = (await busOf(2)) as [Bus, Bus];
});

/** Publishes 0, 1, 2 … on `n`; resolves when they are in every slot. */
async function publishNumbers(count: number): Promise<void> {
  for (let i = 0; i < count - 1; i += 1) await publisher.publish('n', i);
  if (count > 0) await publisher.publish('n', count - 1, { confirm: true });
}

function numbers(count: number, start = 0): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

describe('for await', () => {
  it('yields in order, and break closes the slot', async () => {
    const slot = await bus.subscribe<number>('n');
    await publishNumbers(10);
    const seen: number[] = [];
    for await (const { data } of slot) {
      seen.push(data);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(numbers(3));
    expect(slot.open).toBe(false);
    await expect(slot.read()).rejects.toMatchObject({ code: 'MAILSLOT_CLOSED' });
  });

  it('an error in the body closes the slot too', async () => {
    const slot = await bus.subscribe('n');
    await publishNumbers(1);
    const loop = (async () => {
      for await (const _ of slot) throw new Error('body');
    })();
    await expect(loop).rejects.toThrow('body');
    expect(slot.open).toBe(false);
  });

  it('ends when the slot is closed, also while it waits', async () => {
    const slot = await bus.subscribe('n');
    const loop = (async () => {
      for await (const _ of slot) return 'a message';
      return 'the end';
    })();
    expect(await isPending(loop)).toBe(true);
    await slot.close();
    expect(await loop).toBe('the end');
  });

  it('ends when the bus is closed', async () => {
    const slot = await bus.subscribe('n');
    const loop = (async () => {
      for await (const _ of slot) return 'a message';
      return 'the end';
    })();
    await bus.close();
    expect(await loop).toBe('the end');
  });

  it.each([
    ['for await', (slot: Slot) => slot[Symbol.asyncIterator]()],
    ['batches', (slot: Slot) => slot.batches()],
  ])('a second consumer (%s) is refused, and the first goes on', async (_, second) => {
    const slot = await bus.subscribe<number>('n');
    const first = slot[Symbol.asyncIterator]();
    expect(() => second(slot as Slot)).toThrow(
      expect.objectContaining({ code: 'MAILSLOT_INVALID_OPTION', name: 'MailslotError' }),
    );
    await expect(slot.consume(() => {})).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_OPTION' });
    await publishNumbers(1);
    expect((await first.next()).value?.data).toBe(0);
  });
});

describe('batches', () => {
  it('yield what is there at once, in order, and break closes the slot', async () => {
    const slot = await bus.subscribe<number>('n');
    await publishNumbers(500);
    const batches: number[][] = [];
    for await (const batch of slot.batches()) {
      batches.push(batch.map(({ data }) => data));
      if (batches.flat().length < 600) await publishNumbers(100);
      else break;
    }
    expect(batches).toEqual([numbers(500), numbers(100)]);
    expect(slot.open).toBe(false);
  });

  it.each([
    ['slot', (slot: Slot<number>) => slot.close()],
    ['bus', () => bus.close()],
  ])('end when the %s is closed, while they wait and while a batch is looked at', async (_, close) => {
    const [waiting, busy] = [await bus.subscribe<number>('wait'), await bus.subscribe<number>('n')];
    const [none, some] = [waiting.batches(), busy.batches()];
    const end = none.next();
    await publishNumbers(1);
    expect((await some.next()).value).toMatchObject([{ data: 0 }]);
    for (const slot of [waiting, busy]) await close(slot);
    expect(await Promise.all([end, some.next()])).toMatchObject([{ done: true }, { done: true }]);
  });

  it('messages kept from a batch stay readable', async () => {
    const slot = await bus.subscribe<string>('text');
    const kept: Message<string>[] = [];
    const publishing = (async () => {
      for (let i = 0; i < 3_000; i += 1) await publisher.publish('text', `${i} ${'x'.repeat(300)}`);
    })();
    for await (const batch of slot.batches()) {
      kept.push(...batch);
      if (kept.length === 3_000) break;
    }
    await publishing;
    expect(kept.every(({ data }, i) => data === `${i} ${'x'.repeat(300)}`)).toBe(true);
  });
});

describe('read', () => {
  it('without a time-out waits for ever', async () => {
    const slot = await bus.subscribe('n');
    const read = slot.read();
    expect(await isPending(read)).toBe(true);
    await publisher.publish('n', 'here');
    expect((await read)?.data).toBe('here');
  });

  it('with 0 polls', async () => {
    const slot = await bus.subscribe('n');
    expect(await slot.read({ timeout: 0 })).toBeUndefined();
    await publishNumbers(1);
    expect((await slot.read({ timeout: 0 }))?.data).toBe(0);
    expect(await slot.read({ timeout: 0 })).toBeUndefined();
  });

  it('with a time-out gives up, and what comes later is for the next reader', async () => {
    const slot = await bus.subscribe('n');
    expect(await slot.read({ timeout: 20 })).toBeUndefined();
    await publishNumbers(1);
    expect(await takeData(slot, 1)).toEqual([0]);
  });

  it('concurrent reads are served in the order of their calls', async () => {
    const slot = await bus.subscribe<number>('n');
    const reads = numbers(5).map(() => slot.read());
    await publishNumbers(5);
    expect((await Promise.all(reads)).map((message) => message?.data)).toEqual(numbers(5));
  });

  it('an aborted read leaves the queue of readers', async () => {
    const slot = await bus.subscribe<number>('n');
    const controller = new AbortController();
    const first = slot.read({ signal: controller.signal });
    const second = slot.read();
    controller.abort('enough');
    await expect(first).rejects.toBe('enough');
    await expect(slot.read({ signal: AbortSignal.abort('before') })).rejects.toBe('before');
    await publishNumbers(1);
    expect((await second)?.data).toBe(0);
  });

  it('rejects when the slot closes while it waits', async () => {
    const slot = await bus.subscribe('n');
    const reads = [slot.read(), slot.read({ timeout: 60_000 })];
    await slot.close();
    for (const read of reads) await expect(read).rejects.toMatchObject({ code: 'MAILSLOT_CLOSED' });
  });

  it('rejects when the bus closes while it waits', async () => {
    const slot = await bus.subscribe('n');
    const read = slot.read();
    void bus.close();
    await expect(read).rejects.toMatchObject({ code: 'MAILSLOT_CLOSED' });
  });
});

describe('peek and info', () => {
  it('look without taking', async () => {
    const slot = await bus.subscribe<number>('n', { capacity: 7 });
    expect(slot.peek()).toBeUndefined();
    expect(slot.info).toEqual({
      messageCount: 0,
      nextBytes: undefined,
      maxMessageBytes: 16 * 1024 * 1024,
      capacity: 7,
      dropped: 0,
      missed: 0,
      unknownGaps: 0,
      expired: 0,
    });
    await publishNumbers(3);
    expect(slot.peek()?.data).toBe(0);
    expect(slot.peek()?.data).toBe(0);
    expect(slot.info.messageCount).toBe(3);
    expect(slot.info.nextBytes).toBeGreaterThan(50);
    expect(await takeData(slot, 3)).toEqual(numbers(3));
  });
});

it('info tells the size of the next message and the maximum', async () => {
  const [sender, receiver] = await busOf(2, { maxMessageBytes: 4_096 });
  const slot = await receiver!.subscribe<Uint8Array>('bytes');
  const sizes = [200, 0, 3_000, 100];
  for (const size of sizes) await sender!.publish('bytes', new Uint8Array(size), { confirm: true });
  const next: number[] = [];
  for (const _ of sizes) {
    next.push(slot.info.nextBytes!);
    await slot.read();
  }
  expect(slot.info).toMatchObject({ nextBytes: undefined, maxMessageBytes: 4_096 });
  const lengths = sizes.map((size) => (size < 24 ? 1 : size < 256 ? 2 : 3) + size);
  expect(next.map((bytes) => bytes - next[1]!)).toEqual(lengths.map((length) => length - lengths[1]!));
});

describe('consume', () => {
  it('runs one handler at a time, in order, until the slot closes', async () => {
    const slot = await bus.subscribe<number>('n');
    const seen: number[] = [];
    let running = 0;
    let most = 0;
    const consuming = slot.consume(async ({ data }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(data);
      running -= 1;
    });
    await publishNumbers(50);
    await eventually(() => seen.length === 50);
    await slot.close();
    await consuming;
    expect(seen).toEqual(numbers(50));
    expect(most).toBe(1);
  });

  it('runs as many handlers side by side as it is told', async () => {
    const slot = await bus.subscribe<number>('n');
    let running = 0;
    let most = 0;
    let done = 0;
    const gates: (() => void)[] = [];
    const consuming = slot.consume(
      async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => gates.push(resolve));
        running -= 1;
        done += 1;
      },
      { concurrency: 4 },
    );
    await publishNumbers(20);
    await eventually(() => running === 4, 'four handlers');
    await eventually(() => {
      gates.shift()?.();
      return done === 20;
    });
    expect(most).toBe(4);
    await slot.close();
    await consuming;
  });

  it.each([1, 4])('with concurrency %i a throwing handler rejects it', async (concurrency) => {
    const slot = await bus.subscribe<number>('n');
    const consuming = slot.consume(
      ({ data }) => {
        if (data === 2) throw new Error('two');
      },
      { concurrency },
    );
    const outcome = expect(consuming).rejects.toThrow('two');
    for (let i = 0; i < 10; i += 1) await publisher.publish('n', i);
    await outcome;
  });

  it('whose handler throws is over at once, and takes no message that no handler would see', async () => {
    const slot = await bus.subscribe<number>('n');
    const events = new EventLog(bus);
    const seen: number[] = [];
    let fail: (() => void) | undefined;
    const handler = async ({ data }: Message<number>): Promise<void> => {
      seen.push(data);
      if (data === 0) await new Promise<void>((_resolve, reject) => (fail = () => reject(new Error('zero'))));
    };
    const consuming = slot.consume(handler, { concurrency: 2 });
    await publishNumbers(2);
    await eventually(() => seen.length === 2, 'both messages');
    fail?.();
    await expect(consuming).rejects.toThrow('zero');
    expect(slot.open).toBe(false);
    expect(await events.first('slot-closed')).toMatchObject({ unread: 0 });
    expect(seen).toEqual([0, 1]);
  });
});

describe('subscribe with a handler', () => {
  it('goes on after the handler threw, and says so', async () => {
    const events = new EventLog(bus);
    const seen: number[] = [];
    const slot = await bus.subscribe<number>('n', ({ data }) => {
      if (data % 2 === 1) throw new Error(`odd ${data}`);
      seen.push(data);
    });
    await publishNumbers(6);
    await eventually(() => seen.length === 3);
    expect(seen).toEqual([0, 2, 4]);
    await eventually(() => events.of('handler-failed').length === 3);
    const [first] = events.of('handler-failed');
    expect(first).toMatchObject({ pattern: 'n', error: new Error('odd 1') });
    expect(slot.open).toBe(true);
  });

  it('takes options behind the handler', async () => {
    const slot = await bus.subscribe('n', () => {}, { capacity: 3 });
    expect(slot.info.capacity).toBe(3);
  });
});

describe('closing', () => {
  it('tells how many messages were not read', async () => {
    const events = new EventLog(bus);
    const slot = await bus.subscribe('n');
    await publishNumbers(5);
    await slot.read();
    expect(await slot.close()).toEqual({ unread: 4 });
    expect(await slot.close()).toEqual({ unread: 0 });
    expect(await events.first('slot-closed')).toMatchObject({ pattern: 'n', unread: 4 });
    expect(slot.peek()).toBeUndefined();
  });

  it('the event says as much when a loop is left', async () => {
    const events = new EventLog(bus);
    const slot = await bus.subscribe<number>('n');
    await publishNumbers(5);
    for await (const { data } of slot) if (data === 1) break;
    expect(await events.first('slot-closed')).toMatchObject({ pattern: 'n', unread: 3 });
  });

  it('a signal closes the slot', async () => {
    const controller = new AbortController();
    const slot = await bus.subscribe('n', { signal: controller.signal });
    controller.abort();
    await eventually(() => !slot.open);
    await expect(bus.subscribe('n', { signal: AbortSignal.abort('no') })).rejects.toBe('no');
  });

  it('disposing closes', async () => {
    const slot = await bus.subscribe('n');
    await slot[Symbol.asyncDispose]();
    expect(slot.open).toBe(false);
  });

  it('drain takes nothing new and resolves when the rest was read', async () => {
    const slot = await bus.subscribe<number>('n');
    await publishNumbers(3);
    const drained = slot.drain();
    await publisher.publish('n', 'late', { confirm: true });
    expect(await isPending(drained)).toBe(true);
    const seen: number[] = [];
    for await (const { data } of slot) seen.push(data);
    await drained;
    expect(seen).toEqual(numbers(3));
    expect(slot.open).toBe(false);
  });

  it('draining an empty slot closes it at once', async () => {
    const slot = await bus.subscribe('n');
    await slot.drain();
    expect(slot.open).toBe(false);
    expect(MailslotError.is(await slot.read().catch((error: unknown) => error), 'MAILSLOT_CLOSED')).toBe(
      true,
    );
  });
});
