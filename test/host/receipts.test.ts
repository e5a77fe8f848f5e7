// What a receipt says: the peers that have taken the message and said so, however many were handed it.
import { describe, expect, it } from 'vitest';
import { controlFrame, type SlotSpec } from '../../src/wire/control.js';
import { Flag } from '../../src/wire/frame.js';
import { type BenchPeer, EPOCH, type Got, RelayBench, waitUntilGivenUp } from './relay-bench.js';

const CONFIRM = Flag.confirm | Flag.ackSoon;

interface Receipt {
  sequence: number;
  receivers: number;
  order: number;
}

function receiptsOf(peer: BenchPeer): Receipt[] {
  return peer.of('settled').flatMap(({ data }) => (data as { receipts: Receipt[] }).receipts);
}

/** `[sequence, receivers]` of each receipt. */
const counts = (peer: BenchPeer): number[][] =>
  receiptsOf(peer).map(({ sequence, receivers }) => [sequence, receivers]);

/** A peer with a member of the group `g` on `a`, and slots on other patterns. */
function member(bench: RelayBench, name: string, ...patterns: string[]): BenchPeer {
  const peer = bench.link(name);
  const plain = patterns.map((pattern, i): SlotSpec => ({ id: i + 2, role: 'slot', pattern }));
  peer.join({ slots: [{ id: 1, role: 'slot', pattern: 'a', group: 'g' }, ...plain] });
  return peer;
}

const acknowledgeOne = (peer: BenchPeer, order: number): void =>
  peer.send(controlFrame('ACK', peer.id.bytes, [{ order }]));

describe('a receipt counts no receiver', () => {
  it.each([
    ['crashes', (peer: BenchPeer) => peer.crash()],
    ['says goodbye', (peer: BenchPeer) => peer.sayGoodbye()],
    ['breaks the protocol', (peer: BenchPeer) => peer.join()],
  ])('that %s before it has acknowledged the message', (_, leave) => {
    const bench = new RelayBench();
    const [publisher, leaving, staying] = [bench.join('p'), bench.join('1', 'a'), bench.join('2', 'a')];
    publisher.publish('a', 1, CONFIRM);
    leave(leaving);
    expect(counts(publisher)).toEqual([]);
    staying.acknowledge(publisher, 1);
    expect(counts(publisher)).toEqual([[1, 1]]);
  });

  it('that is replaced by another link of the same peer', () => {
    const bench = new RelayBench();
    const [publisher, staying] = [bench.join('p'), bench.join('1', 'a')];
    bench.join('2', 'a');
    publisher.publish('a', 1, CONFIRM);
    const again = bench.join('2', 'a');
    // what it says now is about what it read since
    publisher.publish('b', 2);
    again.acknowledge(publisher, 2);
    staying.acknowledge(publisher, 2);
    expect(counts(publisher)).toEqual([[1, 1]]);
  });

  it('that is given up because it is silent', () => {
    const bench = new RelayBench();
    const [publisher, asleep, awake] = [bench.join('p'), bench.join('1', 'a'), bench.join('2', 'a')];
    publisher.publish('a', 1, CONFIRM);
    awake.acknowledge(publisher, 1);
    asleep.suspend();
    waitUntilGivenUp(bench, publisher, awake);
    expect(counts(publisher)).toEqual([[1, 1]]);
  });

  it('whatever the number of those that leave', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const receivers = Array.from({ length: 6 }, (_, i) => bench.join(`r${i}`, 'a'));
    publisher.publish('a', 1, CONFIRM);
    for (const receiver of receivers) receiver.crash();
    expect(counts(publisher)).toEqual([[1, 0]]);
  });
});

describe('a receipt counts a receiver', () => {
  it('that leaves after it has acknowledged the message, and for no later one', () => {
    const bench = new RelayBench();
    const [publisher, leaving, staying] = [bench.join('p'), bench.join('1', 'a'), bench.join('2', 'a')];
    for (let number = 1; number <= 4; number += 1) publisher.publish('a', number, CONFIRM);
    leaving.acknowledge(publisher, 2);
    leaving.crash();
    staying.acknowledge(publisher, 4);
    expect(counts(publisher)).toEqual([
      [1, 2],
      [2, 2],
      [3, 1],
      [4, 1],
    ]);
  });

  it('that left, for what it had acknowledged before it was handed more', () => {
    const bench = new RelayBench();
    const [publisher, leaving, staying] = [bench.join('p'), bench.join('1', 'a', 'b'), bench.join('2', 'a')];
    publisher.publish('a', 1, CONFIRM);
    leaving.acknowledge(publisher, 1);
    publisher.publish('b', 2);
    leaving.crash();
    publisher.publish('a', 3, CONFIRM);
    staying.acknowledge(publisher, 3);
    expect(counts(publisher)).toEqual([
      [1, 2],
      [3, 1],
    ]);
  });

  it('that was given up and comes back with its acknowledgement while others are waited for', () => {
    const bench = new RelayBench();
    const [publisher, asleep, slow] = [bench.join('p'), bench.join('1', 'a'), bench.join('2', 'a')];
    publisher.publish('a', 1, CONFIRM);
    publisher.publish('a', 2, CONFIRM);
    asleep.suspend();
    waitUntilGivenUp(bench, publisher, slow);
    // this one it is not handed any more
    publisher.publish('a', 3, CONFIRM);
    asleep.resume();
    asleep.acknowledge(publisher, 1);
    publisher.publish('a', 4, CONFIRM);
    asleep.crash();
    slow.acknowledge(publisher, 4);
    expect(counts(publisher)).toEqual([
      [1, 2],
      [2, 1],
      [3, 1],
      [4, 1],
    ]);
  });

  it('that after a take-over has acknowledged more than it was handed again', () => {
    const bench = new RelayBench();
    const publisher = bench.link('p');
    publisher.join({ lastEpoch: EPOCH - 1, firstUnsettled: 1 });
    const [ahead, behind] = [bench.join('1', 'a'), bench.join('2', 'a')];
    const resend = (sequence: number) =>
      publisher.send(publisher.message('a', sequence, { sequence, flags: CONFIRM | Flag.resent }));
    resend(1);
    ahead.acknowledge(publisher, 2);
    for (const sequence of [2, 3]) resend(sequence);
    ahead.crash();
    behind.acknowledge(publisher, 3);
    expect(counts(publisher)).toEqual([
      [1, 2],
      [2, 2],
      [3, 1],
    ]);
  });
});

describe('of a group a receipt counts', () => {
  it.each([
    ['crashes', (peer: BenchPeer) => peer.crash()],
    ['closes its slot', (peer: BenchPeer) => peer.close(1)],
  ])('the member that has taken the message, not the one that %s', (_, leave) => {
    const bench = new RelayBench();
    const [publisher, beside] = [bench.join('p'), bench.join('b', 'a')];
    const [leaving, other] = [member(bench, '1'), member(bench, '2')];
    publisher.publish('a', 1, CONFIRM);
    const [{ order }] = leaving.messages as [Got];
    leave(leaving);
    if (!leaving.closed) leaving.acknowledge(publisher, 1);
    beside.acknowledge(publisher, 1);
    expect(counts(publisher)).toEqual([]);
    acknowledgeOne(other, order);
    expect(counts(publisher)).toEqual([[1, 2]]);
  });

  it('nobody when no member is left', () => {
    const bench = new RelayBench();
    const [publisher, only] = [bench.join('p'), member(bench, '1')];
    publisher.publish('a', 1, CONFIRM);
    only.crash();
    expect(counts(publisher)).toEqual([[1, 0]]);
  });

  it('nobody when the last one that it was passed on to dies, too', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const members = ['1', '2', '3'].map((name) => member(bench, name));
    publisher.publish('a', 1, CONFIRM);
    for (const one of members) one.crash();
    expect(counts(publisher)).toEqual([[1, 0]]);
  });

  it('a peer once, although a slot beside the group has taken the message before', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [leaving, other] = [member(bench, '1'), member(bench, '2', 'a')];
    publisher.publish('a', 1, CONFIRM);
    const [{ order }] = leaving.messages as [Got];
    other.acknowledge(publisher, 1);
    leaving.crash();
    acknowledgeOne(other, order);
    expect(counts(publisher)).toEqual([[1, 1]]);
  });

  it('a peer that took the message beside the group, and died with the one that was passed on to it', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [leaving, other] = [member(bench, '1'), member(bench, '2', 'a')];
    publisher.publish('a', 1, CONFIRM);
    other.acknowledge(publisher, 1);
    leaving.crash();
    other.crash();
    expect(counts(publisher)).toEqual([[1, 1]]);
  });

  it('the member that has taken what was sent again after a take-over', () => {
    const bench = new RelayBench();
    const publisher = bench.link('p');
    publisher.join({ lastEpoch: EPOCH - 1, firstUnsettled: 5 });
    const [leaving, other] = [member(bench, '1'), member(bench, '2')];
    const flags = CONFIRM | Flag.resent;
    for (const sequence of [5, 6]) publisher.send(publisher.message('a', 'x', { sequence, flags }));
    const [first, second] = [leaving.messages[0]!, other.messages[0]!];
    leaving.crash();
    acknowledgeOne(other, second.order);
    expect(counts(publisher)).toEqual([]);
    acknowledgeOne(other, first.order);
    expect(counts(publisher)).toEqual([
      [5, 1],
      [6, 1],
    ]);
  });

  it('the member that is awake when the other one is given up', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [asleep, awake] = [member(bench, '1'), member(bench, '2')];
    publisher.publish('a', 1, CONFIRM);
    const [{ order }] = asleep.messages as [Got];
    asleep.suspend();
    waitUntilGivenUp(bench, publisher, awake);
    acknowledgeOne(awake, order);
    expect(counts(publisher)).toEqual([[1, 1]]);
  });
});

describe('a receipt that is asked for again on a new link', () => {
  const resend = (peer: BenchPeer, sequence: number): void =>
    peer.send(peer.message('a', sequence, { sequence, flags: CONFIRM | Flag.resent }));

  it('counts who left meanwhile as little as the first one', () => {
    const bench = new RelayBench();
    const [publisher, leaving, staying] = [bench.join('p'), bench.join('1', 'a'), bench.join('2', 'a')];
    for (const number of [1, 2]) publisher.publish('a', number, CONFIRM);
    leaving.acknowledge(publisher, 1);
    staying.acknowledge(publisher, 1);
    const [first] = receiptsOf(publisher);
    publisher.crash();
    leaving.crash();
    const again = bench.link('p');
    again.join({ lastEpoch: EPOCH, firstUnsettled: 1 });
    for (const sequence of [1, 2]) resend(again, sequence);
    expect(receiptsOf(again)).toEqual([first]);
    staying.acknowledge(publisher, 2);
    expect(counts(again)).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });
});
