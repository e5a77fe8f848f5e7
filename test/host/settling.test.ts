// The accounts of publishers: what is settled, when they are told, and who holds them up.
import { describe, expect, it } from 'vitest';
import { LAZY_ACK_DELAY, PEER_STALL_TIMEOUT, PING_INTERVAL } from '../../src/limits.js';
import { Flag } from '../../src/wire/frame.js';
import { isPending } from '../support/waiting.js';
import { type BenchPeer, RelayBench, waitUntilGivenUp } from './relay-bench.js';

function settledUpTo(peer: BenchPeer): number | undefined {
  return (peer.of('settled').at(-1)?.data as { upTo: number } | undefined)?.upTo;
}

function receipts(peer: BenchPeer): unknown[] {
  return peer.of('settled').flatMap(({ data }) => (data as { receipts: unknown[] }).receipts);
}

describe('settling', () => {
  it('is told lazily when nobody asked', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    publisher.publish('a', 1);
    bench.clock.advance(LAZY_ACK_DELAY * 2);
    expect(settledUpTo(publisher)).toBeUndefined();
    receiver.acknowledge(publisher, 1);
    expect(settledUpTo(publisher)).toBeUndefined();
    bench.clock.advance(LAZY_ACK_DELAY);
    expect(settledUpTo(publisher)).toBe(1);
  });

  it('is told before the goodbye when the host closes: the next one is not sent what this one had settled', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    for (let i = 0; i < 3; i += 1) publisher.publish('a', i);
    receiver.acknowledge(publisher, 2);
    void bench.relay.close('closed', '');
    bench.clock.settle();
    expect(settledUpTo(publisher)).toBe(2);
    expect(publisher.got.slice(-2).map(({ kind }) => kind)).toEqual(['settled', 'goaway']);
  });

  it('is asked for when the host is about to close, and waited for, but not for ever', async () => {
    const bench = new RelayBench();
    const [publisher, receiver, owing] = [bench.join('p'), bench.join('r', 'a'), bench.join('o', 'b')];
    publisher.publish('a', 1);
    const settled = bench.relay.whenSettled(50);
    bench.clock.settle();
    expect(receiver.of('ack')).toHaveLength(1);
    expect(await isPending(settled)).toBe(true);
    receiver.acknowledge(publisher, 1);
    await settled;
    expect(settledUpTo(publisher)).toBe(1);
    publisher.publish('b', 2);
    const late = bench.relay.whenSettled(50);
    bench.clock.advance(49);
    expect(owing.of('ack')).toHaveLength(1);
    expect(await isPending(late)).toBe(true);
    bench.clock.advance(1);
    await late;
    expect(settledUpTo(publisher)).toBe(1);
  });

  it('is not waited for where nobody owes anything', async () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    publisher.publish('a', 1);
    receiver.acknowledge(publisher, 1);
    await bench.relay.whenSettled(50);
    bench.clock.settle();
    expect(settledUpTo(publisher)).toBe(1);
  });

  it('is told at once for a confirm, with the number of receivers', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [one, two] = [bench.join('1', 'a'), bench.join('2', '>')];
    publisher.publish('a', 1, Flag.confirm | Flag.ackSoon);
    one.acknowledge(publisher, 1);
    expect(settledUpTo(publisher)).toBeUndefined();
    two.acknowledge(publisher, 1);
    expect(settledUpTo(publisher)).toBe(1);
    expect(receipts(publisher)).toEqual([{ sequence: 1, receivers: 2, order: one.messages[0]!.order }]);
  });

  it('follows the slowest receiver', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p');
    const [one, two] = [bench.join('1', 'a'), bench.join('2', 'a')];
    for (let i = 0; i < 10; i += 1) publisher.publish('a', i);
    one.acknowledge(publisher, 10);
    two.acknowledge(publisher, 4);
    bench.clock.advance(LAZY_ACK_DELAY);
    expect(settledUpTo(publisher)).toBe(4);
  });

  it('does not wait for a receiver that had only the earlier messages of a chunk', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    publisher.send(
      publisher.message('a', 1),
      publisher.message('a', 2),
      publisher.message('nobody', 3, { flags: Flag.confirm | Flag.ackSoon }),
    );
    receiver.acknowledge(publisher, 2);
    expect(settledUpTo(publisher)).toBe(3);
  });

  it('asks for acknowledgements those that did not see the request themselves', () => {
    const bench = new RelayBench();
    const [publisher, early, late] = [bench.join('p'), bench.join('1', 'a'), bench.join('2', 'a', 'b')];
    publisher.publish('a', 1);
    publisher.publish('b', 2, Flag.confirm | Flag.ackSoon);
    expect(early.of('ack')).toHaveLength(1);
    expect(early.dataOf('ack')).toEqual([[Uint8Array.from(publisher.id.bytes)]]);
    expect(late.of('ack')).toHaveLength(0);
  });

  it('a receiver that leaves holds nobody up', () => {
    const bench = new RelayBench();
    const [publisher, polite, dead] = [bench.join('p'), bench.join('1', 'a'), bench.join('2', 'a')];
    publisher.publish('a', 1, Flag.confirm | Flag.ackSoon);
    polite.sayGoodbye();
    expect(settledUpTo(publisher)).toBeUndefined();
    dead.crash();
    expect(settledUpTo(publisher)).toBe(1);
  });

  it('a message for a peer that is not there says so in its receipt', () => {
    const bench = new RelayBench();
    const [publisher, gone] = [bench.join('p'), bench.join('g')];
    gone.crash();
    publisher.send(publisher.message('a', 1, { to: gone.id }));
    expect(receipts(publisher)).toMatchObject([{ sequence: 1, receivers: 0, code: 'MAILSLOT_NO_SUCH_PEER' }]);
  });

  it('a confirm that is sent again after a lost link gets its receipt again', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    const flags = Flag.confirm | Flag.ackSoon;
    publisher.publish('a', 1, flags);
    receiver.acknowledge(publisher, 1);
    const expected = receipts(publisher);
    publisher.crash();
    const again = bench.link('p');
    again.join({ firstUnsettled: 1 });
    again.send(again.message('a', 1, { sequence: 1, flags: flags | Flag.resent }));
    expect(receipts(again)).toEqual(expected);
    expect(receiver.messages).toHaveLength(1);
  });
});

describe('a receiver that is suspended', () => {
  function stalledBus(): { bench: RelayBench; publisher: BenchPeer; receiver: BenchPeer; other: BenchPeer } {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a.*', 'a.b')];
    const other = bench.join('o', 'a.*');
    publisher.publish('a.b', 1);
    other.acknowledge(publisher, 1);
    receiver.suspend();
    waitUntilGivenUp(bench, publisher, other);
    return { bench, publisher, receiver, other };
  }

  it('is asked whether it lives, and then held responsible for nothing', () => {
    const { publisher, receiver } = stalledBus();
    expect(settledUpTo(publisher)).toBe(1);
    receiver.resume();
    expect(receiver.of('ping').length).toBeGreaterThan(PEER_STALL_TIMEOUT / PING_INTERVAL / 2);
  });

  it('is counted out of receipts, and costs nobody another wait', () => {
    const { publisher, other } = stalledBus();
    publisher.publish('a.b', 2, Flag.confirm | Flag.ackSoon);
    other.acknowledge(publisher, 2);
    expect(receipts(publisher)).toMatchObject([{ sequence: 2, receivers: 1 }]);
    expect(other.messages.map(({ data }) => data)).toEqual([1, 2]);
  });

  it('learns slot by slot how many messages it missed, and gets everything from then on', () => {
    const { publisher, receiver } = stalledBus();
    for (let i = 0; i < 5; i += 1) publisher.publish('a.b', i);
    for (let i = 0; i < 3; i += 1) publisher.publish('a.c', i);
    receiver.resume();
    receiver.acknowledge(publisher, 1);
    expect(receiver.dataOf('gap')).toEqual([
      { id: 1, missed: 8 },
      { id: 2, missed: 5 },
    ]);
    publisher.publish('a.b', 'after');
    expect(receiver.messages.map(({ data }) => data)).toEqual([1, 'after']);
    receiver.acknowledge(publisher, publisher.of('settled').length + 100);
    expect(receiver.of('gap')).toHaveLength(2);
  });

  it('is told of an unknown number when some of it was sent before: it may have had that', () => {
    const { publisher, receiver } = stalledBus();
    publisher.publish('a.b', 2);
    publisher.publish('a.c', 3, Flag.resent);
    publisher.publish('a.c', 4);
    receiver.resume();
    receiver.acknowledge(publisher, 1);
    expect(receiver.dataOf('gap')).toEqual([{ id: 1 }, { id: 2, missed: 1 }]);
  });

  it('is not judged by a host that was suspended itself', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    publisher.publish('a', 1);
    bench.clock.jump(3_600_000);
    expect(bench.relay.peers).toBe(2);
    publisher.publish('a', 2);
    expect(receiver.messages.map(({ data }) => data)).toEqual([1, 2]);
  });

  it('that owes nothing may be silent: its debt to a publisher that left is forgiven', () => {
    const bench = new RelayBench();
    const [leaving, publisher, receiver] = [bench.join('l'), bench.join('p'), bench.join('r', 'a')];
    leaving.publish('a', 1);
    leaving.sayGoodbye();
    for (let waited = 0; waited < PEER_STALL_TIMEOUT * 2; waited += 1_000) {
      bench.clock.advance(1_000);
      publisher.pong();
    }
    publisher.publish('a', 2);
    expect(receiver.messages.map(({ data }) => data)).toEqual([1, 2]);
  });

  /** It was sent more than the system takes for it, and reads `often` ms apart while a minute passes. */
  function slowReader(often: number): BenchPeer {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    receiver.suspend();
    for (let i = 0; i < 200; i += 1) publisher.publish('a', 'x'.repeat(4_096));
    for (let passed = 0; passed < 60_000; passed += 1_000) {
      bench.clock.advance(1_000);
      publisher.pong();
      receiver.pong();
      if (passed % often === 0) receiver.readOne();
    }
    publisher.publish('a', 'last');
    receiver.resume();
    receiver.acknowledge(publisher, 1);
    return receiver;
  }

  it('that reads a little now and then is slow, and gets everything', () => {
    const receiver = slowReader(8_000);
    expect(receiver.messages).toHaveLength(201);
    expect(receiver.of('gap')).toEqual([]);
  });

  it('that talks and reads nothing is stalled, and told what it missed', () => {
    const receiver = slowReader(60_000);
    expect(receiver.messages).toHaveLength(200);
    expect(receiver.dataOf('gap')).toEqual([{ id: 1, missed: 1 }]);
  });

  it('that answers PING is slow, not stalled', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    publisher.publish('a', 1);
    for (let i = 0; i < 60; i += 1) {
      bench.clock.advance(1_000);
      receiver.pong();
    }
    publisher.publish('a', 2);
    expect(receiver.messages).toHaveLength(2);
    expect(settledUpTo(publisher)).toBeUndefined();
  });
});

it('many active publishers share the budget of the host', () => {
  const bench = new RelayBench();
  const receiver = bench.join('r', 'a');
  const publishers = Array.from({ length: 64 }, (_, i) => bench.join(`p${i}`));
  for (const publisher of publishers) publisher.publish('a', 1);
  bench.clock.advance(1_000);
  for (const publisher of publishers) {
    publisher.publish('a', 2, Flag.confirm | Flag.ackSoon);
    receiver.acknowledge(publisher, 2);
    const granted = (publisher.of('settled').at(-1)!.data as { windowBytes: number }).windowBytes;
    expect(granted).toBe(1024 * 1024);
  }
});
