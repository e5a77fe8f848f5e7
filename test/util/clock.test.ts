import { expect, test } from 'vitest';
import { systemClock } from '../../src/util/clock.js';

test('no random byte is given twice, however few are drawn at a time', () => {
  const drawn = Array.from({ length: 2_000 }, () => systemClock.randomBytes(8));
  expect(new Set(drawn.map((bytes) => bytes.toString('hex'))).size).toBe(drawn.length);
  const long = [systemClock.randomBytes(1_000), systemClock.randomBytes(1_000)];
  expect(long.map((bytes) => bytes.length)).toEqual([1_000, 1_000]);
  expect(long[0]).not.toEqual(long[1]);
  // what was given stays as it is
  const first = drawn[0]!.toString('hex');
  systemClock.randomBytes(8);
  expect(drawn[0]!.toString('hex')).toBe(first);
});
