// The host's process leaves, politely or not: another one takes over, and the bus goes on.
import { expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually, takeData } from '../support/waiting.js';

it.each(['close', 'kill -9'])(
  'after %s of the hosting process another one hosts, and all goes on',
  async (how) => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const other = await childPeer(directory, { host: 'never' });
    const events = new EventLog(bus);
    const slot = await bus.subscribe<number>('n');
    await other.run(async ({ bus }) => {
      await bus.respond('add', ({ data }) => (data as number) + 1);
      await bus.publish('n', 1, { confirm: true });
    });
    expect(await takeData(slot, 1)).toEqual([1]);
    const epoch = bus.epoch;
    if (how === 'close') await host.run(({ bus }) => bus.close());
    else await host.kill();
    await events.first('connected');
    expect(bus.hosting).toBe(true);
    expect(bus.epoch).toBeGreaterThan(epoch);
    await other.run(({ bus }) => bus.publish('n', 2, { confirm: true }));
    expect(await takeData(slot, 1)).toEqual([2]);
    const answer = await eventually(() => bus.query('add', 41).catch(() => undefined), 'the answer');
    expect(answer.data).toBe(42);
    expect(bus.stats().reconnects).toBe(1);
    await bus.close();
    await events.ended;
    const types = events.types.filter((type) => !type.startsWith('peer-'));
    expect(types).toEqual([
      'disconnected',
      'reconnecting',
      'took-over',
      'connected',
      'slot-closed',
      'closed',
    ]);
  },
);

it('who asked a host that went who is on the bus is told by the next one', async () => {
  const directory = busFolder();
  const host = await childPeer(directory);
  const bus = await joinBus(directory, { hostThread: 'inline' });
  host.suspend();
  const peers = bus.peers();
  await host.kill();
  expect((await peers).map(({ id }) => id)).toEqual([bus.id]);
});
