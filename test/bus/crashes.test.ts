// kill -9: what a process leaves behind when it dies, and what those learn who waited for it.
import { MailslotError } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually, isPending, takeData } from '../support/waiting.js';

describe('a peer that is killed', () => {
  it('as responder: its askers are told at once', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(async ({ bus, kept }) => {
      kept.notes = [];
      await bus.respond('slow', ({ data }) => {
        kept.notes.push(data);
        return new Promise(() => {});
      });
    });
    const queries = [1, 2, 3].map((n) => bus.query('slow', n, { timeout: 2 ** 31 - 1 }));
    const outcomes = Promise.allSettled(queries);
    await eventually(() => child.run(({ kept }) => kept.notes.length === 3), 'the queries at the child');
    await child.kill();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ reason: { code: 'MAILSLOT_RESPONDER_LOST', retryable: true } });
    }
    await expect(bus.query('slow')).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  });

  it('as asker: the handlers that work for it are told', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    let asked = false;
    let reason: unknown;
    await bus.respond('slow', (_, { signal }) => {
      asked = true;
      return new Promise(() => signal.addEventListener('abort', () => (reason = signal.reason)));
    });
    const child = await childPeer(directory);
    await child.run(({ bus, kept }) => {
      kept.pending = bus.query('slow', 1, { timeout: 2 ** 31 - 1 });
    });
    await eventually(() => asked);
    await child.kill();
    await eventually(() => MailslotError.is(reason), 'the signal');
  });

  it('as subscriber: its subscriptions vanish', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(({ bus }) =>
      bus
        .subscribe('n')
        .then(() => bus.subscribe('m.>'))
        .then(() => {}),
    );
    expect((await bus.publish('n', 1, { confirm: true })).receivers).toBe(1);
    await child.kill();
    await eventually(async () => (await bus.publish('n', 1, { confirm: true })).receivers === 0);
    expect((await bus.publish('m.x', 1, { confirm: true })).receivers).toBe(0);
  });

  it('as receiver that had not taken everything: the publisher goes on', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { windowBytes: 64 * 1024 });
    const child = await childPeer(directory);
    await child.run(({ bus }) => bus.subscribe('n', { capacity: 1 }).then(() => {}));
    const publishing = (async () => {
      for (let i = 0; i < 500; i += 1) await bus.publish('n', new Uint8Array(1_000));
    })();
    await eventually(() => bus.stats().window.waiting === 1, 'a waiting publish');
    expect(await isPending(publishing)).toBe(true);
    await child.kill();
    await publishing;
    await eventually(() => bus.stats().window.messages === 0);
  });

  it('as publisher: what it had confirmed is there, in order', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<number>('n', { capacity: 100_000 });
    const child = await childPeer(directory);
    await child.run(async ({ bus }) => {
      for (let i = 0; i < 999; i += 1) await bus.publish('n', i);
      await bus.publish('n', 999, { confirm: true });
    });
    await child.kill();
    expect(await takeData(slot, 1_000)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  });
});

describe('presence', () => {
  it('lists who is on the bus', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { label: 'the first' });
    const child = await childPeer(directory, { label: 'the child' });
    await child.run(async ({ bus }) => {
      await bus.subscribe('a');
      await bus.subscribe('b.*');
      await bus.respond('c', () => 1);
    });
    const peers = await bus.peers();
    expect(peers.map(({ connectedAt: _, ...peer }) => peer)).toEqual([
      { id: bus.id, label: 'the first', pid: process.pid, hosting: true, slots: 0, responders: 0 },
      { id: child.id, label: 'the child', pid: child.pid, hosting: false, slots: 2, responders: 1 },
    ]);
    expect(peers.every(({ connectedAt }) => connectedAt instanceof Date)).toBe(true);
    expect(await child.run(({ bus }) => bus.peers().then((peers) => peers.map(({ id }) => id)))).toEqual([
      bus.id,
      child.id,
    ]);
  });

  it('tells who came, who went, and how', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const events = new EventLog(bus);
    await bus.peers();
    const polite = await joinBus(directory, { label: 'polite' });
    const child = await childPeer(directory, { label: 'doomed' });
    expect((await events.first('peer-joined', ({ peer }) => peer.id === polite.id)).peer).toMatchObject({
      label: 'polite',
      pid: process.pid,
      hosting: false,
    });
    await events.first('peer-joined', ({ peer }) => peer.id === child.id);
    await polite.close();
    expect(await events.first('peer-left', ({ peer }) => peer.id === polite.id)).toMatchObject({
      cause: 'closed',
    });
    await child.kill();
    expect(await events.first('peer-left', ({ peer }) => peer.id === child.id)).toMatchObject({
      cause: 'crashed',
      peer: { label: 'doomed', pid: child.pid },
    });
    expect((await bus.peers()).map(({ id }) => id)).toEqual([bus.id]);
  });
});

it('a suspended receiver holds up the publisher, and has everything when it wakes in time', async () => {
  const directory = busFolder();
  const bus = await joinBus(directory, { windowBytes: 64 * 1024 });
  const child = await childPeer(directory);
  await child.run(async ({ bus, kept }) => {
    kept.slot = await bus.subscribe('n', { capacity: 100_000 });
  });
  child.suspend();
  const publishing = (async () => {
    for (let i = 0; i < 20_000; i += 1) await bus.publish('n', i);
  })();
  await eventually(() => bus.stats().window.waiting === 1, 'a waiting publish');
  child.resume();
  await publishing;
  await bus.publish('n', 20_000, { confirm: true });
  const { messageCount, missed } = await child.run(({ kept }) => kept.slot.info);
  expect({ messageCount, missed }).toEqual({ messageCount: 20_001, missed: 0 });
});
