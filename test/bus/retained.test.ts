// Last values over real links and processes: who dies, who comes late, and what is the newest.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, take, takeData } from '../support/waiting.js';

const retainedFiles = (path: string): string[] =>
  readdirSync(join(path, 'state')).filter((name) => name.startsWith('r'));

describe('retained', () => {
  it('a late subscriber gets the last value first, marked', async () => {
    const [publisher, receiver] = await busOf(2);
    const early = await receiver!.subscribe<string>('config.*');
    await publisher!.publish('config.a', 'old', { retain: true });
    await publisher!.publish('config.a', 'current', { retain: true, headers: { by: 'test' } });
    await publisher!.publish('config.b', 'b', { retain: true, confirm: true });
    const late = await receiver!.subscribe<string>('config.*');
    await publisher!.publish('config.a', 'next');
    const marks = (await take(late, 3)).map(({ data, retained, headers }) => [data, retained, headers]);
    expect(marks).toEqual([
      ['current', true, { by: 'test' }],
      ['b', true, {}],
      ['next', false, {}],
    ]);
    expect((await take(early, 4)).map(({ retained }) => retained)).toEqual([false, false, false, false]);
    expect(late.info).toMatchObject({ messageCount: 0, dropped: 0, missed: 0 });
  });

  it('keeps sender, order and time of the message', async () => {
    const [publisher, receiver] = await busOf(2);
    const { order } = await publisher!.publish('a', 1, { retain: true, confirm: true });
    const [message] = await take(await receiver!.subscribe('a'), 1);
    expect(message).toMatchObject({ order, sender: publisher!.id });
    expect(Date.now() - message!.time.getTime()).toBeLessThan(60_000);
  });

  it('is left out with `retained: false`, and for members of groups', async () => {
    const [publisher, receiver] = await busOf(2);
    await publisher!.publish('a', 1, { retain: true, confirm: true });
    const slots = [
      await receiver!.subscribe('a', { retained: false }),
      await receiver!.subscribe('a', { group: 'g' }),
    ];
    await publisher!.publish('a', 2, { confirm: true });
    for (const slot of slots) expect(await takeData(slot, 1)).toEqual([2]);
  });

  it('publishing undefined clears it', async () => {
    const [publisher, receiver] = await busOf(2);
    const early = await receiver!.subscribe('a');
    await publisher!.publish('a', 1, { retain: true });
    await publisher!.publish('a', undefined, { retain: true, confirm: true });
    expect(await takeData(early, 2)).toEqual([1, undefined]);
    const late = await receiver!.subscribe('a');
    await publisher!.publish('a', 2, { confirm: true });
    expect(await takeData(late, 1)).toEqual([2]);
  });

  it('null, an empty text and empty bytes are values and clear nothing', async () => {
    const [publisher, receiver] = await busOf(2);
    const values = [null, '', new Uint8Array(0), 0, [undefined]];
    for (const [i, value] of values.entries()) {
      await publisher!.publish(`a.${i}`, 'old', { retain: true });
      await publisher!.publish(`a.${i}`, value, { retain: true, confirm: true });
    }
    expect(await takeData(await receiver!.subscribe('a.*'), values.length)).toStrictEqual(values);
  });

  it('goes beyond the capacity of a slot, and what follows waits for room', async () => {
    const [publisher, receiver] = await busOf(2);
    for (let i = 0; i < 20; i += 1) await publisher!.publish(`a.${i}`, i, { retain: true });
    await publisher!.publish('b', 0, { confirm: true });
    const slot = await receiver!.subscribe<number>('a.*', { capacity: 4 });
    await publisher!.publish('a.x', 20);
    await eventually(() => slot.info.messageCount === 21);
    expect(publisher!.stats().window.messages).toBe(1);
    expect(await takeData(slot, 21)).toEqual(Array.from({ length: 21 }, (_, i) => i));
    await eventually(() => publisher!.stats().window.messages === 0, 'settling');
  });

  it('survives the death of the host and of its publisher', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const bus = await joinBus(directory);
    const publisher = await childPeer(directory);
    await publisher.run(async ({ bus }) => {
      await bus.publish('a', 'old', { retain: true });
      await bus.publish('b', 'b', { retain: true });
      await bus.publish('a', 'last words', { retain: true, confirm: true });
    });
    await publisher.kill();
    await host.kill();
    const events = new EventLog(bus);
    await eventually(() => bus.state === 'connected' && bus.hosting, 'the take-over');
    const slot = await bus.subscribe('>');
    expect((await take(slot, 2)).map(({ subject, data, retained }) => [subject, data, retained])).toEqual([
      ['b', 'b', true],
      ['a', 'last words', true],
    ]);
    expect(events.of('gap')).toEqual([]);
    await eventually(() => retainedFiles(bus.directory).length === 1, 'the end of the old file');
    expect(retainedFiles(bus.directory)).toEqual([`r${bus.epoch}`]);
  });

  it('a resent old value never replaces a newer one', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const [holder, older, newer] = [
      await joinBus(directory),
      await joinBus(directory),
      await joinBus(directory),
    ];
    // full and unread: what it gets stays in the windows of its publishers, and is sent again
    const full = await holder.subscribe('a', { capacity: 1 });
    const marks = await newer.subscribe('b');
    await older.publish('a', 'filler');
    await older.publish('a', 'older', { retain: true });
    await eventually(() => full.info.messageCount === 2);
    await newer.publish('a', 'newer', { retain: true });
    await eventually(() => full.info.messageCount === 3);
    expect(older.stats().window.messages).toBeGreaterThan(0);
    await host.kill();
    const buses = [holder, older, newer];
    await eventually(() => buses.some(({ hosting }) => hosting), 'the take-over');
    await eventually(() => buses.every(({ state }) => state === 'connected'));
    await older.publish('b', 'behind what was sent again');
    await takeData(marks, 1);
    const late = await newer.subscribe('a');
    expect((await take(late, 1))[0]).toMatchObject({ data: 'newer', retained: true });
    await takeData(full, 3);
  });

  it('is gone when the last peer has left, and stays while one is there', async () => {
    const directory = busFolder();
    const first = await joinBus(directory);
    const { directory: folder } = first;
    await first.publish('a', 1, { retain: true, confirm: true });
    const second = await joinBus(directory);
    await first.close();
    expect(await takeData(await second.subscribe('a'), 1)).toEqual([1]);
    await second.close();
    expect(retainedFiles(folder)).toEqual([]);
    const third = await joinBus(directory);
    const slot = await third.subscribe('a');
    await third.publish('a', 'new', { confirm: true });
    expect(await takeData(slot, 1)).toEqual(['new']);
  });

  it('more than the host keeps is refused, to the caller or as an event', async () => {
    const [publisher] = await busOf(1);
    const events = new EventLog(publisher!);
    for (let i = 0; i < 4_096; i += 1) await publisher!.publish(`a.${i}`, i, { retain: true });
    await expect(publisher!.publish('b', 1, { retain: true, confirm: true })).rejects.toMatchObject({
      code: 'MAILSLOT_QUOTA_EXCEEDED',
      message: expect.stringMatching(/^publish: "b" was not taken: .*4096 values.*; clear some/),
    });
    await publisher!.publish('c', 1, { retain: true });
    expect((await events.first('publish-failed')).error).toMatchObject({ code: 'MAILSLOT_QUOTA_EXCEEDED' });
    await publisher!.publish('a.7', undefined, { retain: true });
    expect(await publisher!.publish('b', 1, { retain: true, confirm: true })).toMatchObject({ receivers: 0 });
  });

  it('for one peer only is refused', async () => {
    const [bus] = await busOf(1);
    await expect(bus!.publish('a', 1, { retain: true, to: bus!.id })).rejects.toMatchObject({
      code: 'MAILSLOT_INVALID_OPTION',
      message: expect.stringContaining('`retain` is true and `to` names a peer'),
    });
  });
});
