// The numbers that tables are made of.
import { describe, expect, it } from 'vitest';
import { percentile, ratioSpread, spread } from '../../scripts/bench/statistics.mjs';

describe('a percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  it('is the value of the nearest rank', () => {
    expect([0.5, 0.99, 1].map((part) => percentile(hundred, part))).toEqual([50, 99, 100]);
  });

  it('of one value is that value', () => {
    expect([0, 0.5, 0.99].map((part) => percentile([7], part))).toEqual([7, 7, 7]);
  });
});

describe('a spread', () => {
  it('sorts by value, not by text', () => {
    expect(spread([10, 9, 100])).toEqual({ median: 10, min: 9, max: 100 });
  });

  it('takes the mean of the middle two of an even number', () => {
    expect(spread([1, 2, 4, 100]).median).toBe(3);
  });
});

it('ratios are taken within a round, not between the medians', () => {
  expect(ratioSpread([100, 10], [50, 20])).toEqual({ median: 1.25, min: 0.5, max: 2 });
});
