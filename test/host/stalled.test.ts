// O2: a stalled subscriber does not slow the healthy one. Not measured by a clock (`npm run bench -- --only stalled` does
// that), but shown: no time passes here unless the test lets it, so whatever arrives has not waited for anybody.
import { describe, expect, it } from 'vitest';
import { WINDOW_BYTES_MAX } from '../../src/limits.js';
import { Flag } from '../../src/wire/frame.js';
import { type BenchPeer, RelayBench, waitUntilGivenUp } from './relay-bench.js';

const SIZE = 256 * 1024;
/** Far more than a host lets a publisher have unsettled. */
const COUNT = 400;

function settledUpTo(peer: BenchPeer): number {
  return (peer.of('settled').at(-1)?.data as { upTo: number } | undefined)?.upTo ?? 0;
}

function suspendedAmongOthers(): Record<'publisher' | 'healthy' | 'stalled', BenchPeer> & {
  bench: RelayBench;
} {
  const bench = new RelayBench();
  const [publisher, healthy, stalled] = [bench.join('p'), bench.join('h', 'a'), bench.join('s', 'a')];
  stalled.suspend();
  return { bench, publisher, healthy, stalled };
}

describe('O2: a stalled subscriber does not slow the healthy one', () => {
  it('which gets a whole window at once, also before the stalled one is given up', () => {
    const { bench, publisher, healthy } = suspendedAmongOthers();
    const start = bench.clock.now();
    for (let number = 1; number <= WINDOW_BYTES_MAX / SIZE; number += 1) {
      publisher.publish('a', new Uint8Array(SIZE));
      expect(healthy.messages).toHaveLength(number);
    }
    expect(bench.clock.now()).toBe(start);
  });

  it('once it is given up: window after window settles as the healthy one takes it, and nothing is kept', () => {
    const { bench, publisher, healthy, stalled } = suspendedAmongOthers();
    publisher.publish('a', 'first');
    healthy.acknowledge(publisher, 1);
    waitUntilGivenUp(bench, publisher, healthy);
    expect(settledUpTo(publisher)).toBe(1);
    const start = bench.clock.now();
    for (let sequence = 2; sequence < COUNT + 2; sequence += 1) {
      publisher.publish('a', new Uint8Array(SIZE), Flag.ackSoon);
      expect(healthy.messages).toHaveLength(sequence);
      healthy.acknowledge(publisher, sequence);
      expect(settledUpTo(publisher)).toBe(sequence);
    }
    expect(bench.clock.now()).toBe(start);
    stalled.resume();
    expect(stalled.messages.map(({ data }) => data)).toEqual(['first']);
    stalled.acknowledge(publisher, 1);
    expect(stalled.dataOf('gap')).toEqual([{ id: 1, missed: COUNT }]);
  });
});
