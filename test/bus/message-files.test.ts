// Large messages go through files of the bus folder, and nobody notices but by the time it takes.
import { existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bus, Message, Slot } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { SHORTEST_FILED_BYTES, STRAY_MESSAGE_AGE } from '../../src/limits.js';
import { Flag, Kind } from '../../src/wire/frame.js';
import { batchDataOf } from '../support/batch-data.js';
import { childPeer } from '../support/child-peer.js';
import { referenceData } from '../support/file-reference.js';
import { usesMessageFiles } from '../support/message-files.js';
import { rawPeer } from '../support/raw-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, takeData } from '../support/waiting.js';

const LARGE = SHORTEST_FILED_BYTES;

const filesOf = ({ directory }: Bus): string[] =>
  readdirSync(join(directory, 'state')).filter((name) => name.startsWith('m'));

const allRemoved = (bus: Bus) => eventually(() => filesOf(bus).length === 0, 'the removal of all files');

function bytes(first: number, length = LARGE): Uint8Array {
  return new Uint8Array(length).fill(first & 0xff);
}

/** Of large bytes the number that {@link bytes} was given: comparing them one by one takes vitest seconds. */
function numberIn(data: unknown): unknown {
  if (!(data instanceof Uint8Array) || data.length < LARGE) return data;
  return Buffer.compare(data, bytes(data[0]!, data.length)) === 0 ? data[0] : 'other bytes';
}

const takeNumbers = async (slot: Slot<unknown>, count: number) => (await takeData(slot, count)).map(numberIn);

describe('the file of a large message', () => {
  it('is there until all who are to have the message have taken it', async () => {
    const [publisher, one, two] = await busOf(3);
    const slot = await one!.subscribe('a', { capacity: 1 });
    const other = await two!.subscribe('a');
    for (const number of [1, 2]) await publisher!.publish('a', bytes(number));
    await takeData(other, 2);
    await eventually(() => slot.info.messageCount === 2, 'both messages');
    // the first one is taken, the second waits
    if (usesMessageFiles) await eventually(() => filesOf(one!).length === 1, 'the removal of the first');
    expect(await takeNumbers(slot, 2)).toEqual([1, 2]);
    await allRemoved(one!);
  });

  it('holds texts and objects as well, and nothing that is shorter', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('a', { capacity: 1 });
    const [short, text, list] = ['short', 'x'.repeat(LARGE), { list: [3, 'y'.repeat(LARGE)] }];
    for (const data of [short, text, list, bytes(3)]) await publisher!.publish('a', data);
    await eventually(() => slot.info.messageCount === 4, 'all messages');
    if (usesMessageFiles) expect(filesOf(publisher!).length).toBe(3);
    expect(await takeNumbers(slot, 4)).toEqual([short, text, list, 3]);
    await allRemoved(publisher!);
  });

  it('comes with all that a message can have', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('a');
    const options = { headers: { kind: 'large' }, to: subscriber!.id, ttl: 60_000, confirm: true } as const;
    expect(await publisher!.publish('a', bytes(1), options)).toMatchObject({ receivers: 1 });
    const { headers, sender, data } = (await slot.read())!;
    expect([headers, sender, numberIn(data)]).toEqual([{ kind: 'large' }, publisher!.id, 1]);
    const echoed = await publisher!.subscribe('a');
    await publisher!.publish('a', bytes(2), { echo: false });
    await publisher!.publish('a', bytes(3));
    expect(await takeNumbers(slot, 2)).toEqual([2, 3]);
    expect(await takeNumbers(echoed, 1)).toEqual([3]);
    await allRemoved(publisher!);
  });

  it('counts in the window with all its bytes', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 1024 * 1024 });
    const slot = await subscriber!.subscribe('a', { capacity: 1 });
    const publishing = Array.from({ length: 12 }, (_, number) => publisher!.publish('a', bytes(number)));
    await publishing[6];
    const { window } = publisher!.stats();
    expect(window.waiting).toBeGreaterThan(0);
    expect(window.bytes).toBeGreaterThan(6 * LARGE);
    expect(window.bytes).toBeLessThanOrEqual(1024 * 1024);
    expect(await takeNumbers(slot, 12)).toEqual([...publishing.keys()]);
    await Promise.all(publishing);
    await eventually(() => publisher!.stats().window.bytes === 0, 'an empty window');
    await allRemoved(publisher!);
  });

  it('is never that of a last value, which outlives it', async () => {
    const [publisher, subscriber] = await busOf(2);
    await publisher!.publish('a', bytes(1), { retain: true });
    expect(filesOf(publisher!)).toEqual([]);
    const slot = await subscriber!.subscribe('a', { retained: true });
    expect(numberIn((await slot.read())?.data)).toBe(1);
  });

  it('goes with a publish that is withdrawn or refused', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: LARGE });
    const slot = await subscriber!.subscribe('a', { capacity: 1 });
    await publisher!.publish('a', bytes(1));
    await publisher!.publish('a', bytes(2));
    const controller = new AbortController();
    const withdrawn = publisher!.publish('a', bytes(3), { signal: controller.signal });
    const waiting = publisher!.publish('a', bytes(4));
    controller.abort();
    await expect(withdrawn).rejects.toThrow('aborted');
    await expect(publisher!.publish('a', bytes(5, 1024 * 1024))).rejects.toThrow('wait for room');
    expect(await takeNumbers(slot, 2)).toEqual([1, 2]);
    await waiting;
    expect(await takeNumbers(slot, 1)).toEqual([4]);
    await allRemoved(publisher!);
  });

  it('stays for those who have still to read it when its publisher closes', async () => {
    const directory = busFolder();
    const child = await childPeer(directory);
    const subscriber = await joinBus(directory, { host: 'never' });
    const slot = await subscriber.subscribe('a');
    const publisher = await joinBus(directory, { host: 'never' });
    for (let number = 0; number < 8; number += 1) await publisher.publish('a', bytes(number));
    await publisher.close();
    expect(await takeNumbers(slot, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    await child.run(({ bus }) => bus.close());
  });

  it('comes to another member when the one that had it dies', async () => {
    const directory = busFolder();
    const publisher = await joinBus(directory, { hostThread: 'inline' });
    const child = await childPeer(directory, { host: 'never' });
    await child.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('a', { group: 'g', capacity: 1 });
    });
    await publisher.publish('a', bytes(1));
    await publisher.publish('a', bytes(2));
    await child.run(async ({ kept }) => {
      while (kept.slot.info.messageCount < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    });
    const slot = await publisher.subscribe('a', { group: 'g' });
    await child.kill();
    // the first may have been acknowledged or not
    let last: Message | undefined;
    while (numberIn(last?.data) !== 2) last = await slot.read();
    expect(last?.redelivered).toBe(true);
    await allRemoved(publisher);
  });
});

describe('the file of many messages in a row', () => {
  /** Long enough for files, and each with its number in front. */
  const items = (count: number, length = 16 * 1024) =>
    Array.from({ length: count }, (_, number) => Buffer.alloc(length, number & 0xff));
  const isItem = (data: unknown, number: number, length = 16 * 1024): boolean =>
    data instanceof Uint8Array && Buffer.compare(data, Buffer.alloc(length, number & 0xff)) === 0;

  async function takeItems(slot: Slot<unknown>, count: number, length?: number): Promise<number> {
    const data = await takeData(slot, count);
    return data.filter((one, number) => isItem(one, number, length)).length;
  }

  it('is there until all who are to have them have taken the last, and each of them comes once and in order', async () => {
    const [publisher, one, two] = await busOf(3);
    const slow = await one!.subscribe('a', { capacity: 1 });
    const [quick, other] = [await two!.subscribe('a'), await two!.subscribe('>')];
    await publisher!.publish('a', 'first');
    for (const slot of [slow, quick, other]) await slot.read();
    const publishing = items(100).map((item) => publisher!.publish('a', item));
    if (usesMessageFiles) await eventually(() => filesOf(publisher!).length > 1, 'files');
    expect([await takeItems(quick, 100), await takeItems(other, 100)]).toEqual([100, 100]);
    if (usesMessageFiles) expect(filesOf(publisher!).length).toBeGreaterThan(1);
    expect(await takeItems(slow, 100)).toBe(100);
    await Promise.all(publishing);
    await allRemoved(publisher!);
  });

  it('is what a program that awaits each publish writes, too, and short messages that are read late stay what they were', async () => {
    const [publisher, subscriber] = await busOf(2);
    const slot = await subscriber!.subscribe('a', { capacity: 100_000 });
    let most = 0;
    const looking = setInterval(() => {
      most = Math.max(most, filesOf(publisher!).length);
    }, 1);
    for (const item of items(6_000, 600)) await publisher!.publish('a', item);
    // its memory is read into again only when nothing in it waits
    expect(await takeItems(slot, 6_000, 600)).toBe(6_000);
    clearInterval(looking);
    if (usesMessageFiles) expect(most).toBeGreaterThan(0);
    await allRemoved(publisher!);
  });

  it('is shared out among the members of a group', async () => {
    const directory = busFolder();
    const [publisher, one, two] = [
      await joinBus(directory, { hostThread: 'inline' }),
      await joinBus(directory, { host: 'never' }),
      await joinBus(directory, { host: 'never' }),
    ];
    const slots = [await one.subscribe('a', { group: 'g' }), await two.subscribe('a', { group: 'g' })];
    for (const item of items(200)) await publisher.publish('a', item);
    const numbers: number[] = [];
    for (const slot of slots) {
      void (async () => {
        for await (const { data } of slot) numbers.push((data as Uint8Array)[0]!);
      })();
    }
    await eventually(() => numbers.length === 200, 'all messages');
    expect(numbers.sort((a, b) => a - b)).toEqual([...Array(200).keys()]);
    await allRemoved(publisher);
  });

  it('is not needed to send them again when the host dies and somebody empties the folder', async () => {
    const directory = busFolder();
    const host = await childPeer(directory, { hostThread: 'inline' });
    const publisher = await joinBus(directory, { hostThread: 'inline' });
    const subscriber = await joinBus(directory, { host: 'never' });
    const slot = await subscriber.subscribe('a', { capacity: 1 });
    await publisher.publish('a', 'first');
    const publishing = items(100).map((item) => publisher.publish('a', item));
    await slot.read();
    await eventually(() => slot.info.messageCount > 50, 'most of the messages');
    await host.kill();
    for (const name of filesOf(publisher)) rmSync(join(publisher.directory, 'state', name));
    expect(await takeItems(slot, 100)).toBe(100);
    await Promise.all(publishing);
    await allRemoved(publisher);
  });

  it('is a gap of so many where it cannot be read, or holds another number of them', async () => {
    const directory = busFolder();
    const subscriber = await joinBus(directory, { hostThread: 'inline' });
    const slot = await subscriber.subscribe('a', { gaps: true });
    const raw = await rawPeer(directory);
    const state = join(subscriber.directory, 'state');
    const events = new EventLog(subscriber);
    const data = batchDataOf(['one', 'two']);
    const publish = (sequence: number, number: number, count: number, size = data.length) => {
      const fields = { subject: 'a', sequence, flags: Flag.file | Flag.batch };
      raw.write(raw.frame(Kind.publish, { ...fields, data: referenceData({ number, size, count }) }));
    };
    for (const number of [2, 3])
      writeFileSync(join(state, `m${raw.id.hex}-${number}`), data, { mode: 0o600 });
    publish(1, 1, 4);
    publish(5, 2, 3);
    // longer than a message may be, which its messages need not be
    publish(8, 4, 2, 33_000_000);
    publish(10, 3, 2);
    const found: unknown[] = [];
    let missed = 0;
    for await (const item of slot) {
      if ('gap' in item) missed += item.gap.missed!;
      else if (found.push(item.data) === 2) break;
    }
    expect([missed, found]).toEqual([9, ['one', 'two']]);
    const sizes = [data.length, data.length, 33_000_000];
    expect(events.of('gap').map(({ reason }) => reason)).toEqual(
      sizes.map((size) => `the file with its data of ${size} bytes cannot be read`),
    );
  });
});

describe('a message whose file cannot be read', () => {
  it('is a gap of one with a reason, and the next one comes', async () => {
    const directory = busFolder();
    const subscriber = await joinBus(directory, { hostThread: 'inline' });
    const slot = await subscriber.subscribe('a', { gaps: true });
    const events = new EventLog(subscriber);
    const raw = await rawPeer(directory);
    let sequence = 0;
    const next = () => ({ subject: 'a', sequence: ++sequence });
    const publish = (number: number, size: number): void => {
      const data = referenceData({ number, size });
      raw.write(raw.frame(Kind.publish, { ...next(), data, flags: Flag.file }));
    };
    // none, a short one, one that is larger than what this peer accepts, and no reference at all
    publish(1, 10);
    writeFileSync(join(subscriber.directory, 'state', `m${raw.id.hex}-2`), 'short', { mode: 0o600 });
    publish(2, 10);
    publish(3, 33_000_000);
    raw.write(raw.frame(Kind.publish, { ...next(), flags: Flag.file }));
    raw.write(raw.frame(Kind.publish, { ...next(), data: Buffer.of(0x07) }));
    let missed = 0;
    for await (const item of slot) {
      if (!('gap' in item)) break;
      missed += item.gap.missed!;
    }
    expect(missed).toBe(4);
    const reasons = events.of('gap').map(({ reason }) => reason);
    expect(reasons).toEqual([
      'the file with its data of 10 bytes cannot be read',
      'the file with its data of 10 bytes cannot be read',
      expect.stringContaining("exceed this peer's maxMessageBytes"),
      'it says that its data is in a file, and not in which',
    ]);
  });

  it('is no last value: whoever says so breaks the protocol', async () => {
    const directory = busFolder();
    await joinBus(directory, { hostThread: 'inline' });
    const raw = await rawPeer(directory);
    raw.write(raw.frame(Kind.publish, { subject: 'a', sequence: 1, flags: Flag.file | Flag.retain }));
    expect((await raw.goodbye()).code).toBe('MAILSLOT_PROTOCOL_VIOLATION');
  });

  it('holds nobody back who has read it before', async () => {
    const directory = busFolder();
    const host = await childPeer(directory, { hostThread: 'inline' });
    const publisher = await joinBus(directory, { hostThread: 'inline' });
    const subscriber = await joinBus(directory, { host: 'never' });
    const slot = await subscriber.subscribe('a', { capacity: 1 });
    for (const number of [1, 2, 3]) await publisher.publish('a', bytes(number));
    await eventually(() => slot.info.messageCount === 3, 'all messages');
    await host.kill();
    for (const name of filesOf(publisher)) rmSync(join(publisher.directory, 'state', name));
    expect(await takeNumbers(slot, 3)).toEqual([1, 2, 3]);
    await publisher.publish('a', bytes(4));
    expect(await takeNumbers(slot, 1)).toEqual([4]);
    await allRemoved(publisher);
  });
});

it('without a folder to write to, large messages go through the host', async () => {
  const [publisher, subscriber] = await busOf(2);
  const slot = await subscriber!.subscribe('a', { capacity: 1 });
  rmSync(join(publisher!.directory, 'state'), { recursive: true });
  for (const number of [1, 2, 3]) await publisher!.publish('a', bytes(number));
  expect(await takeNumbers(slot, 3)).toEqual([1, 2, 3]);
});

it('what programs have left that were killed goes when the next one hosts, for however short a time', async () => {
  const directory = busFolder();
  const last = await joinBus(directory, { hostThread: 'inline' });
  const left = join(last.directory, 'state', 'm0123456789abcdef-1');
  writeFileSync(left, 'data');
  utimesSync(left, new Date(), new Date(Date.now() - STRAY_MESSAGE_AGE - 1_000));
  await last.close();
  await joinBus(directory, { hostThread: 'inline' });
  await eventually(() => !existsSync(left), 'its removal');
});
