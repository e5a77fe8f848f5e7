// O2 over real links: who takes nothing holds nobody up. That they go on is shown here; how fast is measured by
// `npm run bench -- --only stalled`.
import type { Slot } from 'mailslot';
import { expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { takeData } from '../support/waiting.js';

const COUNT = 500;

it('O2: slots with a drop policy that are never read hold nobody up', async () => {
  const directory = busFolder();
  const publisher = await joinBus(directory, { windowBytes: 64 * 1024 });
  const healthy = await (await joinBus(directory)).subscribe<Uint8Array>('a.b', { capacity: COUNT });
  const unread = await childPeer(directory, { host: 'never' });
  await unread.run(async ({ bus, kept }) => {
    kept.notes = [];
    for (const overflow of ['drop-oldest', 'drop-newest', 'drop-incoming', 'conflate'] as const)
      kept.notes.push(await bus.subscribe('a.*', { overflow, capacity: 5 }));
  });
  // eight windows: it would not end if one of the unread slots held them
  for (let i = 0; i < COUNT; i += 1) await publisher.publish('a.b', new Uint8Array(1_000));
  expect((await publisher.publish('a.c', 'last', { confirm: true })).receivers).toBe(1);
  expect(await takeData(healthy, COUNT)).toHaveLength(COUNT);
  const counts = await unread.run(({ kept }) =>
    (kept.notes as Slot[]).map(({ info: { messageCount, dropped } }) => messageCount + dropped),
  );
  expect(counts).toEqual([COUNT + 1, COUNT + 1, COUNT + 1, COUNT + 1]);
});
