// What goes in comes out: every kind of value that a message may hold, over real links between processes.
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { take, takeData } from '../support/waiting.js';

const values: [string, unknown][] = [
  ['null', null],
  ['undefined', undefined],
  ['false', false],
  ['zero', 0],
  ['minus zero', -0],
  ['NaN', Number.NaN],
  ['minus infinity', Number.NEGATIVE_INFINITY],
  ['a fraction', 0.1],
  ['a safe integer', Number.MAX_SAFE_INTEGER],
  ['a negative one', -9_007_199_254_740_991],
  ['a bigint', 2n ** 200n],
  ['a small bigint', 5n],
  ['a negative bigint', -(2n ** 100n)],
  ['text', 'Zoë 🚀 \u0000 end'],
  ['a long text', 'äß'.repeat(70_000)],
  ['bytes', Uint8Array.of(0, 1, 255)],
  ['no bytes', new Uint8Array(0)],
  ['int16', Int16Array.of(-1, 2)],
  ['float64', Float64Array.of(0.5, Number.NaN, -0)],
  ['bigint64', BigInt64Array.of(-1n, 2n ** 62n)],
  ['a date', new Date(1_700_000_000_123)],
  [
    'a map',
    new Map<unknown, unknown>([
      [1, 'one'],
      ['two', { n: 2n }],
      [{ key: true }, new Set([1])],
    ]),
  ],
  ['a set', new Set<unknown>([1, 'a', null, undefined])],
  ['an array with holes filled', [undefined, null, [], [[1]]]],
  ['an object', { a: undefined, b: { c: [{ d: new Date(0) }] }, ünï: Uint8Array.of(7) }],
];

describe('rich data', () => {
  it.each(values)('%s arrives as it was', async (_, value) => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('value');
    await publisher!.publish('value', value);
    await publisher!.publish('value', [value], { headers: { again: 'yes' } });
    const [first, second] = await takeData(slot, 2);
    expect(first).toStrictEqual(value);
    expect(second).toStrictEqual([value]);
  });

  it('survives the way to another process and back, in messages, queries and replies', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(async ({ bus }) => {
      await bus.subscribe('there', ({ data }) => bus.publish('back', data));
      await bus.respond('mirror', ({ data }) => data);
    });
    const slot = await bus.subscribe('back');
    const everything = values.map(([, value]) => value);
    await bus.publish('there', everything);
    expect(await takeData(slot, 1)).toStrictEqual([everything]);
    expect((await bus.query('mirror', everything)).data).toStrictEqual(everything);
  });

  it('is a snapshot: changing the data after publish() changes nothing', async () => {
    const [bus] = await busOf(1);
    const slot = await bus!.subscribe('snapshot');
    const bytes = Uint8Array.of(1);
    const object = { n: 1 };
    const published = [bus!.publish('snapshot', bytes), bus!.publish('snapshot', object)];
    bytes[0] = 2;
    object.n = 2;
    await Promise.all(published);
    expect(await takeData(slot, 2)).toStrictEqual([Uint8Array.of(1), { n: 1 }]);
  });

  it('a kept message holds its data while thousands of others pass', async () => {
    const [bus, other] = await busOf(2);
    const slot = await bus!.subscribe<string>('many');
    const published = (async () => {
      for (let i = 0; i < 5_000; i += 1) await other!.publish('many', `message ${i} ${'.'.repeat(200)}`);
    })();
    const messages = await take(slot, 5_000);
    await published;
    expect(messages.every(({ data }, i) => data.startsWith(`message ${i} `) && data.length > 200)).toBe(true);
  });

  it.each([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a bigint beyond 64 bytes', 2n ** 520n],
    ['an object that contains itself', circle()],
  ])('%s is refused before anything is sent', async (_, value) => {
    const [bus] = await busOf(1);
    const slot = await bus!.subscribe('value');
    await expect(bus!.publish('value', value)).rejects.toMatchObject({ code: 'MAILSLOT_NOT_ENCODABLE' });
    await expect(bus!.query('value', value)).rejects.toMatchObject({ code: 'MAILSLOT_NOT_ENCODABLE' });
    await bus!.publish('value', 'fine', { confirm: true });
    expect(await takeData(slot, 1)).toEqual(['fine']);
    expect(bus!.stats().published.messages).toBe(1);
  });
});

function circle(): object {
  const object: Record<string, unknown> = {};
  object['self'] = object;
  return object;
}
