// A confirmed publish resolves when every receiver has taken the message, and tells how many they were.
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { eventually, isPending, take, takeData } from '../support/waiting.js';

describe('confirm', () => {
  it('tells that nobody listens', async () => {
    const [bus] = await busOf(1);
    const receipt = await bus!.publish('void', 1, { confirm: true });
    expect(receipt.receivers).toBe(0);
    expect(Number.isSafeInteger(receipt.order)).toBe(true);
  });

  it('counts peers, not slots, and names the order that they see', async () => {
    const [publisher, one, two, bystander] = await busOf(4);
    const slots = [await one!.subscribe('a.*'), await one!.subscribe('a.b'), await two!.subscribe('a.b')];
    await bystander!.subscribe('other');
    const receipt = await publisher!.publish('a.b', 1, { confirm: true });
    expect(receipt.receivers).toBe(2);
    for (const slot of slots) expect((await take(slot, 1))[0]!.order).toBe(receipt.order);
  });

  it('waits until a full slot has taken the message', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('jobs', { capacity: 2 });
    await publisher!.publish('jobs', 1);
    await publisher!.publish('jobs', 2, { confirm: true });
    const third = publisher!.publish('jobs', 3, { confirm: true });
    await eventually(() => slot.info.messageCount === 3, 'the third message in the slot');
    // one more round trip on the same two links: a wrong acknowledgement would have come by now
    await subscriber!.respond('ping', () => 'pong');
    await publisher!.query('ping');
    expect(await isPending(third)).toBe(true);
    expect(await takeData(slot, 1)).toEqual([1]);
    expect((await third).receivers).toBe(1);
    expect(await takeData(slot, 2)).toEqual([2, 3]);
  });

  it('resolves after all earlier messages of the same publisher', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('a', { capacity: 10_000 });
    for (let i = 0; i < 3_000; i += 1) void publisher!.publish('a', i);
    await publisher!.publish('b', 'unheard', { confirm: true });
    expect(slot.info.messageCount).toBe(3_000);
  });

  it('many confirms at once each get their own receipt', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('a', { capacity: 2_000 });
    const receipts = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => publisher!.publish('a', i, { confirm: true })),
    );
    const messages = await take(slot, 1_000);
    expect(receipts.map(({ order }) => order)).toEqual(messages.map(({ order }) => order));
    expect(receipts.every(({ receivers }) => receivers === 1)).toBe(true);
  });

  it('is over when the last receiver dies without having taken the message', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('jobs', { capacity: 1 });
    });
    await bus.publish('jobs', 1, { confirm: true });
    const confirm = bus.publish('jobs', 2, { confirm: true });
    await child.run(({ bus }) => bus.peers());
    expect(await isPending(confirm)).toBe(true);
    await child.kill();
    expect((await confirm).receivers).toBe(1);
  });

  it('can be given up', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe<number>('jobs', { capacity: 1 });
    await publisher!.publish('jobs', 1, { confirm: true });
    const controller = new AbortController();
    const confirm = publisher!.publish('jobs', 2, { confirm: true, signal: controller.signal });
    controller.abort('enough');
    await expect(confirm).rejects.toBe('enough');
    // the message itself was admitted and arrives
    expect(await takeData(slot, 2)).toEqual([1, 2]);
  });

  it('rejects at once for a signal that is aborted already, and sends nothing', async () => {
    const [bus] = await busOf(1);
    const signal = AbortSignal.abort('no');
    await expect(bus!.publish('a', 1, { signal })).rejects.toBe('no');
    expect(bus!.stats().published.messages).toBe(0);
  });
});
