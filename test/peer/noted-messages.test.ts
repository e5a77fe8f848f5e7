// Frames behind a NOTE at a receiver: which slots get them, which are duplicates, and how they are acknowledged.
import { beforeEach, describe, expect, it } from 'vitest';
import { LAZY_ACK_DELAY, WINDOW_FRAMES } from '../../src/limits.js';
import { Inbox } from '../../src/peer/inbox.js';
import { PeerSession } from '../../src/peer/peer-session.js';
import { OpenSlot } from '../../src/peer/slot.js';
import { memoryPipePair } from '../../src/transport/memory-pipe.js';
import type { Pipe } from '../../src/transport/pipe.js';
import { controlFrame, type Note } from '../../src/wire/control.js';
import { encodeFrame, Flag, Kind } from '../../src/wire/frame.js';
import { type PeerId, peerIdAt } from '../../src/wire/peer-id.js';
import { encodeValue } from '../../src/wire/values.js';
import { ManualClock } from '../support/manual-clock.js';

const host = peerIdAt(Buffer.from('the-host'), 0);
const alice = peerIdAt(Buffer.from('alice---'), 0);

let clock: ManualClock;
let inbox: Inbox;
let acks: unknown[];
let link: Pipe;
let ends: (Error | undefined)[];
let lastId: number;

beforeEach(() => {
  clock = new ManualClock();
  acks = [];
  ends = [];
  lastId = 0;
  inbox = new Inbox({
    clock,
    maxMessageBytes: 10_000,
    sendAck: (list) => acks.push(...list.map((one) => ('upTo' in one ? one.upTo : { order: one.order }))),
  });
  const [ours, theirs] = memoryPipePair(clock);
  link = theirs;
  const unused = {} as never;
  new PeerSession({
    clock,
    link: { pipe: ours, epoch: 1, hostId: host.bytes } as never,
    peerId: alice,
    inbox,
    outbox: unused,
    files: unused,
    asker: unused,
    responders: unused,
    join: unused,
    onOpen() {},
    onSlotAnswer() {},
    onStandby() {},
    onEnd: (cause) => ends.push(cause),
  });
});

function slot(options: { group?: string; capacity?: number } = {}): OpenSlot {
  const one: OpenSlot = new OpenSlot({
    id: ++lastId,
    pattern: 'a',
    capacity: 100,
    capacityBytes: 1_000_000,
    overflow: 'wait',
    stallTimeout: 10_000,
    gaps: true,
    maxMessageBytes: 10_000,
    clock,
    owner: {
      taken: () => inbox.taken(),
      gap() {},
      full: (crowded) => inbox.crowded(crowded),
      slow() {},
      leaving: () => inbox.acknowledgeNow(),
      left: (gone) => inbox.detach(gone),
      closed: (gone) => inbox.remove(gone),
    },
    ...options,
  });
  inbox.add(one);
  one.opened();
  inbox.refresh();
  return one;
}

const note = (data: Note): Buffer => controlFrame('NOTE', host.bytes, data);

function message(
  sequence: number,
  { from = alice as PeerId, flags = 0, order = sequence * 10 } = {},
): Buffer {
  const data = Buffer.from(encodeValue(sequence));
  return encodeFrame({
    kind: Kind.publish,
    sender: from.bytes,
    sequence,
    order,
    flags,
    subject: 'a',
    time: 5,
    data,
  });
}

function receive(...frames: Buffer[]): void {
  link.write([Buffer.concat(frames)]);
  clock.settle();
}

/** What is in a slot: data, and `!` for redelivered, `=` for retained. */
async function contents(one: OpenSlot): Promise<string> {
  const found: string[] = [];
  for (let item = await one.read({ timeout: 0 }); item !== undefined; item = await one.read({ timeout: 0 })) {
    if ('gap' in item) found.push('gap');
    else found.push(`${item.data}${item.redelivered ? '!' : ''}${item.retained ? '=' : ''}`);
  }
  return found.join(' ');
}

describe('a frame', () => {
  it('without a NOTE is for plain slots, behind one for those it names, and the next one is plain again', async () => {
    const [plain, member, other] = [slot(), slot({ group: 'g' }), slot({ group: 'g' })];
    receive(
      message(1),
      note({ slots: [2] }),
      message(2),
      message(3),
      note({ slots: [3, 1] }),
      message(4),
      message(5),
    );
    expect([await contents(plain), await contents(member), await contents(other)]).toEqual([
      '1 3 4 5',
      '2',
      '4',
    ]);
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([5]);
  });

  it('behind a noted one of the same sender is that sender’s, whoever came before', async () => {
    const bob = peerIdAt(Buffer.from('bob-----'), 0);
    const plain = slot();
    slot({ group: 'g' });
    receive(message(50, { from: bob }), note({ slots: [2] }), message(51), message(52));
    receive(message(51, { from: bob, order: 530 }));
    const senders: string[] = [];
    for (let left = 3; left > 0; left -= 1) senders.push(((await plain.read()) as { sender: string }).sender);
    expect(senders).toEqual([bob.hex, alice.hex, bob.hex]);
  });

  it('is found behind its NOTE wherever the stream is cut', async () => {
    const member = slot({ group: 'g' });
    const plain = slot();
    const bytes = Buffer.concat([message(1), note({ slots: [1] }), message(2), message(3)]);
    for (let cut = 1; cut < bytes.length; cut += 3) {
      const shifted = Buffer.from(bytes);
      receive(shifted.subarray(0, cut));
      receive(shifted.subarray(cut));
      expect([await contents(plain), await contents(member)], `cut at ${cut}`).toEqual(['1 3', '2']);
      for (const record of inbox.records.values()) record.read = 0;
    }
    expect(ends).toEqual([]);
  });

  it('that comes again is for its member whatever its sequence, and acknowledged by itself', async () => {
    const [plain, member] = [slot(), slot({ group: 'g' })];
    receive(message(8));
    clock.advance(LAZY_ACK_DELAY);
    acks.length = 0;
    receive(note({ slots: [2], redelivered: true }), message(3));
    expect(acks).toEqual([{ order: 30 }]);
    receive(note({ slots: [2, 1] }), message(4, { flags: Flag.resent }));
    expect(acks).toContainEqual({ order: 40 });
    receive(note({ slots: [2, 1] }), message(9, { flags: Flag.resent }));
    expect([await contents(plain), await contents(member)]).toEqual(['8 9', '3! 4! 9!']);
    expect(inbox.duplicates).toBe(1);
    expect(inbox.highestOrder).toBe(90);
    clock.advance(LAZY_ACK_DELAY);
    expect(acks.at(-1)).toBe(9);
  });

  it('that comes again and has to wait for room is acknowledged when it is taken, each in its turn', async () => {
    const member = slot({ group: 'g', capacity: 2 });
    receive(note({ slots: [1] }), message(9));
    receive(...[3, 4, 5].flatMap((sequence) => [note({ slots: [1], redelivered: true }), message(sequence)]));
    expect(acks).toEqual([{ order: 30 }]);
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([{ order: 30 }, 9]);
    await member.read();
    clock.advance(LAZY_ACK_DELAY);
    expect(acks.slice(2)).toEqual([{ order: 40 }]);
    expect(await contents(member)).toBe('3! 4! 5!');
    clock.advance(LAZY_ACK_DELAY);
    expect(acks.slice(3)).toEqual([{ order: 50 }]);
  });

  it('that waits in a slot which is closed is not acknowledged: the host gives it to another one, perhaps of this peer', async () => {
    const [first, second] = [slot({ group: 'g', capacity: 1 }), slot({ group: 'g' })];
    receive(...[3, 4].flatMap((sequence) => [note({ slots: [1], redelivered: true }), message(sequence)]));
    expect(acks).toEqual([{ order: 30 }]);
    await first.close();
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([{ order: 30 }]);
    receive(note({ slots: [2], redelivered: true }), message(4));
    expect(acks).toEqual([{ order: 30 }, { order: 40 }]);
    expect(await contents(second)).toBe('4!');
  });

  it('that another slot has taken is acknowledged when the one that it waits in is closed', async () => {
    const [full, other] = [slot({ group: 'g', capacity: 1 }), slot({ group: 'h' })];
    receive(note({ slots: [1] }), message(2));
    receive(note({ slots: [1, 2], redelivered: true }), message(3));
    expect(acks).toEqual([]);
    await full.close();
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toContainEqual({ order: 30 });
    expect(await contents(other)).toBe('3!');
  });

  it('with a last value is checked against nothing, and not acknowledged', async () => {
    const plain = slot();
    receive(message(8));
    clock.advance(LAZY_ACK_DELAY);
    acks.length = 0;
    receive(note({ slots: [1], retained: true }), message(3, { flags: Flag.ackSoon }));
    const bob = peerIdAt(Buffer.from('bob-----'), 0);
    receive(note({ slots: [1], retained: true }), message(70, { from: bob, order: 1 }));
    receive(message(1, { from: bob, order: 800 }));
    expect(await contents(plain)).toBe('8 3= 70= 1');
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([1]);
  });

  it('with a last value that waits holds no acknowledgement back', async () => {
    const plain = slot({ capacity: 1 });
    receive(message(8));
    for (const sequence of [3, 4, 5]) receive(note({ slots: [1], retained: true }), message(sequence));
    receive(message(9));
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([8]);
    expect(await contents(plain)).toBe('8 3= 4= 5= 9');
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([8, 9]);
  });

  it('for slots that are not there counts as taken', async () => {
    receive(note({ slots: [77] }), message(1));
    receive(note({ slots: [77], redelivered: true }), message(2));
    clock.advance(LAZY_ACK_DELAY);
    expect(acks).toEqual([{ order: 20 }, 1]);
  });
});

it.each([
  ['another NOTE', () => note({})],
  ['a PING', () => controlFrame('PING', host.bytes, 'ping')],
])('a NOTE in front of %s is a violation', (_, frame) => {
  receive(note({ slots: [1] }), frame());
  expect(ends[0]?.message).toContain('a NOTE came before a frame of kind');
});

it('a member that is given more at once than a frame of acknowledgements holds acknowledges all of it', async () => {
  const count = WINDOW_FRAMES + 1;
  const member = slot({ group: 'g', capacity: 1 });
  const lists: number[] = [];
  acks.push = (...list: unknown[]) => lists.push(list.length);
  // looked at one by one, those that wait would take minutes
  for (let sequence = 1; sequence <= count; ) {
    const frames: Buffer[] = [];
    for (const end = Math.min(sequence + 1_000, count + 1); sequence < end; sequence += 1)
      frames.push(note({ slots: [1] }), message(sequence, { flags: Flag.resent }));
    receive(...frames);
  }
  expect(member.info.messageCount).toBe(count);
  void member.drain();
  inbox.flush();
  expect(lists.reduce((sum, length) => sum + length)).toBe(count);
  expect(Math.max(...lists)).toBe(WINDOW_FRAMES);
});
