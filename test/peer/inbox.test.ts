// The receiver's side: duplicates, acknowledgements, and messages that cannot be read.
import { beforeEach, describe, expect, it } from 'vitest';
import { LAZY_ACK_DELAY } from '../../src/limits.js';
import { Inbox } from '../../src/peer/inbox.js';
import { OpenSlot } from '../../src/peer/slot.js';
import { encodeFrame, Flag, Kind } from '../../src/wire/frame.js';
import { FrameWalker } from '../../src/wire/frame-walker.js';
import { encodeValue } from '../../src/wire/values.js';
import { batchData } from '../support/batch-data.js';
import { ManualClock } from '../support/manual-clock.js';

const alice = Buffer.from('alice---');
const bob = Buffer.from('bob-----');

let clock: ManualClock;
let inbox: Inbox;
/** What was acknowledged: [sender, upTo] */
let acks: [string, number][];
let gaps: unknown[];
let lastId: number;

beforeEach(() => {
  clock = new ManualClock();
  acks = [];
  gaps = [];
  lastId = 0;
  inbox = new Inbox({
    clock,
    maxMessageBytes: 10_000,
    sendAck: (list) => {
      for (const one of list)
        acks.push('upTo' in one ? [String(one.sender), one.upTo] : ['one message', one.order]);
    },
  });
});

function slot(pattern: string, capacity = 100, overflow: 'wait' | 'drop-oldest' = 'wait'): OpenSlot {
  const one: OpenSlot = new OpenSlot({
    id: ++lastId,
    pattern,
    capacity,
    capacityBytes: 1_000_000,
    overflow,
    stallTimeout: 10_000,
    gaps: true,
    maxMessageBytes: 10_000,
    clock,
    owner: {
      taken: () => inbox.taken(),
      gap: (_, missed, blame) => gaps.push({ missed, ...blame }),
      full: (crowded) => inbox.crowded(crowded),
      slow() {},
      left: (gone) => inbox.detach(gone),
      closed: (gone) => inbox.remove(gone),
    },
  });
  inbox.add(one);
  one.opened();
  return one;
}

let order = 0;

interface Arriving {
  subject?: string;
  data?: Buffer;
}

function frameOf(sender: Buffer, sequence: number, { subject = 'a', data }: Arriving = {}): Buffer {
  const body = data ?? Buffer.from(encodeValue(sequence));
  return encodeFrame({ kind: Kind.publish, sender, sequence, order: ++order, subject, data: body });
}

/** These frames come in one chunk. */
function arriveTogether(...frames: Buffer[]): void {
  const chunk = Buffer.concat(frames);
  const walker = new FrameWalker();
  walker.begin(chunk, 0, chunk.length);
  while (walker.next()) inbox.take(walker, undefined);
}

function arrive(sender: Buffer, sequence: number, fields: Arriving = {}): void {
  arriveTogether(frameOf(sender, sequence, fields));
}

function hasten(sender: Buffer): void {
  inbox.hastenAll([sender]);
  inbox.flush();
  clock.settle();
}

/** Messages of alice from `first` on, with their numbers as data. */
function batchOf(first: number, count: number, fault?: { at: number; item: Uint8Array }): Buffer {
  const numbers = Array.from({ length: count }, (_, index) => first + index);
  const items = numbers.map((number) =>
    number === fault?.at ? fault.item : Buffer.from(encodeValue(number)),
  );
  const fields = { kind: Kind.publish, flags: Flag.batch, sender: alice, sequence: first, subject: 'a' };
  order += count;
  return encodeFrame({ ...fields, order: order - count + 1, data: batchData(items) });
}

async function dataIn(one: OpenSlot): Promise<unknown[]> {
  const found: unknown[] = [];
  while (one.info.messageCount > 0) {
    const item = await one.read();
    if (item !== undefined && !('gap' in item)) found.push(item.data);
  }
  return found;
}

describe('a batch that was taken apart by an earlier host, and read in part', () => {
  it('brings the rest', async () => {
    const [plain, wide] = [slot('a'), slot('>')];
    arriveTogether(frameOf(alice, 1), frameOf(alice, 2));
    inbox.relink();
    arriveTogether(batchOf(1, 5));
    arriveTogether(batchOf(6, 2));
    expect([await dataIn(plain), await dataIn(wide)]).toEqual([
      [1, 2, 3, 4, 5, 6, 7],
      [1, 2, 3, 4, 5, 6, 7],
    ]);
    hasten(alice);
    expect([acks.at(-1), inbox.messages]).toEqual([[String(alice), 7], 7]);
  });

  it.each([
    ['before what was read', 1, 0],
    ['behind it', 4, 1],
  ])('and a gap for what cannot be used, if that is %s', async (_where, at, missed) => {
    const one = slot('a');
    arriveTogether(frameOf(alice, 1), frameOf(alice, 2));
    arriveTogether(batchOf(1, 5, { at, item: Buffer.of(0xff) }));
    const expected = [1, 2, 3, 4, 5].filter((number) => missed === 0 || number !== at);
    expect(gaps.map((gap) => (gap as { missed: number }).missed)).toEqual(missed === 0 ? [] : [missed]);
    expect(await dataIn(one)).toEqual(expected);
  });
});

describe('an acknowledgement that nobody waits for', () => {
  it.each([
    [0, LAZY_ACK_DELAY / 2],
    [128, (LAZY_ACK_DELAY * 3) / 4],
    [255, LAZY_ACK_DELAY],
  ])('goes out in the later half of its time, where chance (%i of 255) says', (draw, latest) => {
    clock.randomBytes = (length) => Buffer.alloc(length, draw);
    slot('a');
    arrive(alice, 1);
    clock.advance(latest - 1);
    expect(acks).toEqual([]);
    clock.advance(1);
    expect(acks).toEqual([['alice---', 1]]);
  });
});

describe('duplicates', () => {
  it('are dropped per sender, whatever link they come on', () => {
    const one = slot('a');
    for (const sequence of [1, 2, 3]) arrive(alice, sequence);
    arrive(bob, 1);
    inbox.relink();
    for (const sequence of [2, 3, 4]) arrive(alice, sequence);
    expect(one.info.messageCount).toBe(5);
    expect([inbox.messages, inbox.duplicates]).toEqual([5, 2]);
  });

  it('do not mislead what follows them in the same chunk', () => {
    const [a, b] = [slot('a'), slot('b')];
    arrive(alice, 1, { subject: 'b' });
    arriveTogether(
      frameOf(alice, 2, { subject: 'a' }),
      frameOf(alice, 1, { subject: 'b' }),
      frameOf(alice, 3, { subject: 'b' }),
    );
    expect([a.info.messageCount, b.info.messageCount]).toEqual([1, 2]);
    expect(a.peek()?.subject).toBe('a');
  });

  it('are acknowledged again: their host has not heard of it', () => {
    slot('a');
    arrive(alice, 1);
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([['alice---', 1]]);
    arrive(alice, 1);
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([
      ['alice---', 1],
      ['alice---', 1],
    ]);
  });
});

describe('acknowledgements', () => {
  it('are lazy, one for all, unless somebody asks', () => {
    slot('a');
    for (let i = 1; i <= 50; i += 1) arrive(alice, i);
    inbox.flush();
    expect(acks).toEqual([]);
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([['alice---', 50]]);
    arrive(alice, 51);
    hasten(alice);
    expect(acks).toEqual([
      ['alice---', 50],
      ['alice---', 51],
    ]);
  });

  it('stop below what waits in any slot, and follow the reading', async () => {
    const wide = slot('*', 100);
    const narrow = slot('a', 2);
    for (let i = 1; i <= 6; i += 1) arrive(alice, i, { subject: i % 2 === 0 ? 'a' : 'b' });
    hasten(alice);
    expect(acks.at(-1)).toEqual(['alice---', 5]);
    await narrow.read();
    clock.settle();
    expect(acks.at(-1)).toEqual(['alice---', 6]);
    expect(wide.info.messageCount).toBe(6);
  });

  it('do not cover what the next slot has not got when one drops for the same message', () => {
    slot('*', 1, 'drop-oldest');
    slot('*', 1);
    arrive(alice, 1);
    // from here on somebody waits for the acknowledgement of whatever is taken
    inbox.hastenAll([alice]);
    arrive(alice, 2);
    inbox.flush();
    clock.settle();
    expect(acks).toEqual([['alice---', 1]]);
  });

  it('of one sender are not held up by another', () => {
    slot('a', 1);
    slot('b', 10);
    arrive(alice, 1);
    arrive(alice, 2);
    arrive(bob, 1, { subject: 'b' });
    hasten(alice);
    hasten(bob);
    expect(acks).toEqual([
      ['alice---', 1],
      ['bob-----', 1],
    ]);
  });

  it('come at once when the slot that held them up is closed', async () => {
    const full = slot('a', 1);
    for (let i = 1; i <= 5; i += 1) arrive(alice, i);
    hasten(alice);
    expect(acks).toEqual([['alice---', 1]]);
    expect(await full.close()).toEqual({ unread: 5 });
    clock.settle();
    expect(acks.at(-1)).toEqual(['alice---', 5]);
  });

  it('cover what no slot wanted', () => {
    slot('other');
    arrive(alice, 7);
    hasten(alice);
    expect(acks).toEqual([['alice---', 7]]);
  });

  it('are said again on a new link', () => {
    slot('a');
    arrive(alice, 3);
    hasten(alice);
    inbox.relink();
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([
      ['alice---', 3],
      ['alice---', 3],
    ]);
  });
});

describe('a message that cannot be read', () => {
  it.each([
    ['is not a value', { data: Buffer.of(0xff) }],
    ['holds __proto__', { data: Buffer.from('a1695f5f70726f746f5f5f01', 'hex') }],
    ['is larger than this peer accepts', { data: Buffer.from(encodeValue(new Uint8Array(10_001))) }],
  ])('because it %s is a gap of one that names its sender', async (_, { data }) => {
    const one = slot('a');
    arrive(alice, 1);
    arrive(bob, 1, { data });
    arrive(alice, 2);
    expect(gaps).toEqual([{ missed: 1, sender: bob.toString('hex'), reason: expect.any(String) }]);
    expect(one.info).toMatchObject({ missed: 1, dropped: 0 });
    const items = [await one.read(), await one.read(), await one.read()];
    expect(items.map((item) => ('gap' in item! ? item : item!.data))).toEqual([1, { gap: { missed: 1 } }, 2]);
    hasten(bob);
    expect(acks).toEqual([['bob-----', 1]]);
  });

  it('leaves one marker with those beside it, however many they are', async () => {
    const one = slot('a');
    const data = Buffer.of(0xff);
    arrive(alice, 1);
    for (let sequence = 1; sequence <= 10_000; sequence += 1) arrive(bob, sequence, { data });
    one.offerGap(5);
    one.offerGap(undefined);
    one.offerGap(undefined);
    arrive(bob, 10_001, { data });
    arrive(alice, 2);
    expect(one.info).toMatchObject({ messageCount: 2, missed: 10_006 });
    const items = [];
    for (let item = await one.read({ timeout: 0 }); item; item = await one.read({ timeout: 0 }))
      items.push('gap' in item ? item.gap.missed : { data: item.data });
    expect(items).toEqual([{ data: 1 }, 10_005, undefined, 1, { data: 2 }]);
  });
});

it('a message of a kind that is not known here is acknowledged again when it comes again, and at once when that is asked', () => {
  const unknown = (sequence: number, flags = 0): Buffer =>
    encodeFrame({ kind: 17, sender: alice, sequence, flags, subject: 'a', data: Buffer.of(0xf6) });
  inbox.skip(unknown(1), 0);
  clock.advance(LAZY_ACK_DELAY);
  inbox.skip(unknown(1), 0);
  clock.advance(LAZY_ACK_DELAY);
  inbox.skip(unknown(2, Flag.ackSoon), 0);
  inbox.flush();
  expect(acks.map(([, upTo]) => upTo)).toEqual([1, 1, 2]);
});
