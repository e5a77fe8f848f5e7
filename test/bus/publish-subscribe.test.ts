// One to many between real processes: everything arrives, once, in order, and only where it is wanted.
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, take, takeData } from '../support/waiting.js';

describe('publish and subscribe between processes', () => {
  it('delivers 50,000 messages of another process, in order and to the byte', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<Uint8Array>('numbers');
    const publisher = await childPeer(directory);
    const sent = publisher.run(async ({ bus }) => {
      let sum = 0;
      for (let i = 0; i < 50_000; i += 1) {
        const data = Buffer.alloc(4 + (i % 60), i & 0xff);
        data.writeUInt32LE(i);
        sum += data.length;
        await bus.publish('numbers', data);
      }
      return sum;
    });
    let expected = 0;
    let bytes = 0;
    let wrong = 0;
    for await (const { data } of slot) {
      const tail = expected & 0xff;
      const view = Buffer.from(data.buffer, data.byteOffset, data.length);
      if (view.readUInt32LE() !== expected || data.length !== 4 + (expected % 60)) wrong += 1;
      if (data.length > 4 && data.at(-1) !== tail) wrong += 1;
      bytes += data.length;
      expected += 1;
      if (expected === 50_000) break;
    }
    expect({ wrong, bytes }).toEqual({ wrong: 0, bytes: await sent });
  });

  it('keeps the boundaries of messages of any bytes, empty ones included', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<Uint8Array>('bytes', { capacity: 10_000 });
    const publisher = await childPeer(directory);
    await publisher.run(async ({ bus }) => {
      for (let i = 0; i < 2_048; i += 1)
        await bus.publish('bytes', new Uint8Array((i * 37) % 300).fill(i >> 3));
    });
    const messages = await takeData(slot, 2_048);
    expect(messages.filter((data) => data.length === 0)).toHaveLength(7);
    expect(
      messages.every((data, i) => {
        return data.length === (i * 37) % 300 && data.every((byte) => byte === i >> 3);
      }),
    ).toBe(true);
    expect(slot.info.messageCount).toBe(0);
  });

  it('gives two receivers the same messages of two publishers in one order', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const publishers = [await childPeer(directory), await childPeer(directory)];
    const receiver = await childPeer(directory);
    await receiver.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('race.*');
    });
    const slot = await bus.subscribe<number>('race.*');
    const racing = publishers.map((publisher, index) =>
      publisher.run(async ({ bus }, index) => {
        for (let i = 0; i < 2_000; i += 1) await bus.publish(`race.${index}`, i);
      }, index),
    );
    const remote = receiver.run(async ({ kept }) => {
      const seen: string[] = [];
      for await (const { sender, order, data } of kept.slot) {
        seen.push(`${order} ${sender} ${data}`);
        if (seen.length === 4_000) break;
      }
      return seen;
    });
    const own = (await take(slot, 4_000)).map(({ sender, order, data }) => `${order} ${sender} ${data}`);
    await Promise.all(racing);
    expect(own).toEqual(await remote);
    const orders = own.map((line) => Number(line.split(' ')[0]));
    expect(orders.every((order, index) => index === 0 || order > orders[index - 1]!)).toBe(true);
    for (const { id } of publishers) {
      const numbers = own.filter((line) => line.includes(id)).map((line) => Number(line.split(' ')[2]));
      expect(numbers).toEqual(Array.from({ length: 2_000 }, (_, i) => i));
    }
  });

  it('tells who sent a message, when, and with which headers', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe('mail.new');
    const publisher = await childPeer(directory);
    const before = Date.now();
    await publisher.run(({ bus }) =>
      bus.publish('mail.new', 'hello', { headers: { trace: 'a1', größe: '€ 5', ['__proto__']: 'kept' } }),
    );
    const [message] = await take(slot, 1);
    expect(message).toMatchObject({ subject: 'mail.new', data: 'hello', sender: publisher.id });
    expect({ ...message!.headers }).toEqual({ trace: 'a1', größe: '€ 5', ['__proto__']: 'kept' });
    expect(message!.time).toBeInstanceOf(Date);
    expect(message!.time.getTime()).toBeGreaterThanOrEqual(before);
    expect(message!.time.getTime()).toBeLessThanOrEqual(Date.now());
    expect(Number.isSafeInteger(message!.order)).toBe(true);
    expect([message!.retained, message!.redelivered, message!.error]).toEqual([false, false, undefined]);
  });

  it('passes messages larger than any buffer on the way', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const slot = await bus.subscribe<Uint8Array>('large');
    const publisher = await childPeer(directory);
    const published = publisher.run(async ({ bus }) => {
      const data = new Uint8Array(6 * 1024 * 1024);
      for (let i = 0; i < data.length; i += 1) data[i] = (i * 31) >> 3;
      await bus.publish('large', data, { confirm: true });
      await bus.publish('large', new Uint8Array([1]), { confirm: true });
    });
    const [large, small] = await takeData(slot, 2);
    expect(large!.length).toBe(6 * 1024 * 1024);
    expect(large!.every((byte, i) => byte === (((i * 31) >> 3) & 0xff))).toBe(true);
    expect([...small!]).toEqual([1]);
    await published;
  });
});

describe('patterns', () => {
  const subjects = ['a', 'a.b', 'a.b.c', 'a.x.c', 'b', 'A.b'];

  it.each([
    ['a', ['a']],
    ['a.*', ['a.b']],
    ['a.>', ['a.b', 'a.b.c', 'a.x.c']],
    ['*.b', ['a.b', 'A.b']],
    ['a.*.c', ['a.b.c', 'a.x.c']],
    ['>', subjects],
  ])('%s gets %j', async (pattern, expected) => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe(pattern);
    const end = await subscriber!.subscribe('end');
    for (const subject of subjects) await publisher!.publish(subject);
    await publisher!.publish('end', undefined, { confirm: true });
    await take(end, 1);
    const got: string[] = [];
    for (
      let next = await slot.read({ timeout: 0 });
      next !== undefined;
      next = await slot.read({ timeout: 0 })
    ) {
      if (next.subject !== 'end') got.push(next.subject);
    }
    expect(got).toEqual(expected);
  });

  it('what a closed slot wanted is not sent any more', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('news');
    await publisher!.publish('news', 1, { confirm: true });
    await slot.close();
    await eventually(async () => {
      const { receivers } = await publisher!.publish('news', 2, { confirm: true });
      return receivers === 0;
    });
  });
});

describe('overlapping subscriptions', () => {
  it('each slot gets a message once, and it crosses the wire once', async () => {
    const [publisher, subscriber] = await busOf(2);
    const patterns = ['order.*', 'order.new', '>', 'order.new'];
    const slots = await Promise.all(patterns.map((pattern) => subscriber!.subscribe<number>(pattern)));
    for (let i = 0; i < 100; i += 1) await publisher!.publish('order.new', i);
    const { receivers } = await publisher!.publish('order.new', 100, { confirm: true });
    expect(receivers).toBe(1);
    for (const slot of slots) {
      expect(await takeData(slot, 101)).toEqual(Array.from({ length: 101 }, (_, i) => i));
      expect(slot.info.messageCount).toBe(0);
    }
    const { received, rates } = subscriber!.stats();
    expect([received.messages, rates.published.messages]).toEqual([101, 0]);
    expect(rates.received.messages).toBeGreaterThan(0);
    expect(rates.received.bytes).toBeGreaterThan(rates.received.messages);
  });

  it('slots do not share the decoded value', async () => {
    const [publisher, subscriber] = await busOf(2);
    const [first, second] = [
      await subscriber!.subscribe<{ list: number[] }>('a'),
      await subscriber!.subscribe('a'),
    ];
    await publisher!.publish('a', { list: [1] });
    const [one] = await takeData(first, 1);
    one!.list.push(2);
    expect(await takeData(second, 1)).toEqual([{ list: [1] }]);
  });
});

describe('echo', () => {
  it('gives a publisher its own messages unless it says otherwise', async () => {
    const [bus, other] = await busOf(2);
    const own = await bus!.subscribe('talk');
    const others = await other!.subscribe('talk');
    await bus!.publish('talk', 'to all');
    await bus!.publish('talk', 'to others', { echo: false });
    await bus!.publish('talk', 'to all again', { confirm: true });
    expect(await takeData(own, 2)).toEqual(['to all', 'to all again']);
    expect(await takeData(others, 3)).toEqual(['to all', 'to others', 'to all again']);
  });

  it('a message without echo reaches nobody when only the publisher listens', async () => {
    const [bus] = await busOf(1);
    await bus!.subscribe('talk');
    const receipt = await bus!.publish('talk', 1, { echo: false, confirm: true });
    expect(receipt.receivers).toBe(0);
  });
});

describe('to', () => {
  it('reaches only the peer it names', async () => {
    const [bus, chosen, other] = await busOf(3);
    const slots = [await chosen!.subscribe('hint'), await other!.subscribe('hint')];
    const { receivers } = await bus!.publish('hint', 'psst', { to: chosen!.id, confirm: true });
    expect(receivers).toBe(1);
    await bus!.publish('hint', 'all', { confirm: true });
    expect(await takeData(slots[0]!, 2)).toEqual(['psst', 'all']);
    expect(await takeData(slots[1]!, 1)).toEqual(['all']);
  });

  it('a peer without a slot for the subject is not a receiver', async () => {
    const [bus, chosen] = await busOf(2);
    expect((await bus!.publish('hint', 1, { to: chosen!.id, confirm: true })).receivers).toBe(0);
  });

  it('an unknown peer rejects a confirmed publish', async () => {
    const [bus] = await busOf(1);
    const call = bus!.publish('hint', 1, { to: '0123456789abcdef', confirm: true });
    await expect(call).rejects.toMatchObject({ code: 'MAILSLOT_NO_SUCH_PEER' });
  });

  it('an unknown peer shows as event when nobody confirms', async () => {
    const [bus] = await busOf(1);
    const events = new EventLog(bus!);
    await bus!.publish('hint', 1, { to: '0123456789abcdef' });
    const { error } = await events.first('publish-failed');
    expect(error).toMatchObject({ code: 'MAILSLOT_NO_SUCH_PEER' });
  });
});
