// R9, short form: subscribing resolves when the host delivers, and from the first message on nothing is missing.
import { expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { take, takeData } from '../support/waiting.js';

it('what is published after subscribe() resolved arrives, every time', async () => {
  const directory = busFolder();
  const bus = await joinBus(directory);
  const child = await childPeer(directory);
  await child.run(({ bus }) => bus.respond('say', ({ data }) => bus.publish('said', data)));
  for (let i = 0; i < 50; i += 1) {
    const slot = await bus.subscribe<number>('said');
    await bus.query('say', i);
    expect(await takeData(slot, 1)).toEqual([i]);
    await slot.close();
  }
});

it('subscribe() resolves only when the host delivers, however much is queued before its request', async () => {
  const [publisher, bus] = await busOf(2);
  for (let i = 0; i < 10; i += 1) {
    void bus!.publish('noise', new Uint8Array(3_000_000));
    const slot = await bus!.subscribe('said');
    expect((await publisher!.publish('said', i, { confirm: true })).receivers).toBe(1);
    expect(await takeData(slot, 1)).toEqual([i]);
    await slot.close();
  }
});

it('a subscriber that joins under load gets a contiguous sequence', async () => {
  const directory = busFolder();
  await joinBus(directory);
  const publisher = await childPeer(directory);
  await publisher.run(({ bus, kept }) => {
    kept.stop = false;
    kept.pending = (async () => {
      for (let i = 0; !kept.stop; i += 1) {
        await bus.publish('stream', i);
        if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
  });
  for (let round = 0; round < 5; round += 1) {
    const late = await joinBus(directory);
    const slot = await late.subscribe<number>('stream');
    const messages = await take(slot, 2_000);
    const first = messages[0]!.data;
    expect(messages.map(({ data }) => data - first)).toEqual(Array.from({ length: 2_000 }, (_, i) => i));
    await late.close();
  }
  await publisher.run(async ({ kept }) => {
    kept.stop = true;
    await kept.pending;
  });
});
