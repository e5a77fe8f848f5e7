// Deadlines: each fires once, at its time, in the order in which they come due, all on one timer.
import { beforeEach, expect, it } from 'vitest';
import { Deadlines } from '../../src/util/deadlines.js';
import { ManualClock } from '../support/manual-clock.js';

let clock: ManualClock;
let deadlines: Deadlines;
let fired: [string, number][];

beforeEach(() => {
  clock = new ManualClock();
  deadlines = new Deadlines(clock);
  fired = [];
});

function set(name: string, delay: number) {
  const start = clock.now();
  return deadlines.set(delay, () => fired.push([name, clock.now() - start]));
}

it('each fires at its own time, whatever the order in which they were set', () => {
  set('long', 300);
  set('short', 100);
  clock.advance(50);
  set('short later', 100);
  set('middle', 200);
  clock.advance(1_000);
  expect(fired).toEqual([
    ['short', 100],
    ['short later', 100],
    ['middle', 200],
    ['long', 300],
  ]);
});

it('a cancelled one does not fire, not even when one that is due at the same time cancels it', () => {
  const first = set('first', 100);
  const others: { cancel(): void }[] = [];
  deadlines.set(100, () => others[0]!.cancel());
  others.push(set('cancelled by the one before', 100));
  set('last', 100);
  first.cancel();
  clock.advance(1_000);
  expect(fired).toEqual([['last', 100]]);
});

it('ten thousand that are met cost one timer', () => {
  for (let i = 0; i < 10_000; i += 1) set('met', 5_000 + (i % 3)).cancel();
  expect(clock.timers).toBe(1);
  clock.advance(20_000);
  expect(fired).toEqual([]);
  expect(clock.timers).toBe(0);
});

it('one that is set while others fire has its full time', () => {
  deadlines.set(100, () => void set('again', 100));
  clock.advance(150);
  expect(fired).toEqual([]);
  clock.advance(50);
  expect(fired).toEqual([['again', 100]]);
});

it('after stop nothing fires', () => {
  set('never', 100);
  deadlines.stop();
  expect(clock.timers).toBe(0);
  clock.advance(1_000);
  expect(fired).toEqual([]);
});
