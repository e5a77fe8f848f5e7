// The hosting process is suspended: it is replaced, and when it wakes it says nothing that is stale.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually } from '../support/waiting.js';

// a heartbeat of 3 s, 5 s without a handshake, and time for a machine that is busy with other tests
const REPLACED_WITHIN = 3_000 + 5_000 + 1_500;
/** Less than a gate waits for peers that do not come. */
const BACK_WITHIN = 1_500;

const highestEpoch = (directory: string): number =>
  Math.max(...readdirSync(join(directory, 'b-test')).map((name) => Number(/^e(\d+)$/.exec(name)?.[1] ?? 0)));

it('a suspended host is noticed, replaced within 5 s and the heartbeat, all back at once, and fenced when it wakes', async () => {
  const directory = busFolder();
  const host = await childPeer(directory, { hostThread: 'inline' });
  const own = await joinBus(directory, { hostThread: 'inline' });
  const guest = await childPeer(directory, { host: 'never' });
  const events = new EventLog(own);
  const { epoch } = own;
  const slot = await own.subscribe<string>('n', { capacity: 1_000 });
  // what it had in hand when it was suspended: it must not come from it after another one hosts
  await host.run(({ bus, kept }) => {
    kept.notes = [];
    void (async () => {
      for await (const event of bus.events()) kept.notes.push(event.type);
    })();
  });
  host.suspend();
  const start = performance.now();
  await own.publish('n', 'in flight');
  await eventually(() => highestEpoch(directory) > epoch, 'a pointer of another host');
  expect(performance.now() - start).toBeLessThan(REPLACED_WITHIN);
  const replacedAt = performance.now();
  await events.first('connected');
  await eventually(
    () => guest.run(({ bus }, epoch) => bus.state === 'connected' && bus.epoch > epoch, epoch),
    'the guest on the new host',
  );
  expect(performance.now() - replacedAt).toBeLessThan(BACK_WITHIN);
  expect(own.hosting).toBe(true);
  expect(own.epoch).toBeGreaterThan(epoch);
  await guest.run(({ bus }) => bus.publish('n', 'after', { confirm: true }));
  host.resume();
  await eventually(
    () => host.run(({ bus }, epoch) => bus.state === 'connected' && bus.epoch === epoch, own.epoch),
    'the woken host as a guest of its successor',
  );
  await host.run(({ bus }) => bus.publish('n', 'woken', { confirm: true }));
  const got: (string | undefined)[] = [];
  while (!got.includes('woken')) got.push((await slot.read({ timeout: 5_000 }))?.data);
  expect(got).toEqual(['in flight', 'after', 'woken']);
  expect(events.of('disconnected')).toHaveLength(1);
  await eventually(() => host.run(({ kept }) => kept.notes.includes('disconnected')));
}, 30_000);
