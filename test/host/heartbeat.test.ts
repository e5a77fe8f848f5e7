// Which peers are announced as unresponsive, and when.
import { describe, expect, it } from 'vitest';
import { PING_INTERVAL } from '../../src/limits.js';
import { type BenchPeer, RelayBench } from './relay-bench.js';

const STEP = 10;

/** Lets so much time pass, in which this peer answers; returns after how much of it the others were announced to it. */
function wait(bench: RelayBench, listener: BenchPeer, ms: number): number[] {
  const told: number[] = [];
  for (let waited = STEP; waited <= ms; waited += STEP) {
    bench.clock.advance(STEP);
    listener.pong();
    for (const _ of listener.of('publish').slice(told.length)) told.push(waited);
  }
  return told;
}

// how long the silence before a PING lasts depends on where between two looks it begins
describe.each([0, 250, 490, 510, 750, 990])('a peer that falls silent %i ms after a look', (phase) => {
  it('is announced as unresponsive within two heartbeats', () => {
    const bench = new RelayBench();
    const listener = bench.join('listener', '$presence.left');
    wait(bench, listener, phase);
    bench.join('silent');
    const told = wait(bench, listener, 2 * PING_INTERVAL);
    expect(told).toHaveLength(1);
    expect(listener.dataOf('publish')).toEqual([expect.objectContaining({ cause: 'unresponsive' })]);
  });

  it('is not when it answers two seconds after the PING', () => {
    const bench = new RelayBench();
    const listener = bench.join('listener', '$presence.left');
    wait(bench, listener, phase);
    const busy = bench.join('busy');
    while (busy.of('ping').length === 0) wait(bench, listener, STEP);
    expect(wait(bench, listener, 2_000)).toEqual([]);
    busy.pong();
    expect(wait(bench, listener, 2 * STEP)).toEqual([]);
  });
});
