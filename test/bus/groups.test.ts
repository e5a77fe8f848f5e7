// Groups over real links: processes share messages, and what one of them leaves behind another one gets.
import type { Message, Slot, SlotInfo } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { eventually, take, takeData } from '../support/waiting.js';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const sorted = (numbers: number[]): number[] => [...numbers].sort((a, b) => a - b);

/** Everything that is in a slot now. */
async function takeAll<T>(slot: Slot<T>): Promise<Message<T>[]> {
  return take(slot, slot.info.messageCount);
}

/** Waits until two members have so many messages; resolves to the info of the first one. */
async function shared<T>(one: Slot<T>, other: Slot<T>, count: number): Promise<SlotInfo> {
  await eventually(() => one.info.messageCount + other.info.messageCount === count, 'all messages');
  expect(one.info.messageCount).toBeGreaterThan(1);
  return one.info;
}

describe('groups', () => {
  it('each message goes to exactly one member, over processes', async () => {
    const directory = busFolder();
    const publisher = await joinBus(directory);
    const workers = await Promise.all([childPeer(directory), childPeer(directory)]);
    for (const worker of workers) {
      await worker.run(async ({ bus, kept }) => {
        kept.slot = await bus.subscribe('job.*', { group: 'workers', capacity: 10_000 });
      });
    }
    for (let i = 0; i < 2_999; i += 1) await publisher.publish(`job.${i % 7}`, i);
    const { receivers } = await publisher.publish('job.last', 2_999, { confirm: true });
    expect(receivers).toBe(1);
    const shares = await Promise.all(
      workers.map((worker) =>
        worker.run(async ({ kept }) => {
          const share: unknown[] = [];
          for (let left = kept.slot.info.messageCount; left > 0; left -= 1)
            share.push((await kept.slot.read())!.data);
          return share as number[];
        }),
      ),
    );
    expect(sorted(shares.flat())).toEqual(upTo(3_000));
    for (const share of shares) {
      expect(share.length).toBeGreaterThan(300);
      expect(share).toEqual(sorted(share));
    }
  });

  it('the member with the fewest unacknowledged messages gets the next one', async () => {
    const directory = busFolder();
    const [publisher, other] = [await joinBus(directory), await joinBus(directory)];
    const busy = await childPeer(directory);
    await busy.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('job', { group: 'g', capacity: 1 });
    });
    await publisher.publish('job', 'taken', { confirm: true });
    await publisher.publish('job', 'waits for room');
    await eventually(() => busy.run(({ kept }) => kept.slot.info.messageCount === 2), 'both messages');
    const idle = await joinBus(directory);
    const slot = await idle.subscribe<number>('job', { group: 'g' });
    for (let i = 0; i < 20; i += 1) await other.publish('job', i, { confirm: true });
    expect(await takeData(slot, 20)).toEqual(upTo(20));
    expect(await busy.run(({ kept }) => kept.slot.info.messageCount)).toBe(2);
  });

  it('the untaken messages of a member that is killed go to another one, marked redelivered', async () => {
    const directory = busFolder();
    const publisher = await joinBus(directory);
    const other = await joinBus(directory);
    const doomed = await childPeer(directory);
    await doomed.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('job', { group: 'g', capacity: 10 });
    });
    const slot = await other.subscribe<number>('job', { group: 'g', capacity: 10_000 });
    for (let i = 0; i < 200; i += 1) await publisher.publish('job', i);
    const waiting = () => doomed.run(({ kept }) => kept.slot.info.messageCount);
    await eventually(async () => (await waiting()) + slot.info.messageCount === 200, 'all messages');
    const share = await waiting();
    // what is inside its capacity is taken, and acknowledged soon
    await eventually(() => publisher.stats().window.messages < 190, 'an acknowledgement');
    await doomed.kill();
    await eventually(() => publisher.stats().window.messages === 0, 'settling');
    const messages = await takeAll(slot);
    const again = messages.filter(({ redelivered }) => redelivered).map(({ data }) => data);
    const first = messages.filter(({ redelivered }) => !redelivered).map(({ data }) => data);
    expect(share).toBeGreaterThan(50);
    expect([first.length, again.length]).toEqual([200 - share, share - 10]);
    expect(again).toEqual(sorted(again));
    expect(new Set([...first, ...again]).size).toBe(190);
  });

  it('a group and a plain slot of one process both get the message, in one frame', async () => {
    const [publisher, receiver] = await busOf(2);
    const plain = await receiver!.subscribe<number>('a.*');
    const grouped = await receiver!.subscribe<number>('a.b', { group: 'g' });
    const second = await receiver!.subscribe<number>('a.b', { group: 'h' });
    for (let i = 0; i < 9; i += 1) await publisher!.publish('a.b', i);
    expect(await publisher!.publish('a.b', 9, { confirm: true })).toMatchObject({ receivers: 1 });
    for (const slot of [plain, grouped, second]) expect(await takeData(slot, 10)).toEqual(upTo(10));
    expect(receiver!.stats().received).toMatchObject({ messages: 10, duplicates: 0 });
  });

  it('two members in one process share the messages', async () => {
    const [publisher, receiver] = await busOf(2);
    const members = [
      await receiver!.subscribe<number>('a', { group: 'g' }),
      await receiver!.subscribe<number>('a', { group: 'g' }),
    ];
    for (let i = 0; i < 100; i += 1) await publisher!.publish('a', i);
    await publisher!.publish('a', 100, { confirm: true });
    const shares = await Promise.all(
      members.map(async (slot) => (await takeAll(slot)).map(({ data }) => data)),
    );
    for (const share of shares) expect(share.length).toBeGreaterThan(25);
    expect(sorted(shares.flat())).toEqual(upTo(101));
  });

  it.each([
    ['closes its slot', (slot: Slot<number>) => slot.close()],
    ['closes its bus', (_slot: Slot<number>, bus: { close(): Promise<void> }) => bus.close()],
  ])('a member that %s leaves what it has not taken to another one, and only that', async (_, leave) => {
    const [publisher, first, second] = await busOf(3);
    const leaving = await first!.subscribe<number>('a', { group: 'g', capacity: 5 });
    const staying = await second!.subscribe<number>('a', { group: 'g' });
    for (let i = 0; i < 40; i += 1) await publisher!.publish('a', i);
    const { messageCount: share } = await shared(leaving, staying, 40);
    const read = await takeData(leaving, 3);
    await leave(leaving, first!);
    await eventually(() => staying.info.messageCount === 32, 'the rest');
    const messages = await takeAll(staying);
    const again = messages.filter(({ redelivered }) => redelivered).map(({ data }) => data);
    expect(again).toHaveLength(share - 8);
    expect(again.some((data) => read.includes(data))).toBe(false);
    await publisher!.publish('a', 40, { confirm: true });
  });

  it('a member that drains reads what it has, and nobody else gets that', async () => {
    const [publisher, first, second] = await busOf(3);
    const draining = await first!.subscribe<number>('a', { group: 'g', capacity: 5 });
    const staying = await second!.subscribe<number>('a', { group: 'g' });
    for (let i = 0; i < 40; i += 1) await publisher!.publish('a', i);
    const { messageCount: share } = await shared(draining, staying, 40);
    const drained = draining.drain();
    await takeData(draining, share);
    await drained;
    expect(await publisher!.publish('a', 40, { confirm: true })).toMatchObject({ receivers: 1 });
    expect(staying.info.messageCount).toBe(41 - share);
  });

  it('a redelivered message that has to wait for room is not acknowledged before it is taken', async () => {
    const [publisher, first, second] = await busOf(3);
    const leaving = await first!.subscribe<number>('a', { group: 'g', capacity: 1 });
    const full = await second!.subscribe<number>('a', { group: 'g', capacity: 1 });
    for (let i = 0; i < 8; i += 1) await publisher!.publish('a', i);
    const { messageCount: share } = await shared(leaving, full, 8);
    await leaving.close();
    await eventually(() => full.info.messageCount === 7, 'what it left');
    expect(publisher!.stats().window.messages).toBeGreaterThan(0);
    expect((await take(full, 7)).map(({ redelivered }) => redelivered)).toEqual([
      ...Array(8 - share).fill(false),
      ...Array(share - 1).fill(true),
    ]);
    await eventually(() => publisher!.stats().window.messages === 0, 'settling');
  });

  it('what was in a window when the host died is delivered again, marked redelivered', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const publisher = await joinBus(directory);
    const slot = await publisher.subscribe<number>('a', { group: 'g', capacity: 1 });
    const plain = await publisher.subscribe<number>('a', { capacity: 100 });
    for (let i = 0; i < 10; i += 1) await publisher.publish('a', i);
    await eventually(() => slot.info.messageCount === 10);
    await host.kill();
    await publisher.publish('a', 10);
    await eventually(() => plain.info.messageCount === 11, 'the message after the take-over');
    const messages = await takeAll(slot);
    const [old, again] = [messages.slice(0, 10), messages.slice(10)];
    expect(old.map(({ data, redelivered }) => [data, redelivered])).toEqual(
      upTo(10).map((data) => [data, false]),
    );
    expect(again.at(-1)).toMatchObject({ data: 10 });
    expect(again.slice(0, -1).every(({ redelivered }) => redelivered)).toBe(true);
    expect(await takeData(plain, 11)).toEqual(upTo(11));
    await eventually(() => publisher.stats().window.messages === 0, 'settling');
  });
});
