// Who is on the bus, and how others learn of it: each cause of leaving, suspended processes, and take-overs.
import { describe, expect, it } from 'vitest';
import { PING_INTERVAL } from '../../src/limits.js';
import { childPeer } from '../support/child-peer.js';
import { rawPeer } from '../support/raw-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually, takeData } from '../support/waiting.js';

describe('peer-left', () => {
  it('says closed, crashed or refused', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const events = new EventLog(bus);
    await bus.peers();
    const polite = await joinBus(directory);
    const cut = await rawPeer(directory, { label: 'cut' });
    const rude = await rawPeer(directory, { label: 'rude' });
    await polite.close();
    cut.destroy();
    rude.write(Buffer.alloc(64));
    const causeOf = async (id: string) =>
      (await events.first('peer-left', ({ peer }) => peer.id === id)).cause;
    expect(await causeOf(polite.id)).toBe('closed');
    expect(await causeOf(cut.id.hex)).toBe('crashed');
    expect(await causeOf(rude.id.hex)).toBe('refused');
  });

  it('a suspended peer is noticed within two heartbeats and a sweep, and is back when it is heard', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe('status');
    const child = await childPeer(directory, { will: { subject: 'status', data: 'silent' } });
    await child.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('n');
    });
    const events = new EventLog(bus);
    await bus.peers();
    const start = performance.now();
    child.suspend();
    const { cause, peer } = await events.first('peer-left');
    expect([cause, peer.id]).toEqual(['unresponsive', child.id]);
    expect(performance.now() - start).toBeLessThan(2 * PING_INTERVAL + 1_500);
    expect(await takeData(slot, 1)).toEqual(['silent']);
    expect((await bus.peers()).map(({ id }) => id)).toEqual([bus.id]);
    // its link stands: what is published meanwhile waits for it
    await bus.publish('n', 1);
    child.resume();
    await events.first('peer-joined', ({ peer }) => peer.id === child.id);
    expect(await child.run(({ kept }) => kept.slot.read().then((message) => message?.data))).toBe(1);
    // and if it goes now, its will is due again
    await child.kill();
    expect(await takeData(slot, 1)).toEqual(['silent']);
    expect(events.of('peer-left').map(({ cause }) => cause)).toEqual(['unresponsive', 'crashed']);
  });

  it('a take-over: those who died with the host are told, and those who are back are not', async () => {
    const directory = busFolder();
    const host = await childPeer(directory, { label: 'the host' });
    const bus = await joinBus(directory);
    const other = await joinBus(directory);
    const events = new EventLog(bus);
    await bus.peers();
    await eventually(() => bus.peers().then((peers) => peers.length === 3));
    await host.kill();
    const { peer, cause } = await events.first('peer-left');
    expect([peer.id, peer.label, cause]).toEqual([host.id, 'the host', 'crashed']);
    const late = await joinBus(directory);
    await events.first('peer-joined', ({ peer }) => peer.id === late.id);
    expect(events.of('peer-joined')).toHaveLength(1);
    await other.close();
    await events.first('peer-left', ({ peer }) => peer.id === other.id);
    expect(events.of('peer-left')).toHaveLength(2);
  });
});

it('peers() names who hosts, and when each came, also after a take-over', async () => {
  const directory = busFolder();
  const start = Date.now();
  const host = await childPeer(directory);
  const bus = await joinBus(directory);
  await bus.subscribe('a');
  await bus.respond('b', () => 1);
  const hosting = async () => (await bus.peers()).filter(({ hosting }) => hosting).map(({ id }) => id);
  expect(await hosting()).toEqual([host.id]);
  await host.kill();
  await eventually(async () => (await hosting())[0] === bus.id, 'the take-over');
  const [self] = await bus.peers();
  expect(self).toMatchObject({ id: bus.id, slots: 1, responders: 1, pid: process.pid });
  expect(self!.connectedAt.getTime()).toBeGreaterThanOrEqual(start);
  expect(self!.connectedAt.getTime()).toBeLessThanOrEqual(Date.now() + 1);
});

it('a slot on $presence has what the events have', async () => {
  const directory = busFolder();
  const bus = await joinBus(directory);
  const peer = await rawPeer(directory, { slots: [{ id: 1, role: 'slot', pattern: '$presence.*' }] });
  const other = await joinBus(directory);
  await other.close();
  await peer.receives(0, ({ subject }) => subject === '$presence.joined');
  await peer.receives(0, ({ subject }) => subject === '$presence.left');
  expect((await bus.peers()).map(({ slots }) => slots)).toEqual([0, 0]);
});

it('events() that were asked for while there was no host, for too long, tell of peers all the same', async () => {
  const directory = busFolder();
  const host = await childPeer(directory);
  const bus = await joinBus(directory, { host: 'never', reconnectTimeout: 50 });
  await host.kill();
  await eventually(() => bus.state === 'reconnecting', 'the loss of the host');
  const events = new EventLog(bus);
  await expect(bus.subscribe('x')).rejects.toMatchObject({ code: 'MAILSLOT_UNREACHABLE' });
  await joinBus(directory, { hostThread: 'inline' });
  await events.first('connected');
  await bus.peers();
  const late = await joinBus(directory);
  await events.first('peer-joined', ({ peer }) => peer.id === late.id);
});
