// Batches in the host: relayed as they are, counted as what they hold.
import { describe, expect, it } from 'vitest';
import { WINDOW_FRAMES } from '../../src/limits.js';
import type { GoAway, Settled } from '../../src/wire/control.js';
import { At, encodeFrame, Flag, Kind, writeU64 } from '../../src/wire/frame.js';
import { batchData, batchDataOf } from '../support/batch-data.js';
import { type BenchPeer, RelayBench, waitUntilGivenUp } from './relay-bench.js';

function batch(
  peer: BenchPeer,
  sequence: number,
  values: unknown[] | Buffer,
  { subject = 'a', flags = 0 } = {},
): Buffer {
  const data = Buffer.isBuffer(values) ? values : batchDataOf(values);
  const { bytes: sender } = peer.id;
  return encodeFrame({
    kind: Kind.publish,
    flags: Flag.batch | flags,
    sender,
    sequence,
    subject,
    time: 1,
    data,
  });
}

const of = (count: number) => Array.from({ length: count }, (_, i) => i);
const orders = (peer: BenchPeer) => peer.messages.map(({ order }) => order);
const settled = (peer: BenchPeer) => peer.dataOf('settled').map((data) => (data as Settled).upTo);
const reason = (peer: BenchPeer) => peer.dataOf('goaway').map((data) => (data as GoAway).reason);

describe('a batch', () => {
  it('arrives as the bytes that were sent, with the order of its first message', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    const frame = batch(publisher, 1, of(5));
    publisher.send(frame);
    const [got] = receiver.messages;
    writeU64(frame, At.order, got!.order);
    expect(got!.bytes.equals(frame)).toBe(true);
  });

  it('takes as many orders and sequences as it has messages, whether it is like its neighbours or not', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    publisher.send(
      batch(publisher, 1, of(5)),
      batch(publisher, 6, of(3)),
      batch(publisher, 9, of(2)),
      publisher.message('b', 'single', { sequence: 11 }),
      batch(publisher, 12, of(4), { subject: 'b' }),
      publisher.message('b', 'last', { sequence: 16 }),
    );
    const [first] = orders(receiver);
    expect(orders(receiver).map((order) => order - first!)).toEqual([0, 5, 8, 10, 11, 15]);
    expect(publisher.closed).toBe(false);
  });

  it('is settled message by message', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    publisher.send(batch(publisher, 1, of(9)));
    for (const upTo of [4, 8, 9]) {
      receiver.acknowledge(publisher, upTo);
      bench.clock.advance(300);
    }
    expect(settled(publisher)).toEqual([4, 8, 9]);
  });

  it('like the one before it is settled up to its own last message', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    publisher.send(batch(publisher, 1, of(5)), batch(publisher, 6, of(3)), batch(publisher, 9, of(3)));
    for (const upTo of [10, 11]) {
      receiver.acknowledge(publisher, upTo);
      bench.clock.advance(300);
    }
    expect(settled(publisher)).toEqual([10, 11]);
  });

  it('with a request for an early acknowledgement is settled at once when its last message is', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    publisher.send(batch(publisher, 1, of(9), { flags: Flag.ackSoon }));
    receiver.acknowledge(publisher, 8);
    expect(settled(publisher)).toEqual([]);
    receiver.acknowledge(publisher, 9);
    expect(settled(publisher)).toEqual([9]);
  });

  it('counts whole for a peer that missed it', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    publisher.send(batch(publisher, 1, of(2)));
    receiver.suspend();
    waitUntilGivenUp(bench, publisher);
    publisher.send(
      batch(publisher, 3, of(7)),
      batch(publisher, 10, of(4)),
      publisher.message('a', 1, { sequence: 14 }),
    );
    receiver.resume();
    receiver.acknowledge(publisher, 2);
    expect(receiver.dataOf('gap')).toEqual([{ id: 1, missed: 12 }]);
  });
});

describe('a batch that is sent again', () => {
  it('is dropped when its last message was relayed before', () => {
    const bench = new RelayBench();
    const receiver = bench.join('r', '>');
    const publisher = bench.join('p');
    publisher.send(batch(publisher, 1, of(5)));
    publisher.crash();
    const again = bench.link('p');
    again.join({ firstUnsettled: 3 });
    again.send(
      batch(again, 1, of(5), { flags: Flag.resent }),
      batch(again, 6, of(2), { flags: Flag.resent }),
      batch(again, 8, of(2)),
    );
    expect(receiver.messages.map(({ sequence }) => sequence)).toEqual([1, 6, 8]);
    receiver.acknowledge(again, 9);
    bench.clock.advance(300);
    expect(settled(again)).toEqual([9]);
  });

  it('to a new host is relayed whole although its first messages were settled, and settles the rest', () => {
    const bench = new RelayBench();
    const receiver = bench.join('r', '>');
    const publisher = bench.link('p');
    publisher.join({ firstUnsettled: 4 });
    publisher.send(batch(publisher, 1, of(5), { flags: Flag.resent }), batch(publisher, 6, of(2)));
    expect(receiver.messages.map(({ sequence }) => sequence)).toEqual([1, 6]);
    receiver.acknowledge(publisher, 3);
    bench.clock.advance(300);
    expect(settled(publisher)).toEqual([]);
    receiver.acknowledge(publisher, 7);
    bench.clock.advance(300);
    expect(settled(publisher)).toEqual([7]);
  });
});

describe('a window', () => {
  const least = (count: number) => batchData(Array.from({ length: count }, () => Buffer.of(1)));

  it('is as many messages in batches as it is singly', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    publisher.send(batch(publisher, 1, least(WINDOW_FRAMES)));
    receiver.acknowledge(publisher, 10);
    bench.clock.advance(300);
    publisher.send(batch(publisher, WINDOW_FRAMES + 1, least(10)));
    expect(receiver.messages).toHaveLength(2);
    expect(publisher.closed).toBe(false);
    publisher.send(publisher.message('a', 1, { sequence: WINDOW_FRAMES + 11 }));
    expect(reason(publisher)).toEqual([
      `message ${WINDOW_FRAMES + 11} came when only those up to 10 were settled`,
    ]);
  });

  it.each([
    ['at once', 1, 0],
    ['in batches that are alike', 4, 0],
    ['with the last message of a batch', 4, 1],
  ])('that is left %s ends the link', (_, parts, more) => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    const count = WINDOW_FRAMES / parts;
    const frames = of(parts).map((i) =>
      batch(publisher, 1 + i * count, least(i === parts - 1 ? count + more : count)),
    );
    publisher.send(...frames, batch(publisher, WINDOW_FRAMES + 1, least(1)));
    expect(reason(publisher)).toEqual([
      `message ${WINDOW_FRAMES + 1} came when only those up to 0 were settled`,
    ]);
    expect(receiver.closed).toBe(false);
  });
});

describe('a sequence that does not rise', () => {
  it.each([
    ['a batch that begins below what was relayed', 3, 0],
    ['a batch that begins with message 0', 0, 0],
    ['a batch that begins with message 0, as if sent again', 0, Flag.resent],
  ])('ends the link: %s', (_, sequence, flags) => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    publisher.send(batch(publisher, 1, of(5)), batch(publisher, sequence, of(9), { flags }));
    expect(reason(publisher)).toEqual([`message ${sequence} came after message 5`]);
    expect(receiver.messages.every((message) => message.sequence === 1)).toBe(true);
  });
});
