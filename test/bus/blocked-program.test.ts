// The host has a thread of its own: a hosting program that computes does not hold up the others.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { eventually, take, takeData } from '../support/waiting.js';

describe('a hosting program that blocks its main thread for 3 s', () => {
  it('does not delay messages and queries between two other processes', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    expect(await host.run(({ bus }) => bus.hosting)).toBe(true);
    const publisher = await childPeer(directory);
    await publisher.run(({ bus }) => bus.respond('sum', ({ data }) => (data as number) + 1));
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<number>('n');

    const order: string[] = [];
    const mark = join(directory, 'blocking');
    const blocked = host
      .run((_, mark) => {
        process.getBuiltinModule('node:fs').writeFileSync(mark, '');
        const end = Date.now() + 3_000;
        while (Date.now() < end);
      }, mark)
      .then(() => order.push('unblocked'));
    await eventually(() => existsSync(mark), 'the blocking');
    const published = publisher.run(async ({ bus }) => {
      for (let i = 0; i < 1_000; i += 1) await bus.publish('n', i);
    });
    expect(await takeData(slot, 1_000)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    expect((await bus.query('sum', 41)).data).toBe(42);
    await bus.publish('n', 1_000, { confirm: true });
    order.push('everything done');
    await Promise.all([blocked, published]);
    expect(order).toEqual(['everything done', 'unblocked']);
    await take(slot, 1);
  });
});

describe.each(['worker', 'inline'] as const)('hostThread: %s', (hostThread) => {
  it('carries a bus', async () => {
    const directory = busFolder();
    const host = await joinBus(directory, { hostThread });
    const guest = await joinBus(directory, { host: 'never' });
    expect([host.hosting, guest.hosting]).toEqual([true, false]);
    expect(guest.epoch).toBe(host.epoch);
    const slot = await guest.subscribe('a');
    await guest.respond('q', ({ data }) => data);
    expect((await host.publish('a', 1, { confirm: true })).receivers).toBe(1);
    expect(await takeData(slot, 1)).toEqual([1]);
    expect((await host.query('q', 'there and back')).data).toBe('there and back');
  });
});
