// What an existing event bus over sockets does wrong (CodeWF.EventBus.Socket for .NET, read at v1.3.3), each fault
// with its test; and the walk from start to disconnect, which it does right.
import { type Bus, defineContract, type Message, message, openBus, startHost } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SILENCE_TIMEOUT } from '../../src/limits.js';
import { Asker } from '../../src/peer/asker.js';
import { FileMessages } from '../../src/peer/file-messages.js';
import { Inbox } from '../../src/peer/inbox.js';
import { Outbox } from '../../src/peer/outbox.js';
import { PeerSession } from '../../src/peer/peer-session.js';
import { Responders } from '../../src/peer/responder.js';
import { memoryPipePair } from '../../src/transport/memory-pipe.js';
import { Deadlines } from '../../src/util/deadlines.js';
import { At, frameSize, Kind } from '../../src/wire/frame.js';
import { peerIdAt } from '../../src/wire/peer-id.js';
import { childPeer } from '../support/child-peer.js';
import { ManualClock } from '../support/manual-clock.js';
import { afterwards, busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, takeData } from '../support/waiting.js';

const FOREVER = 2 ** 31 - 1;

async function hostIn(directory: string) {
  const host = await startHost('test', { directory });
  afterwards(() => host.close());
  return host;
}

/** Publishes until somebody gets it. */
const reaches = (bus: Bus, subject: string, data: unknown): Promise<unknown> =>
  eventually(async () => (await bus.publish(subject, data, { confirm: true })).receivers > 0, 'a receiver');

/** Sessions on links to a host that accepts everything and says nothing, one after the other. */
class SilentHost {
  readonly clock = new ManualClock();
  readonly ends: (Error | undefined)[] = [];
  pings = 0;

  link(): PeerSession {
    const { clock } = this;
    const [ours, theirs] = memoryPipePair(clock);
    theirs.handlers = { data: (chunk) => this.#count(chunk), drained() {}, closed() {} };
    const peerId = peerIdAt(Buffer.from('the peer'), 0);
    const deadlines = new Deadlines(clock);
    const options = { clock, deadlines, peerId, maxMessageBytes: 1_000, send: () => true };
    return new PeerSession({
      ...{ clock, peerId, link: { pipe: ours, peerId: Buffer.from('the host'), epoch: 1 } },
      inbox: new Inbox({ clock, maxMessageBytes: 1_000, sendAck() {} }),
      outbox: new Outbox({
        windowBytes: 1_000,
        ...{ onPending() {}, onFull() {}, onStarving() {}, onUndeliverable() {} },
      }),
      files: new FileMessages(undefined, 1_000),
      asker: new Asker(options),
      responders: new Responders({ ...options, onClosed() {} }),
      join: () => {
        throw new Error('nobody said WELCOME');
      },
      onOpen() {},
      onStandby() {},
      onSlotAnswer() {},
      onEnd: (cause) => this.ends.push(cause),
    });
  }

  #count(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += frameSize(chunk, at, chunk.length)) {
      if (chunk[at + At.kind] === Kind.ping) this.pings += 1;
    }
  }
}

describe('fault:', () => {
  it('subscriptions are gone after a reconnect', async () => {
    const directory = busFolder();
    const host = await hostIn(directory);
    const bus = await joinBus(directory, { host: 'never' });
    const slot = await bus.subscribe<string>('news');
    await host.close();
    await hostIn(directory);
    await reaches(await joinBus(directory, { host: 'never' }), 'news', 'after');
    expect(await takeData(slot, 1)).toEqual(['after']);
    expect(bus.stats().reconnects).toBe(1);
  });

  it('no reconnect after a server restart', async () => {
    const directory = busFolder();
    const server = await childPeer(directory);
    const bus = await joinBus(directory, { host: 'never' });
    const events = new EventLog(bus);
    const epoch = bus.epoch;
    await server.kill();
    await childPeer(directory);
    await events.first('connected');
    expect(bus.state).toBe('connected');
    expect(bus.epoch).toBeGreaterThan(epoch);
    await bus.peers();
  });

  it('an unanswered heartbeat counts as healthy', () => {
    const host = new SilentHost();
    host.link();
    host.clock.advance(SILENCE_TIMEOUT - 1);
    expect(host.pings).toBe(1);
    expect(host.ends).toEqual([]);
    host.clock.advance(100);
    expect(host.ends).toMatchObject([{ code: 'MAILSLOT_UNREACHABLE' }]);
  });

  it('heartbeat loops pile up', () => {
    const host = new SilentHost();
    for (let reconnects = 0; reconnects < 10; reconnects += 1) host.link().end(undefined);
    host.link();
    expect(host.clock.timers).toBe(1);
    host.clock.advance(SILENCE_TIMEOUT - 1);
    expect([host.pings, host.ends.filter((cause) => cause !== undefined)]).toEqual([1, []]);
  });

  it('one stalled client stalls all', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const [stalled, healthy] = [await childPeer(directory), await childPeer(directory)];
    for (const child of [stalled, healthy]) {
      await child.run(async ({ bus, kept }) => {
        kept.slot = await bus.subscribe('news', { capacity: 10_000 });
      });
    }
    stalled.suspend();
    // more than the socket of the stalled one holds
    for (let i = 0; i < 2_000; i += 1) await bus.publish('news', [i, new Uint8Array(1_000)]);
    const read = await healthy.run(async ({ kept }) => {
      let last: unknown;
      for (let i = 0; i < 2_000; i += 1) last = (await kept.slot.read({ timeout: 10_000 }))?.data;
      return (last as unknown[])[0];
    });
    expect(read).toBe(1_999);
    expect(bus.stats().window.messages).toBeGreaterThan(0);
    stalled.resume();
    await eventually(() => bus.stats().window.messages === 0, 'the stalled one');
  });

  it('dead subscribers stay', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(({ bus }) => bus.subscribe('news').then(() => {}));
    expect((await bus.publish('news', 1, { confirm: true })).receivers).toBe(1);
    await child.kill();
    await eventually(async () => (await bus.peers()).length === 1, 'the goodbye');
    expect((await bus.publish('news', 1, { confirm: true })).receivers).toBe(0);
  });

  it('unanswered queries leak', async () => {
    const [asker, responder] = await busOf(2);
    let told = 0;
    await responder!.respond('void', (_, { signal }) => {
      return new Promise(() => signal.addEventListener('abort', () => (told += 1)));
    });
    // the host holds 4 MiB of open queries of one asker: with a leak the fifth would be refused
    for (let i = 1; i <= 8; i += 1) {
      const query = asker!.query('void', new Uint8Array(2 ** 20), { timeout: 40 });
      await expect(query).rejects.toMatchObject({ code: 'MAILSLOT_TIMEOUT' });
      await eventually(() => told === i, 'the end of the handler');
    }
    expect(asker!.stats().queries.open).toBe(0);
  });

  it('a query without subscribers waits its whole time-out', async () => {
    const [asker] = await busOf(1);
    const query = asker!.query('nobody', 1, { timeout: FOREVER });
    await expect(query).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  });

  it('a query inside a handler always times out', async () => {
    const [one, two] = await busOf(2);
    await one!.respond('name', () => 'one', { concurrency: 1 });
    await two!.respond('name.of', async ({ sender }) => {
      const { data } = await two!.query('name', undefined, { to: sender, timeout: FOREVER });
      return `you are ${data}`;
    });
    expect((await one!.query('name.of', undefined, { timeout: FOREVER })).data).toBe('you are one');
  });

  it('what a query handler publishes becomes the reply', async () => {
    const [one, two] = await busOf(2);
    const slot = await one!.subscribe('price');
    await two!.respond('price', async () => {
      await two!.publish('price', 'an event');
      return 'the reply';
    });
    expect((await one!.query('price')).data).toBe('the reply');
    expect(await takeData(slot, 1)).toEqual(['an event']);
  });

  it('publish is never confirmed', async () => {
    const [publisher, one, two] = await busOf(3);
    expect(await publisher!.publish('news', 1, { confirm: true })).toMatchObject({ receivers: 0 });
    const slots = await Promise.all([one, two].map((bus) => bus!.subscribe('news')));
    // subscribe has resolved, so nobody has to wait before publishing
    const { receivers, order } = await publisher!.publish('news', 2, { confirm: true });
    expect(receivers).toBe(2);
    for (const slot of slots) expect(await slot.read({ timeout: 0 })).toMatchObject({ data: 2, order });
  });

  it('an oversize message just disconnects', async () => {
    const directory = busFolder();
    const small = await joinBus(directory, { maxMessageBytes: 2_048, hostThread: 'inline' });
    const large = await joinBus(directory);
    const events = new EventLog(small);
    const slot = await small.subscribe('news', { gaps: true });
    await small.respond('size', ({ data }) => (data as Uint8Array).length);
    const tooLarge = { code: 'MAILSLOT_MESSAGE_TOO_LARGE' };
    await expect(small.publish('news', new Uint8Array(4_096))).rejects.toMatchObject(tooLarge);
    await large.publish('news', new Uint8Array(4_096));
    expect(await slot.read()).toEqual({ gap: { missed: 1 } });
    expect(await events.first('gap')).toMatchObject({
      sender: large.id,
      reason: expect.stringContaining('4'),
    });
    await expect(large.query('size', new Uint8Array(4_096))).rejects.toMatchObject(tooLarge);
    expect((await large.query('size', new Uint8Array(7))).data).toBe(7);
    expect(events.types).not.toContain('disconnected');
  });

  it('null and empty are the same', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('value');
    await subscriber!.respond('echo', ({ data }) => data);
    const values = [null, undefined, '', [], {}, new Uint8Array(0), 0, false, new Map(), [null], [undefined]];
    for (const value of values) void publisher!.publish('value', value);
    expect(await takeData(slot, values.length)).toStrictEqual(values);
    for (const value of values) expect((await publisher!.query('echo', value)).data).toStrictEqual(value);
  });

  it('changed data layouts are misread silently', async () => {
    const directory = busFolder();
    const contract = defineContract({ order: message(z.object({ id: z.number(), name: z.string() })) });
    const reader = await openBus('test', { directory, hostThread: 'inline', contract });
    afterwards(() => reader.close());
    const events = new EventLog(reader as object as Bus);
    const slot = await reader.subscribe('order', { gaps: true });
    const writer = await joinBus(directory);
    // fields in another order, and one more: they go by their names
    await writer.publish('order', { added: [1], name: 'one', id: 1 });
    expect(((await slot.read()) as Message).data).toEqual({ id: 1, name: 'one' });
    // a field that became another type: refused, and told of
    await writer.publish('order', { id: 'two', name: 'two' });
    expect(await slot.read()).toEqual({ gap: { missed: 1 } });
    const { sender, reason } = await events.first('gap');
    expect([sender, reason]).toEqual([writer.id, expect.stringContaining('id')]);
  });
});

it('start, connect, subscribe, publish, query, unsubscribe, disconnect, stop', async () => {
  const directory = busFolder();
  const host = await hostIn(directory);
  const [one, two] = [
    await joinBus(directory, { host: 'never' }),
    await joinBus(directory, { host: 'never' }),
  ];
  expect((await one.peers()).map(({ id }) => id).sort()).toEqual([one.id, two.id].sort());
  const slot = await one.subscribe<string>('news');
  expect(await two.publish('news', 'hello', { confirm: true })).toMatchObject({ receivers: 1 });
  expect(await takeData(slot, 1)).toEqual(['hello']);
  const responder = await one.respond('add', ({ data }) => (data as number[]).reduce((a, b) => a + b));
  expect((await two.query('add', [1, 2, 3])).data).toBe(6);
  expect(await slot.close()).toEqual({ unread: 0 });
  await responder.close();
  expect(await two.publish('news', 'anybody?', { confirm: true })).toMatchObject({ receivers: 0 });
  await expect(two.query('add', [1])).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  await one.close();
  expect(await one.closed).toBeUndefined();
  await eventually(async () => (await two.peers()).length === 1);
  await two.close();
  await host.close();
  await expect(openBus('test', { directory, host: 'never' })).rejects.toMatchObject({
    code: 'MAILSLOT_UNREACHABLE',
  });
});
