// Messages published in a row share frames. Nobody notices: order, limits, overflow, gaps, confirms and take-overs
// are those of single messages.
import { describe, expect, it } from 'vitest';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, takeData } from '../support/waiting.js';

function numbers(count: number, start = 0): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

describe('messages published in a row', () => {
  it('arrive one by one, in order, with rising orders, whatever is between them', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('>', { capacity: 10_000 });
    const sent: unknown[] = [];
    const publish = (subject: string, data: unknown, options?: object) => {
      sent.push([subject, data]);
      return publisher!.publish(subject, data, options);
    };
    for (let i = 0; i < 1_000; i += 1) {
      void publish('a', i);
      if (i % 7 === 0) void publish('b.c', { deep: [i, 'x'.repeat(i)] });
      if (i % 50 === 0) void publish('a', new Uint8Array(i * 10), { headers: { n: `${i}` } });
      if (i % 100 === 0) await publish('a', 'confirmed', { confirm: true });
    }
    let order = 0;
    for (const expected of sent) {
      const message = await slot.read({ timeout: 10_000 });
      expect([message!.subject, message!.data]).toEqual(expected);
      expect(message!.order).toBeGreaterThan(order);
      expect(message!.sender).toBe(publisher!.id);
      order = message!.order;
    }
    await eventually(() => publisher!.stats().window.messages === 0);
  });

  it('fill slots of different capacities independently', async () => {
    const [publisher, subscriber] = await busOf(2);
    const all = await subscriber!.subscribe<number>('n', { capacity: 5_000 });
    const last = await subscriber!.subscribe<number>('n', {
      capacity: 3,
      overflow: 'drop-oldest',
      gaps: true,
    });
    for (let i = 0; i < 1_000; i += 1) void publisher!.publish('n', i);
    await publisher!.publish('n', 1_000, { confirm: true });
    expect(await takeData(all, 1_001)).toEqual(numbers(1_001));
    expect(await last.read()).toEqual({ gap: { missed: 998 } });
    expect(last.info).toMatchObject({ messageCount: 3, dropped: 998, missed: 998 });
    expect(last.peek()!.data).toBe(998);
    expect(await takeData(last as never, 3)).toEqual(numbers(3, 998));
    expect(last.info).toMatchObject({ messageCount: 0, nextBytes: undefined });
  });

  it('wait for room by bytes as single messages do', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<Uint8Array>('n', { capacityBytes: 10_000 });
    const sizes = Array.from({ length: 50 }, (_, i) => 100 + i * 10);
    for (const size of sizes.slice(0, -1)) void publisher!.publish('n', new Uint8Array(size));
    const receipt = publisher!.publish('n', new Uint8Array(sizes.at(-1)!), { confirm: true });
    await eventually(() => slot.info.messageCount === sizes.length);
    expect((await takeData(slot, 49)).map((data) => data.length)).toEqual(sizes.slice(0, 49));
    expect((await receipt).receivers).toBe(1);
    expect((await takeData(slot, 1))[0]!.length).toBe(590);
  });

  it('that are too large for the receiver cost a gap each, and their neighbours arrive', async () => {
    const directory = busFolder();
    const publisher = await joinBus(directory);
    const subscriber = await joinBus(directory, { maxMessageBytes: 1_024 });
    const log = new EventLog(subscriber);
    const slot = await subscriber.subscribe<Uint8Array>('n', { gaps: true });
    for (const size of [10, 2_000, 20, 3_000, 30]) void publisher.publish('n', new Uint8Array(size));
    const items = [];
    for (let i = 0; i < 5; i += 1) items.push(await slot.read({ timeout: 10_000 }));
    const shown = items.map((item) => ('gap' in item! ? item.gap.missed : item!.data.length));
    expect(shown).toEqual([10, 1, 20, 1, 30]);
    await eventually(() => log.of('gap').length === 2);
    expect(log.of('gap')[0]).toMatchObject({ missed: 1, sender: publisher.id });
  });

  it('that were read and kept stay what they were when their memory is used again', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<string>('n', { capacity: 100_000 });
    const kept = [];
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 2_000; i += 1) void publisher!.publish('n', `${round}/${i}`);
      await publisher!.publish('n', `${round}/2000`, { confirm: true });
      for (let i = 0; i <= 2_000; i += 1) {
        const message = await slot.read({ timeout: 10_000 });
        if (i % 100 === 0) kept.push({ message, text: `${round}/${i}`, order: message!.order });
      }
    }
    for (const { message, text, order } of kept)
      expect([message!.data, message!.order]).toEqual([text, order]);
  });

  it('are closed over without a trace: what was unread is counted', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('n');
    for (let i = 0; i < 99; i += 1) void publisher!.publish('n', i);
    await publisher!.publish('n', 99, { confirm: true });
    expect(await takeData(slot, 10)).toEqual(numbers(10));
    expect(slot.peek()!.data).toBe(10);
    expect(await slot.close()).toEqual({ unread: 90 });
  });
});
