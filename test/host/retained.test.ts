// Last values as the host keeps them: who gets them, what replaces what, how much fits, and when they count as kept.
import { beforeEach, describe, expect, it } from 'vitest';
import type { RetainedStore } from '../../src/host/retained.js';
import { MAX_RETAINED_BYTES, MAX_RETAINED_VALUES, RETAINED_FILE_SLACK_BYTES } from '../../src/limits.js';
import { Flag } from '../../src/wire/frame.js';
import { type BenchPeer, RelayBench } from './relay-bench.js';

/** A store in memory that can fail. */
class MemoryStore implements RetainedStore {
  bytes: Buffer = Buffer.alloc(0);
  isFull = false;
  isRemoved = false;
  rewrites = 0;

  get size(): number {
    return this.bytes.length;
  }

  append(parts: readonly Uint8Array[]): void {
    if (this.isFull) {
      // as a disk does: half of it
      this.bytes = Buffer.concat([this.bytes, parts[0]!.subarray(0, 20)]);
      throw new Error('ENOSPC');
    }
    this.bytes = Buffer.concat([this.bytes, ...parts]);
  }

  rewrite(parts: readonly Uint8Array[]): void {
    if (this.isFull) throw new Error('ENOSPC');
    this.bytes = Buffer.concat(parts);
    this.rewrites += 1;
  }

  close(): void {}

  remove(): void {
    this.isRemoved = true;
  }
}

let store: MemoryStore;
let bench: RelayBench;

/** A host, with what an earlier one left. */
function host(left: Buffer = Buffer.alloc(0)): RelayBench {
  const next = new RelayBench({ opened: false });
  store = new MemoryStore();
  next.relay.retainIn(store, left);
  next.relay.openGate(1);
  return next;
}

/** A peer with one slot that wants retained values. */
function subscriber(on: RelayBench, name: string, pattern = '>'): BenchPeer {
  const peer = on.link(name);
  peer.join({ slots: [{ id: 1, role: 'slot', pattern, retained: true, new: true }] });
  return peer;
}

/** What a late subscriber gets. */
function kept(on: RelayBench, pattern = '>'): unknown[] {
  const late = subscriber(on, 'late', pattern);
  const found = late.messages.map(({ subject, data }) => [subject, data]);
  expect(late.dataOf('note')).toEqual(found.map(() => ({ slots: [1], retained: true })));
  late.sayGoodbye();
  return found;
}

function settledUpTo(peer: BenchPeer): number | undefined {
  return (peer.of('settled').at(-1)?.data as { upTo: number } | undefined)?.upTo;
}

beforeEach(() => {
  bench = host();
});

describe('a retained value', () => {
  it('is the last one of its subject', () => {
    const publisher = bench.join('p');
    publisher.publish('a', 1, Flag.retain);
    publisher.publish('a', 2, Flag.retain);
    publisher.publish('b', 3, Flag.retain);
    publisher.publish('a', 'not kept');
    expect(kept(bench)).toEqual([
      ['a', 2],
      ['b', 3],
    ]);
    expect(kept(bench, 'b')).toEqual([['b', 3]]);
    expect(kept(bench, 'c')).toEqual([]);
  });

  it('comes behind SLOT opened and before everything new', () => {
    const [publisher, receiver] = [bench.join('p'), bench.join('r')];
    publisher.publish('a', 'old', Flag.retain);
    receiver.open('slot', 'a', 7);
    expect(receiver.messages).toHaveLength(0);
    receiver.openSlot({ id: 8, pattern: 'a', retained: true });
    publisher.publish('a', 'new');
    expect(receiver.got.map(({ kind }) => kind).slice(-4)).toEqual(['slot', 'note', 'publish', 'publish']);
    expect(receiver.dataOf('note')).toEqual([{ slots: [8], retained: true }]);
    expect(receiver.messages.map(({ data }) => data)).toEqual(['old', 'new']);
  });

  it('is cleared by undefined, headers or not', () => {
    const publisher = bench.join('p');
    publisher.publish('a', 1, Flag.retain);
    publisher.publish('b', [undefined], Flag.retain);
    publisher.publish('a', undefined, Flag.retain);
    expect(kept(bench)).toEqual([['b', [undefined]]]);
    expect(kept(host(store.bytes))).toEqual([['b', [undefined]]]);
  });

  it('is not for members of a group', () => {
    const publisher = bench.join('p');
    publisher.publish('a', 1, Flag.retain);
    const member = bench.link('m');
    const spec = { role: 'slot', pattern: 'a', retained: true } as const;
    member.join({
      slots: [
        { ...spec, id: 1, group: 'g' },
        { ...spec, id: 2 },
      ],
    });
    expect(member.dataOf('note')).toEqual([{ slots: [2], retained: true }]);
  });

  it('is not for its publisher when echo is off', () => {
    const publisher = bench.join('p');
    publisher.publish('a', 1, Flag.retain | Flag.noEcho);
    publisher.openSlot({ id: 1, pattern: 'a', retained: true });
    expect(publisher.messages).toHaveLength(0);
    expect(kept(bench)).toEqual([['a', 1]]);
  });

  it('is not handed out when it has outlived its time', () => {
    const publisher = bench.join('p');
    const time = bench.clock.wallTime();
    publisher.send(publisher.message('a', 1, { flags: Flag.retain, ttl: 500, time }));
    bench.clock.advance(499);
    expect(kept(bench)).toEqual([['a', 1]]);
    bench.clock.advance(1);
    expect(kept(bench)).toEqual([]);
  });

  it('is not repeated to a slot that another host has served, unless messages may have passed it by', () => {
    bench.join('p').publish('a', 1, Flag.retain);
    const next = new RelayBench({ opened: false });
    next.relay.retainIn(new MemoryStore(), store.bytes);
    const slots = [{ id: 1, role: 'slot', pattern: 'a', retained: true, new: false }] as const;
    const inTime = next.link('in time');
    inTime.join({ lastEpoch: 1, slots: [...slots] });
    next.relay.openGate(1);
    const late = next.link('late');
    late.join({ lastEpoch: 1, slots: [...slots] });
    expect(inTime.messages).toHaveLength(0);
    expect(late.messages.map(({ data }) => data)).toEqual([1]);
    expect(late.dataOf('gap')).toEqual([{ id: 1 }]);
  });
});

describe('the next host', () => {
  it('has the values, and its orders are higher', () => {
    const publisher = bench.join('p');
    publisher.publish('a', 1, Flag.retain);
    publisher.publish('b', 2, Flag.retain);
    const next = host(store.bytes);
    expect(kept(next)).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(kept(host(store.bytes))).toHaveLength(2);
  });

  it('takes what is whole of a file that ends in the middle of a frame', () => {
    const publisher = bench.join('p');
    for (let i = 0; i < 3; i += 1) publisher.publish(`a${i}`, i, Flag.retain);
    for (let cut = 1; cut < store.bytes.length; cut += 7) {
      const values = kept(host(store.bytes.subarray(0, store.bytes.length - cut)));
      expect(values).toEqual(['a0', 'a1', 'a2'].slice(0, values.length).map((subject, i) => [subject, i]));
    }
    expect(
      kept(host(Buffer.from('no frames at all, whatever that may be; but long enough to be some'))),
    ).toEqual([]);
  });

  it.each([
    ['as it was written', (bytes: Buffer) => bytes],
    [
      'written anew by one host in between',
      (bytes: Buffer) => {
        host(bytes);
        return store.bytes;
      },
    ],
  ])('lets no resent old value replace a newer one: %s', (_, through) => {
    const [one, two] = [bench.join('1'), bench.join('2')];
    one.publish('a', 'older', Flag.retain);
    two.publish('a', 'newer', Flag.retain);
    two.publish('b', 'gone', Flag.retain);
    two.publish('b', undefined, Flag.retain);
    const next = host(through(store.bytes));
    const [first, second] = [next.link('1'), next.link('2')];
    for (const peer of [first, second]) peer.join({ lastEpoch: 1, firstUnsettled: 1 });
    const flags = Flag.retain | Flag.resent;
    second.send(second.message('a', 'newer', { flags }), second.message('b', 'gone', { flags }));
    first.send(first.message('a', 'older', { flags }));
    expect(kept(next)).toEqual([['a', 'newer']]);
    first.publish('a', 'newest', Flag.retain);
    expect(kept(next)).toEqual([['a', 'newest']]);
  });

  it('finds nothing when the last peer has left', () => {
    const publisher = bench.join('p');
    publisher.publish('a', 1, Flag.retain);
    publisher.sayGoodbye();
    bench.relay.close('closed', '');
    expect(store.isRemoved).toBe(true);
  });

  it('finds the values when somebody is left', () => {
    bench.join('p').publish('a', 1, Flag.retain);
    bench.relay.close('closed', '');
    expect(store.isRemoved).toBe(false);
  });
});

describe('the store', () => {
  it('a retained message settles only when it is written there', () => {
    const publisher = bench.join('p');
    const flags = Flag.retain | Flag.confirm | Flag.ackSoon;
    publisher.publish('a', 1, flags);
    expect(settledUpTo(publisher)).toBe(1);
    store.isFull = true;
    publisher.publish('a', 2, flags);
    publisher.publish('a', 3, flags);
    bench.clock.advance(2_000);
    expect(settledUpTo(publisher)).toBe(1);
    store.isFull = false;
    bench.clock.advance(1_000);
    expect(settledUpTo(publisher)).toBe(3);
    expect(kept(host(store.bytes))).toEqual([['a', 3]]);
  });

  it('gets one write for a chunk', () => {
    const publisher = bench.join('p');
    let writes = 0;
    const { append } = store;
    store.append = (parts) => {
      writes += 1;
      append.call(store, parts);
    };
    publisher.send(
      ...Array.from({ length: 50 }, (_, i) => publisher.message(`a${i}`, i, { flags: Flag.retain })),
    );
    expect(writes).toBe(1);
    expect(kept(host(store.bytes))).toHaveLength(50);
  });

  it('is written anew when most of it is out of date', () => {
    const publisher = bench.join('p');
    const big = Buffer.alloc(1024 * 1024);
    const before = store.rewrites;
    for (let i = 0; i < 20; i += 1) {
      publisher.publish('a', big, Flag.retain);
      bench.clock.advance(1);
    }
    expect(store.rewrites).toBeGreaterThan(before);
    expect(store.size).toBeLessThan(RETAINED_FILE_SLACK_BYTES + 3 * big.length);
    expect(kept(host(store.bytes))).toHaveLength(1);
  });
});

describe('the quota', () => {
  const refusal = { receivers: 0, code: 'MAILSLOT_QUOTA_EXCEEDED' };
  const receiptsOf = (peer: BenchPeer): unknown[] =>
    peer.of('settled').flatMap(({ data }) => (data as { receipts: unknown[] }).receipts);

  it('of values: one more is refused and goes to nobody, an old subject and a plain message are not', () => {
    const [publisher, receiver] = [bench.join('p'), bench.join('r', '>')];
    const fill = (from: number, to: number, options = {}): void =>
      publisher.send(
        ...Array.from({ length: to - from }, (_, i) =>
          publisher.message(`a${from + i}`, 0, { flags: Flag.retain, ...options }),
        ),
      );
    fill(0, MAX_RETAINED_VALUES - 1);
    const time = bench.clock.wallTime();
    fill(MAX_RETAINED_VALUES - 1, MAX_RETAINED_VALUES, { ttl: 1_000, time });
    expect(receiptsOf(publisher)).toEqual([]);
    publisher.publish('more', 1, Flag.retain);
    receiver.acknowledge(publisher, MAX_RETAINED_VALUES);
    expect(receiptsOf(publisher)).toMatchObject([refusal]);
    expect(receiver.messages.some(({ subject }) => subject === 'more')).toBe(false);
    publisher.publish('a7', 1, Flag.retain);
    publisher.publish('more', 2);
    expect(receiver.messages.slice(-2).map(({ subject }) => subject)).toEqual(['a7', 'more']);
    bench.clock.advance(1_000);
    publisher.publish('more', 3, Flag.retain);
    publisher.publish('a8', undefined, Flag.retain);
    publisher.publish('yet more', 3, Flag.retain);
    expect(receiptsOf(publisher)).toHaveLength(1);
  });

  it('of bytes: 64 MiB in all', () => {
    const publisher = bench.join('p');
    const big = Buffer.alloc(MAX_RETAINED_BYTES / 16 - 100);
    for (let i = 0; i < 16; i += 1) {
      publisher.publish(`a${i}`, big, Flag.retain);
      bench.clock.advance(300);
    }
    expect(receiptsOf(publisher)).toEqual([]);
    publisher.publish('more', Buffer.alloc(2_000), Flag.retain);
    expect(receiptsOf(publisher)).toMatchObject([refusal]);
    publisher.publish('a0', 'small', Flag.retain);
    publisher.publish('more', Buffer.alloc(2_000), Flag.retain);
    expect(receiptsOf(publisher)).toHaveLength(1);
  });
});
