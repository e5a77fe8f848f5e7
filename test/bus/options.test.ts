// What callers pass is checked, once, with an error that names the call and what it takes.
import { type Bus, openBus, startHost } from 'mailslot';
import { beforeAll, describe, expect, it } from 'vitest';
import { busFolder, busOf, joinBus, makeFolder } from '../support/scratch.js';

const invalid = (message: RegExp) => ({
  code: 'MAILSLOT_INVALID_OPTION',
  message: expect.stringMatching(message),
});

describe('openBus', () => {
  it.each([
    ['host', { host: 'maybe' }],
    ['hostThread', { hostThread: 'fiber' }],
    ['timeout', { timeout: 0 }],
    ['timeout', { timeout: Number.NaN }],
    ['reconnectTimeout', { reconnectTimeout: '1s' }],
    ['windowBytes', { windowBytes: 1 }],
    ['maxMessageBytes', { maxMessageBytes: 2 ** 40 }],
    ['label', { label: 'x'.repeat(129) }],
    ['signal', { signal: {} }],
  ])('refuses a wrong `%s`', async (option, options) => {
    const call = openBus('test', { ...options, directory: busFolder() } as never);
    await expect(call).rejects.toMatchObject(invalid(new RegExp(`openBus.*${option}`)));
  });

  it.each(['', 'Upper', 'with space', '-first', 'x'.repeat(33), '../up', undefined])(
    'refuses the name %j',
    async (name) => {
      const call = openBus(name as string, { directory: busFolder() });
      await expect(call).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_NAME' });
    },
  );

  it('rejects with the reason of an aborted signal', async () => {
    const call = joinBus(busFolder(), { signal: AbortSignal.abort('no') });
    await expect(call).rejects.toBe('no');
  });

  it('does not change the options it gets', async () => {
    const options = Object.freeze({ directory: busFolder(), label: 'mine' });
    const bus = await openBus('test', options);
    await bus.close();
    expect(Object.keys(options)).toEqual(['directory', 'label']);
  });
});

it('startHost refuses a wrong option', async () => {
  const call = startHost('test', { directory: busFolder(), hostThread: 'fiber' as never });
  await expect(call).rejects.toMatchObject(invalid(/startHost.*hostThread/));
});

describe('calls of a bus', () => {
  let bus: Bus;

  beforeAll(async () => {
    const folder = makeFolder();
    bus = await openBus('test', { directory: folder.path, hostThread: 'inline' });
    return async () => {
      await bus.close();
      folder.remove();
    };
  });

  const calls: [string, RegExp, (bus: Bus) => unknown][] = [
    ['subscribe capacity', /subscribe.*capacity/, (bus) => bus.subscribe('a', { capacity: 0 })],
    [
      'subscribe capacityBytes',
      /subscribe.*capacityBytes/,
      (bus) => bus.subscribe('a', { capacityBytes: -1 }),
    ],
    [
      'subscribe overflow',
      /subscribe.*overflow/,
      (bus) => bus.subscribe('a', { overflow: 'explode' as never }),
    ],
    [
      'subscribe stallTimeout',
      /subscribe.*stallTimeout/,
      (bus) => bus.subscribe('a', { stallTimeout: 300_001 }),
    ],
    ['subscribe signal', /subscribe.*signal/, (bus) => bus.subscribe('a', { signal: 1 as never })],
    ['query timeout', /query.*timeout/, (bus) => bus.query('a', 1, { timeout: 0 })],
    ['query to', /query.*to/, (bus) => bus.query('a', 1, { to: 'x' })],
    ['queryAll max', /queryAll.*max/, async (bus) => bus.queryAll('a', 1, { max: 0 }).next()],
    ['respond handler', /respond.*handler/, (bus) => bus.respond('a', 1 as never)],
    ['respond concurrency', /respond.*concurrency/, (bus) => bus.respond('a', () => 1, { concurrency: 0 })],
    ['publish to', /publish.*to/, (bus) => bus.publish('a', 1, { to: 7 as never })],
    ['publish headers', /publish.*headers/, (bus) => bus.publish('a', 1, { headers: [] as never })],
    ['drain timeout', /drain.*timeout/, (bus) => bus.drain({ timeout: -1 })],
  ];

  it.each(calls)('%s is checked', async (_, message, call) => {
    await expect(call(bus)).rejects.toMatchObject(invalid(message));
    expect(bus.state).toBe('connected');
  });

  it.each([
    ['publish', 'a.*', (bus: Bus) => bus.publish('a.*')],
    ['publish', '$system', (bus: Bus) => bus.publish('$system')],
    ['publish', 'x'.repeat(256), (bus: Bus) => bus.publish('x'.repeat(256))],
    ['subscribe', 'a..b', (bus: Bus) => bus.subscribe('a..b')],
    ['subscribe', '>.a', (bus: Bus) => bus.subscribe('>.a')],
    ['query', '', (bus: Bus) => bus.query('')],
    ['respond', 'ü', (bus: Bus) => bus.respond('ü', () => 1)],
  ] as const)('%s refuses the subject %j', async (_, __, call) => {
    await expect(call(bus)).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_SUBJECT' });
  });
});

it('a header beyond the limits is refused, the largest legal ones pass', async () => {
  const [bus] = await busOf(1);
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`h${i}`, 'x']));
  await expect(bus!.publish('a', 1, { headers: many })).rejects.toMatchObject(invalid(/33 headers/));
  await expect(bus!.publish('a', 1, { headers: { long: 'x'.repeat(5_000) } })).rejects.toMatchObject(
    invalid(/bytes/),
  );
  delete many['h32'];
  const slot = await bus!.subscribe('a');
  await bus!.publish('a', 1, { headers: many });
  expect({ ...(await slot.read())!.headers }).toEqual(many);
});
