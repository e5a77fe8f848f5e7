// When a peer has to assume that its host dropped messages for it and died before it could say so.
import { expect, it } from 'vitest';
import { SLOW_READING_TIMEOUT } from '../../src/limits.js';
import { ReadingWatch } from '../../src/peer/reading-watch.js';

function asleep(): ReadingWatch {
  const watch = new ReadingWatch(0);
  watch.awake(SLOW_READING_TIMEOUT + 1);
  return watch;
}

it('who was awake has missed nothing', () => {
  const watch = new ReadingWatch(0);
  for (let turn = 1; turn < 10; turn += 1) watch.awake(turn * SLOW_READING_TIMEOUT);
  expect(watch.mayHaveMissed).toBe(false);
  expect(watch.wantsPing(true)).toBe(false);
});

it('who was not may have, until the host has answered behind the last acknowledgement', () => {
  const watch = asleep();
  watch.pinged(false);
  expect(watch.wantsPing(false)).toBe(false);
  expect(watch.wantsPing(true)).toBe(true);
  watch.pinged(true);
  expect(watch.wantsPing(true)).toBe(false);
  watch.ponged();
  expect(watch.mayHaveMissed).toBe(true);
  watch.ponged();
  expect(watch.mayHaveMissed).toBe(false);
});

it('a second sleep asks for another answer', () => {
  const watch = asleep();
  watch.pinged(true);
  watch.awake(3 * SLOW_READING_TIMEOUT);
  watch.ponged();
  expect(watch.mayHaveMissed).toBe(true);
  watch.pinged(true);
  watch.ponged();
  expect(watch.mayHaveMissed).toBe(false);
});
