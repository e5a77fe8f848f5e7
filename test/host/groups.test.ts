// Groups as the host sees them: who gets a message, what is kept for how long, and what settles when.
import { describe, expect, it } from 'vitest';
import { LAZY_ACK_DELAY } from '../../src/limits.js';
import { controlFrame } from '../../src/wire/control.js';
import { Flag } from '../../src/wire/frame.js';
import { batchDataOf } from '../support/batch-data.js';
import { filesFor } from './files.js';
import { type BenchPeer, RelayBench, waitUntilGivenUp } from './relay-bench.js';

/** Slots of a peer: `group@pattern`, or a pattern alone. */
function member(bench: RelayBench, name: string, ...slots: string[]): BenchPeer {
  const peer = bench.link(name);
  peer.join({
    slots: slots.map((slot, i) => {
      const [group, pattern] = slot.includes('@') ? slot.split('@') : [undefined, slot];
      return { id: i + 1, role: 'slot', pattern: pattern!, ...(group === undefined ? {} : { group }) };
    }),
  });
  return peer;
}

const dataOf = (peer: BenchPeer): unknown[] => peer.messages.map(({ data }) => data);
const notesOf = (peer: BenchPeer): unknown[] => peer.dataOf('note');
const acknowledgeOne = (peer: BenchPeer, order: number): void =>
  peer.send(controlFrame('ACK', peer.id.bytes, [{ order }]));

function settledUpTo(peer: BenchPeer): number | undefined {
  return (peer.of('settled').at(-1)?.data as { upTo: number } | undefined)?.upTo;
}

function receiptsOf(peer: BenchPeer): unknown[] {
  return peer.of('settled').flatMap(({ data }) => (data as { receipts: unknown[] }).receipts);
}

describe('a group', () => {
  it('gets each message once, in turn when nobody is busier', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const members = ['1', '2', '3'].map((name) => member(bench, name, 'g@a'));
    publisher.send(...Array.from({ length: 6 }, (_, i) => publisher.message('a', i)));
    expect(members.map(dataOf)).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
  });

  it('has the messages of a batch shared out one by one, also where they are in a file', () => {
    const data = batchDataOf([1, 2, 3, 4]);
    const bench = new RelayBench({ files: filesFor({ 7: data }) });
    const publisher = bench.join('p');
    const members = ['1', '2'].map((name) => member(bench, name, 'g@a'));
    const plain = member(bench, '3', 'a');
    publisher.send(publisher.filed('a', { number: 7, size: data.length, count: 4 }));
    expect([...members, plain].map(dataOf)).toEqual([
      [1, 3],
      [2, 4],
      [1, 2, 3, 4],
    ]);
    publisher.publish('a', 5);
    expect(dataOf(members[0]!)).toEqual([1, 3, 5]);
    expect(publisher.closed).toBe(false);
  });

  it.each([
    ['is gone', {}, 0, 4],
    ['holds another number of them', { 7: batchDataOf(['text', 2, 3]) }, 0, 4],
    ['is gone when they come again', {}, Flag.resent, undefined],
  ])('is told of the messages that are lost with a file which %s', (_what, kept, flags, missed) => {
    const bench = new RelayBench({ files: filesFor(kept) });
    const publisher = bench.join('p');
    const members = ['1', '2'].map((name) => member(bench, name, 'g@a'));
    const plain = member(bench, '3', 'a');
    const size = batchDataOf(['text', 2, 3]).length;
    publisher.send(publisher.filed('a', { number: 7, size, count: 4 }, flags));
    const gaps = [...members, plain].map((peer) => peer.dataOf('gap'));
    const gap = missed === undefined ? { id: 1 } : { id: 1, missed };
    expect(gaps).toEqual([[gap], [], [gap]]);
    publisher.publish('a', 5);
    expect([...members, plain].map(dataOf)).toEqual([[5], [], [5]]);
    for (const peer of [members[0]!, plain]) peer.acknowledge(publisher, 5);
    bench.clock.advance(LAZY_ACK_DELAY);
    expect(settledUpTo(publisher)).toBe(5);
  });

  it('gives to the member with the fewest unacknowledged messages', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [slow, quick] = [member(bench, 'slow', 'g@a'), member(bench, 'quick', 'g@a')];
    for (let i = 0; i < 6; i += 1) {
      publisher.publish('a', i);
      quick.acknowledge(publisher, i + 1);
    }
    expect(dataOf(slow)).toEqual([0]);
    expect(dataOf(quick)).toEqual([1, 2, 3, 4, 5]);
  });

  it('is one of several: each gets the message, and plain slots get it too', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const peers = [
      member(bench, '1', 'g@a'),
      member(bench, '2', 'h@a'),
      member(bench, '3', 'g@a'),
      member(bench, '4', 'a'),
    ];
    publisher.publish('a', 'x', Flag.confirm | Flag.ackSoon);
    expect(peers.map(dataOf)).toEqual([['x'], ['x'], [], ['x']]);
    expect(notesOf(peers[3]!)).toEqual([]);
    for (const peer of peers) peer.acknowledge(publisher, 1);
    expect(receiptsOf(publisher)).toMatchObject([{ sequence: 1, receivers: 3 }]);
  });

  it('is one whatever the patterns of its members are', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const peers = [member(bench, '1', 'g@a.*'), member(bench, '2', 'g@a.>')];
    publisher.publish('a.b', 1);
    publisher.publish('a.b', 2);
    publisher.publish('a.b.c', 3);
    expect(peers.map(dataOf)).toEqual([[1], [2, 3]]);
  });

  it('shares a frame with the plain slots of the same peer, named in one NOTE', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const peer = member(bench, '1', 'a', 'g@a', '>', 'h@a');
    publisher.publish('a', 'x');
    expect(dataOf(peer)).toEqual(['x']);
    expect(notesOf(peer)).toEqual([{ slots: [2, 4, 1, 3] }]);
  });

  it('keeps the order of a publisher between messages for it and for others', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const peer = member(bench, '1', 'g@a', 'b');
    publisher.send(...['b', 'b', 'a', 'b', 'a', 'a', 'b'].map((subject, i) => publisher.message(subject, i)));
    expect(dataOf(peer)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(peer.of('note')).toHaveLength(3);
  });

  it('has the messages of a batch shared out one by one', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const peers = [member(bench, '1', 'g@a'), member(bench, '2', 'g@a', 'a'), member(bench, '3', 'a')];
    publisher.publish('b', 0);
    publisher.send(publisher.batch('a', [1, 2, 3, 4]));
    expect(peers.map(dataOf)).toEqual([
      [1, 3],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
    expect(peers[2]!.messages.map(({ sequence }) => sequence)).toEqual([2, 3, 4, 5]);
    const [first] = peers[2]!.messages;
    expect(peers[1]!.messages.map(({ order }) => order - first!.order)).toEqual([0, 1, 2, 3]);
    publisher.publish('a', 5);
    expect(dataOf(peers[0]!)).toEqual([1, 3, 5]);
    for (const peer of peers) peer.acknowledge(publisher, 6);
    bench.clock.advance(LAZY_ACK_DELAY);
    expect(settledUpTo(publisher)).toBe(6);
  });

  it('with echo off passes by the members of the publisher', () => {
    const bench = new RelayBench();
    const publisher = member(bench, 'p', 'g@a');
    const other = member(bench, 'o', 'g@a');
    for (let i = 0; i < 3; i += 1) publisher.publish('a', i, Flag.noEcho);
    expect([dataOf(publisher), dataOf(other)]).toEqual([[], [0, 1, 2]]);
  });

  it('of one peer only, when that peer is addressed', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [one, two] = [member(bench, '1', 'g@a'), member(bench, '2', 'g@a')];
    for (let i = 0; i < 3; i += 1) publisher.send(publisher.message('a', i, { to: two.id }));
    expect([dataOf(one), dataOf(two)]).toEqual([[], [0, 1, 2]]);
    two.crash();
    expect(dataOf(one)).toEqual([]);
  });
});

describe('a member that leaves', () => {
  it.each([
    ['crashes', (peer: BenchPeer) => peer.crash()],
    ['says goodbye', (peer: BenchPeer) => peer.sayGoodbye()],
    ['closes its slot', (peer: BenchPeer) => peer.close(1)],
  ])('%s: what it has not acknowledged goes to another one, marked, in order', (_, leave) => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [leaving, other] = [member(bench, '1', 'g@a'), member(bench, '2', 'g@a')];
    for (let i = 0; i < 6; i += 1) publisher.publish('a', i);
    leaving.acknowledge(publisher, 1);
    const [, second, third] = leaving.messages;
    leave(leaving);
    expect(dataOf(other)).toEqual([1, 3, 5, 2, 4]);
    expect(notesOf(other).slice(3)).toEqual([
      { slots: [1], redelivered: true },
      { slots: [1], redelivered: true },
    ]);
    expect(other.messages.slice(3).map(({ order }) => order)).toEqual([second!.order, third!.order]);
  });

  it('its messages settle when the other one says so, one by one', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [leaving, other] = [member(bench, '1', 'g@a'), member(bench, '2', 'g@a')];
    publisher.publish('a', 1);
    publisher.publish('a', 2, Flag.confirm | Flag.ackSoon);
    const [first] = leaving.messages;
    leaving.crash();
    other.acknowledge(publisher, 2);
    bench.clock.advance(LAZY_ACK_DELAY);
    expect(settledUpTo(publisher)).toBeUndefined();
    acknowledgeOne(other, first!.order);
    expect(settledUpTo(publisher)).toBe(2);
    expect(receiptsOf(publisher)).toMatchObject([{ sequence: 2, receivers: 1 }]);
  });

  it('without another one holds up nobody', () => {
    const bench = new RelayBench();
    const [publisher, only] = [bench.join('p'), member(bench, '1', 'g@a')];
    publisher.publish('a', 1, Flag.confirm | Flag.ackSoon);
    only.crash();
    expect(settledUpTo(publisher)).toBe(1);
  });

  it('has its messages handed on as often as it takes', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const members = ['1', '2', '3'].map((name) => member(bench, name, 'g@a'));
    publisher.publish('a', 'x', Flag.confirm | Flag.ackSoon);
    members[0]!.crash();
    members[1]!.crash();
    expect(members.map(dataOf)).toEqual([['x'], ['x'], ['x']]);
    expect(settledUpTo(publisher)).toBeUndefined();
    acknowledgeOne(members[2]!, members[2]!.messages[0]!.order);
    expect(settledUpTo(publisher)).toBe(1);
  });

  it('leaves nothing to others that outlived its time', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [leaving, other] = [member(bench, '1', 'g@a'), member(bench, '2', 'g@a')];
    publisher.send(publisher.message('a', 'short', { ttl: 100, time: bench.clock.wallTime() }));
    bench.clock.advance(100);
    leaving.crash();
    expect(dataOf(other)).toEqual([]);
  });
});

it('a member that is suspended gets nothing while another one is awake, and what it owes goes there', () => {
  const bench = new RelayBench();
  const publisher = bench.join('p');
  const [asleep, awake] = [member(bench, '1', 'g@a'), member(bench, '2', 'g@a')];
  publisher.publish('a', 0);
  asleep.suspend();
  waitUntilGivenUp(bench, publisher, awake);
  expect(dataOf(awake)).toEqual([0]);
  expect(notesOf(awake)).toEqual([{ slots: [1], redelivered: true }]);
  for (let i = 1; i < 4; i += 1) publisher.publish('a', i);
  expect(dataOf(awake)).toEqual([0, 1, 2, 3]);
});

it('of a batch that was settled in part only the rest is handed out again', () => {
  const bench = new RelayBench();
  const publisher = bench.link('p');
  publisher.join({ lastEpoch: 1, firstUnsettled: 3 });
  const one = member(bench, '1', 'g@a');
  publisher.send(publisher.batch('a', [1, 2, 3, 4], Flag.resent));
  expect(dataOf(one)).toEqual([3, 4]);
});

it('a message that is sent again after a take-over is acknowledged by itself', () => {
  const bench = new RelayBench();
  const publisher = bench.link('p');
  publisher.join({ lastEpoch: 1, firstUnsettled: 5 });
  const one = member(bench, '1', 'g@a');
  const flags = Flag.resent | Flag.confirm | Flag.ackSoon;
  publisher.send(publisher.message('a', 'x', { sequence: 5, flags }));
  expect(notesOf(one)).toEqual([{ slots: [1] }]);
  one.acknowledge(publisher, 5);
  expect(settledUpTo(publisher)).toBeUndefined();
  acknowledgeOne(one, one.messages[0]!.order);
  expect(settledUpTo(publisher)).toBe(5);
});

describe('the files of a publisher that has left', () => {
  it('are needed for as long as a member holds a message of it, also one that had it second', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const one = member(bench, '1', 'g@a');
    const needed = (): boolean => bench.relay.needsFilesOf(publisher.name);
    publisher.publish('a', 0);
    publisher.sayGoodbye();
    expect(needed()).toBe(true);
    const two = member(bench, '2', 'g@a');
    one.crash();
    expect([dataOf(two), needed()]).toEqual([[0], true]);
    acknowledgeOne(two, two.messages[0]!.order);
    expect(needed()).toBe(false);
  });
});

it('a member that had it second and is suspended does not keep it either', () => {
  const bench = new RelayBench();
  const publisher = bench.join('p');
  const [first, second, third] = ['1', '2', '3'].map((name) => member(bench, name, 'g@a'));
  publisher.publish('a', 0);
  first!.crash();
  expect(dataOf(second!)).toEqual([0]);
  second!.suspend();
  waitUntilGivenUp(bench, publisher, third!);
  expect(dataOf(third!)).toEqual([0]);
});

it('a stalled peer whose slot stands beside a group is not told how many it missed when some are sent again', () => {
  const bench = new RelayBench();
  const publisher = bench.link('p');
  publisher.join({ lastEpoch: 1, firstUnsettled: 1 });
  const [awake, asleep] = [member(bench, '1', 'g@a'), member(bench, '2', 'a')];
  publisher.publish('a', 1);
  asleep.suspend();
  waitUntilGivenUp(bench, publisher, awake);
  publisher.publish('a', 2, Flag.resent);
  publisher.publish('a', 3);
  asleep.resume();
  asleep.acknowledge(publisher, 1);
  expect(asleep.dataOf('gap')).toEqual([{ id: 1 }]);
});
