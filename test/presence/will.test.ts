// Wills: what the host publishes for a peer that went without closing, and when it does not.
import { describe, expect, it } from 'vitest';
import { MAX_WILL_BYTES } from '../../src/limits.js';
import { Flag, Kind } from '../../src/wire/frame.js';
import { childPeer } from '../support/child-peer.js';
import { joinData, linkedRawPeer, type RawPeer, randomPeerId } from '../support/raw-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, isPending, take } from '../support/waiting.js';

const will = {
  subject: 'status.worker',
  data: { state: 'dead' },
  headers: { why: 'will' },
};

describe('a will', () => {
  it('is published by the host when its peer is killed, under the id of that peer', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe('status.*');
    const child = await childPeer(directory, { host: 'never', will });
    const { order: before } = await bus.publish('x', 1, { confirm: true });
    const start = Date.now();
    await child.kill();
    const [message] = await take(slot, 1);
    const { subject, data, headers, sender } = message!;
    expect({ subject, data, headers, sender }).toEqual({ ...will, sender: child.id });
    expect(message!.order).toBeGreaterThan(before);
    expect(message!.time.getTime()).toBeGreaterThanOrEqual(start - 1);
    // and only once
    await bus.peers();
    expect(slot.info.messageCount).toBe(0);
  });

  it('is not published when its peer closes or drains', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe('status.*');
    const events = new EventLog(bus);
    await bus.peers();
    const closing = await joinBus(directory, { will });
    const draining = await joinBus(directory, { will });
    await closing.close();
    await draining.drain();
    await events.first('peer-left', ({ peer }) => peer.id === closing.id);
    await events.first('peer-left', ({ peer }) => peer.id === draining.id);
    await bus.publish('status.end', 'end');
    expect((await take(slot, 1))[0]!.data).toBe('end');
  });

  it('of one who subscribes reaches everybody but goes on alone: nobody waits for its settling', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const plain = await bus.subscribe('status.*', { capacity: 1 });
    const other = await bus.subscribe('status.worker');
    const children = await Promise.all([1, 2, 3].map(() => childPeer(directory, { host: 'never', will })));
    for (const child of children) await child.kill();
    expect((await take(other, 3)).map(({ sender }) => sender).sort()).toEqual(
      children.map(({ id }) => id).sort(),
    );
    expect((await take(plain, 3)).map(({ data }) => data)).toEqual([will.data, will.data, will.data]);
    await bus.publish('status.worker', 'on', { confirm: true });
  });

  it('is published by the next host as well', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const bus = await joinBus(directory);
    const slot = await bus.subscribe('status.*');
    const child = await childPeer(directory, { host: 'never', will });
    const events = new EventLog(bus);
    await bus.peers();
    await host.kill();
    await events.first('connected');
    await child.run(({ bus }) => bus.peers().then(() => {}));
    expect(slot.info.messageCount).toBe(0);
    await child.kill();
    expect((await take(slot, 1))[0]!.sender).toBe(child.id);
  });

  it('of the hosting process, and of others that die with it, are published by the next host', async () => {
    const directory = busFolder();
    const host = await childPeer(directory, { will });
    const bus = await joinBus(directory, { will });
    const child = await childPeer(directory, { host: 'never', will });
    const slot = await bus.subscribe('status.*');
    const closed = await joinBus(directory, { will });
    await closed.close();
    const events = new EventLog(bus);
    await bus.peers();
    child.suspend();
    await host.kill();
    await child.kill();
    await events.first('peer-left', ({ peer }) => peer.id === host.id);
    await events.first('peer-left', ({ peer }) => peer.id === child.id);
    const senders = (await take(slot, 2)).map(({ sender }) => sender);
    expect(senders.sort()).toEqual([host.id, child.id].sort());
    await bus.peers();
    expect(slot.info.messageCount).toBe(0);
  });

  it('of the hosting process is not published when it closes', async () => {
    const directory = busFolder();
    const host = await joinBus(directory, { will, hostThread: 'inline' });
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const slot = await bus.subscribe('status.*');
    const events = new EventLog(bus);
    await bus.peers();
    await host.close();
    await events.first('connected');
    await bus.publish('status.end', 'end');
    expect((await take(slot, 1))[0]!.data).toBe('end');
  });

  it('goes to one member of each group, and is kept with retain', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const members = await Promise.all([1, 2].map(() => bus.subscribe('status.*', { group: 'workers' })));
    const plain = await bus.subscribe('status.*');
    const child = await childPeer(directory, { host: 'never', will: { ...will, retain: true } });
    await child.kill();
    expect((await take(plain, 1))[0]!.data).toEqual(will.data);
    expect(members.map(({ info }) => info.messageCount).sort()).toEqual([0, 1]);
    const late = await bus.subscribe('status.worker');
    const [kept] = await take(late, 1);
    expect([kept!.data, kept!.sender, kept!.retained]).toEqual([will.data, child.id, true]);
  });

  it('that cannot be sent is refused by openBus', async () => {
    const directory = busFolder();
    const attempt = (bad: unknown) => joinBus(directory, { will: bad as typeof will });
    await expect(attempt({ subject: 'a b' })).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_SUBJECT' });
    await expect(attempt({ subject: 'a', data: () => {} })).rejects.toMatchObject({
      code: 'MAILSLOT_NOT_ENCODABLE',
    });
    for (const bad of [
      5,
      null,
      { subject: 'a', to: 'b' },
      { subject: 'a', retain: 1 },
      { subject: 'a', headers: 5 },
    ]) {
      await expect(attempt(bad), JSON.stringify(bad)).rejects.toMatchObject({
        code: 'MAILSLOT_INVALID_OPTION',
      });
    }
  });

  it('of another peer, with a sequence or flags, or that is no frame at all ends the link', async () => {
    const directory = busFolder();
    await joinBus(directory);
    const peer = () => linkedRawPeer(directory);
    const wills: ((peer: RawPeer) => Buffer)[] = [
      (peer) => peer.message('a', 1),
      (peer) => peer.message('a', 1, { sequence: 0, sender: randomPeerId().bytes }),
      (peer) => peer.message('a', 1, { sequence: 0, flags: Flag.confirm }),
      (peer) => peer.message('$presence.left', 1, { sequence: 0 }),
      (peer) => peer.frame(Kind.query, { subject: 'a' }),
      () => Buffer.from('no frame'),
    ];
    for (const make of wills) {
      const raw = await peer();
      await raw.receives(Kind.welcome);
      raw.write(raw.control('JOIN', { ...joinData, will: make(raw) }));
      expect((await raw.goodbye()).code).toBe('MAILSLOT_PROTOCOL_VIOLATION');
    }
  });

  it('limits are exact: the largest will passes, and one byte more is refused', async () => {
    const directory = busFolder();
    const head = 54 + 'status.worker'.length - 1 + 3;
    const data = new Uint8Array(MAX_WILL_BYTES - head);
    const bus = await joinBus(directory, { will: { subject: 'status.worker', data } });
    expect(await isPending(bus.closed)).toBe(true);
    const larger = { subject: 'status.worker', data: new Uint8Array(data.length + 1) };
    await expect(joinBus(directory, { will: larger })).rejects.toMatchObject({
      code: 'MAILSLOT_MESSAGE_TOO_LARGE',
    });
  });
});
