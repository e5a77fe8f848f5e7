// A host that has slept asks whether it still is the host before it says anything.
import { expect, it } from 'vitest';
import { RelayBench } from './relay-bench.js';

it('a host that was replaced while it slept writes nothing any more: no message, no SETTLED, no PING', () => {
  let reigns = true;
  const bench: RelayBench = new RelayBench({
    stillReigns: () => {
      if (!reigns) bench.relay.destroy();
      return reigns;
    },
  });
  const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
  publisher.publish('a', 'before');
  const heard = [publisher, receiver].map(({ got }) => got.length);
  reigns = false;
  publisher.publish('a', 'stale');
  bench.clock.advance(10_000);
  expect([publisher, receiver].map(({ got }) => got.length)).toEqual(heard);
  expect([publisher.closed, receiver.closed]).toEqual([true, true]);
  expect(bench.relay.peers).toBe(0);
});
