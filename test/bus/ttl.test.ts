// Messages with a time to live: judged when they are read, by the wall clock of the machine.
import { describe, expect, it } from 'vitest';
import { busOf } from '../support/scratch.js';
import { eventually, takeData } from '../support/waiting.js';

const later = (deadline: number) => eventually(() => Date.now() >= deadline, 'that time');

describe('ttl', () => {
  it('what was not read in time is never delivered, and counted', async () => {
    const [publisher, receiver] = await busOf(2);
    const slot = await receiver!.subscribe<string>('a');
    await publisher!.publish('a', 'short', { ttl: 20 });
    await publisher!.publish('a', 'short too', { ttl: 20 });
    await publisher!.publish('a', 'long', { ttl: 60_000 });
    await publisher!.publish('a', 'for ever', { confirm: true });
    expect(slot.info.maxMessageBytes).toBeGreaterThan(0);
    await later(Date.now() + 20);
    expect(slot.peek()?.data).toBe('long');
    expect(slot.info).toMatchObject({ messageCount: 2, expired: 2, dropped: 0, missed: 0 });
    expect(await takeData(slot, 2)).toEqual(['long', 'for ever']);
    expect(receiver!.stats().slots[0]).toMatchObject({ expired: 2, drops: { expired: 2, overflow: 0 } });
    expect(await slot.read({ timeout: 0 })).toBeUndefined();
  });

  it('counts from the call, whatever its process has done in the same turn before', async () => {
    const [publisher, receiver] = await busOf(2);
    const slot = await receiver!.subscribe<string>('a');
    void publisher!.publish('a', 'begun');
    const done = Date.now() + 1_500;
    while (Date.now() < done);
    await publisher!.publish('a', 'result', { ttl: 1_500, confirm: true });
    expect(await takeData(slot, 2)).toEqual(['begun', 'result']);
  });

  it('is over for who drains a slot, too, whoever finds that out', async () => {
    const [publisher, receiver] = await busOf(2);
    const slot = await receiver!.subscribe('a');
    await publisher!.publish('a', 1, { ttl: 20, confirm: true });
    const drained = slot.drain();
    await later(Date.now() + 20);
    expect(receiver!.stats().slots[0]).toMatchObject({ expired: 1 });
    await drained;
  });

  it('is delivered at once to who waits for it', async () => {
    const [publisher, receiver] = await busOf(2);
    const slot = await receiver!.subscribe<string>('a');
    const reading = slot.read();
    await publisher!.publish('a', 'now', { ttl: 60_000, headers: { kind: 'test' } });
    expect(await reading).toMatchObject({ data: 'now', headers: { kind: 'test' } });
  });

  it('makes room for those who wait: a publisher does not wait for messages that nobody will read', async () => {
    const [publisher, receiver] = await busOf(2);
    const slot = await receiver!.subscribe<number>('a', { capacity: 2 });
    for (let i = 0; i < 5; i += 1) await publisher!.publish('a', i, { ttl: 20 });
    const confirmed = publisher!.publish('a', 5, { confirm: true });
    await eventually(() => slot.info.expired === 5, 'their end');
    expect(await confirmed).toMatchObject({ receivers: 1 });
    expect(await takeData(slot, 1)).toEqual([5]);
  });

  it('of a last value: a late subscriber does not get it when it has expired', async () => {
    const [publisher, receiver] = await busOf(2);
    const early = await receiver!.subscribe<number>('a');
    await publisher!.publish('a', 1, { ttl: 20, retain: true });
    await publisher!.publish('b', 2, { ttl: 60_000, retain: true, confirm: true });
    await later(Date.now() + 20);
    expect(await takeData(await receiver!.subscribe('>'), 1)).toEqual([2]);
    expect(await early.read({ timeout: 0 })).toBeUndefined();
    expect(early.info.expired).toBe(1);
  });

  it('of iteration and batches: neither yields what has expired', async () => {
    const [publisher, receiver] = await busOf(2);
    const [one, two] = [await receiver!.subscribe<number>('a'), await receiver!.subscribe<number>('a')];
    await publisher!.publish('a', 1, { ttl: 20 });
    await publisher!.publish('a', 2, { confirm: true });
    await later(Date.now() + 20);
    for await (const { data } of one) {
      expect(data).toBe(2);
      break;
    }
    for await (const batch of two.batches()) {
      expect(batch.map(({ data }) => data)).toEqual([2]);
      break;
    }
  });

  it('makes room in a full slot before its policy drops anything', async () => {
    const [publisher, receiver] = await busOf(2);
    const slot = await receiver!.subscribe<number>('a', { capacity: 2, overflow: 'drop-oldest' });
    for (let i = 0; i < 2; i += 1) await publisher!.publish('a', i, { ttl: 20, confirm: true });
    await later(Date.now() + 20);
    await publisher!.publish('a', 2, { confirm: true });
    expect(slot.info).toMatchObject({ messageCount: 1, dropped: 0, expired: 2 });
  });
});
