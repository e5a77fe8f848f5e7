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

it('a host that was replaced while it slept takes no files for those of peers that are gone', () => {
  let reigns = true;
  const bench = new RelayBench({ stillReigns: () => reigns });
  const present = bench.join('p').id.hex;
  const unknown = 'b0b1b2b3b4b5b6b7';
  expect([present, unknown].map((id) => bench.relay.needsFilesOf(id))).toEqual([true, false]);
  reigns = false;
  expect([present, unknown].map((id) => bench.relay.needsFilesOf(id))).toEqual([true, true]);
});
