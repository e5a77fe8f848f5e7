// When a system counts as warm.
import { expect, it } from 'vitest';
import { untilSteady } from '../../scripts/bench/cells.mjs';

/** Measures these rates, one after the other. */
function measured(rates: number[]) {
  const left = [...rates];
  return { left, measure: async () => left.shift() ?? Number.NaN };
}

it('a rate that has not risen for four runs is steady', async () => {
  const { left, measure } = measured([110, 120, 121, 119, 122, 120, 500]);
  expect(await untilSteady(100, measure)).toBe(122);
  expect(left).toEqual([500]);
});

it('but not before every process had its time: what stands still may rise again', async () => {
  const { left, measure } = measured([110, 110, 110, 110, 110, 150, 150, 150, 150, 150, 900]);
  expect(await untilSteady(100, measure, () => left.length <= 5)).toBe(150);
  expect(left).toEqual([900]);
});

it('one that rises for ever is measured in the end', async () => {
  let rate = 100;
  expect(await untilSteady(rate, async () => (rate *= 2))).toBe(100 * 2 ** 30);
});
