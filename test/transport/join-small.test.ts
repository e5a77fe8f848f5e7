import { expect, test } from 'vitest';
import { joinSmall } from '../../src/transport/join-small.js';

const part = (length: number, fill: number): Buffer => Buffer.alloc(length, fill);

test('joins small parts that follow each other, and hands large ones on as they are', () => {
  const large = part(100_000, 9);
  const parts = [part(10, 1), part(2_048, 2), large, part(1, 3), part(2_049, 4), part(0, 5), part(7, 6)];
  const joined = joinSmall(parts);
  expect(joined.map(({ length }) => length)).toEqual([2_058, 100_000, 1, 2_049, 7]);
  expect(joined[1]).toBe(large);
  expect(Buffer.concat(joined)).toEqual(Buffer.concat(parts));
});

test('copies a long row of small parts in pieces', () => {
  const parts = Array.from({ length: 1_000 }, (_, index) => part(300, index % 251));
  const joined = joinSmall(parts);
  expect(Math.max(...joined.map(({ length }) => length))).toBeLessThan(67_000);
  expect(joined.length).toBeLessThan(6);
  expect(Buffer.concat(joined)).toEqual(Buffer.concat(parts));
});
