// A confirmed publish resolves when every receiver has taken the message, and tells how many they were.
import type { Bus, Receipt, SubscribeOptions } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { type ChildPeer, type ChildTools, childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, isPending, take, takeData } from '../support/waiting.js';

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

describe('receivers are those who have taken the message', () => {
  /** Processes with a slot of one place that is taken, and so a message that waits outside of it. */
  async function fullPeers(
    count: number,
    options: SubscribeOptions = {},
  ): Promise<{ bus: Bus; full: ChildPeer[]; pending: Promise<Receipt> }> {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const full = await Promise.all(Array.from({ length: count }, () => childPeer(directory)));
    for (const child of full) {
      await child.run(async ({ bus, kept }, options) => {
        kept.slot = await bus.subscribe('jobs', { ...options, capacity: 1 });
      }, options);
    }
    const firsts = options.group === undefined ? 1 : count;
    for (let i = 0; i < firsts; i += 1) await bus.publish('jobs', 'first', { confirm: true });
    const pending = bus.publish('jobs', 'the last', { confirm: true });
    return { bus, full, pending };
  }

  const unread = (child: ChildPeer): Promise<number> => child.run(({ kept }) => kept.slot.info.messageCount);

  it('one that is killed before is none', async () => {
    const { full, pending } = await fullPeers(1);
    await eventually(async () => (await unread(full[0]!)) === 2, 'both messages');
    expect(await isPending(pending)).toBe(true);
    await full[0]!.kill();
    expect((await pending).receivers).toBe(0);
  });

  it('of several the killed ones are missing, and so is one that was suspended and killed', async () => {
    const { bus, full, pending } = await fullPeers(3);
    const [killed, suspended, idle] = full as [ChildPeer, ChildPeer, ChildPeer];
    const own = await bus.subscribe('jobs', { capacity: 10 });
    for (const child of full) await eventually(async () => (await unread(child)) === 2, 'both messages');
    suspended.suspend();
    const later = bus.publish('jobs', 'after', { confirm: true });
    await idle.run(async ({ kept }) => void (await kept.slot.read()));
    await killed.kill();
    expect(await isPending(pending)).toBe(true);
    await suspended.kill();
    // the idle one has taken the last message, and not the one after it
    expect((await pending).receivers).toBe(1);
    expect(await isPending(later)).toBe(true);
    await idle.kill();
    expect((await later).receivers).toBe(1);
    expect(await takeData(own, 1)).toEqual(['after']);
  });

  it('of a group it is the member that has the message in the end', async () => {
    const { bus, full, pending } = await fullPeers(2, { group: 'g' });
    const holder = await eventually(async () => {
      for (const child of full) if ((await unread(child)) === 2) return child;
      return undefined;
    }, 'the last message');
    await holder.kill();
    const [other] = full.filter((child) => child !== holder) as [ChildPeer];
    await eventually(async () => (await unread(other)) === 2, 'what the dead one had');
    expect(await isPending(pending)).toBe(true);
    await other.run(async ({ kept }) => void (await kept.slot.read()));
    expect((await pending).receivers).toBe(1);
    const last = bus.publish('jobs', 'nobody takes this', { confirm: true });
    await eventually(async () => (await unread(other)) === 2, 'one more');
    await other.kill();
    expect((await last).receivers).toBe(0);
  });

  it('after a take-over they are those of the new host, without whom died with the old one', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const bus = await joinBus(directory);
    const full = await childPeer(directory, { host: 'never' });
    const subscribe = async ({ bus, kept }: ChildTools): Promise<void> => {
      kept.slot = await bus.subscribe('jobs', { capacity: 1 });
    };
    for (const child of [host, full]) await child.run(subscribe);
    await bus.publish('jobs', 'first', { confirm: true });
    const pending = bus.publish('jobs', 'last', { confirm: true });
    for (const child of [host, full]) await eventually(async () => (await unread(child)) === 2);
    const events = new EventLog(bus);
    await bus.peers();
    await host.kill();
    await events.first('connected');
    expect(await isPending(pending)).toBe(true);
    await full.run(async ({ kept }) => void (await kept.slot.read()));
    expect((await pending).receivers).toBe(1);
  });
});
