// What counts rose by, per second.
import { expect, it } from 'vitest';
import { Rates } from '../../src/util/rates.js';
import { ManualClock } from '../support/manual-clock.js';

it('rates are of the time since an earlier look, at least a second before', () => {
  const clock = new ManualClock();
  const rates = new Rates(clock);
  expect(rates.perSecond([0, 0])).toEqual([0, 0]);
  clock.advance(500);
  expect(rates.perSecond([5, 100])).toEqual([10, 200]);
  clock.advance(1_500);
  expect(rates.perSecond([20, 100])).toEqual([10, 50]);
  clock.advance(500);
  expect(rates.perSecond([20, 100])).toEqual([8, 40]);
  clock.advance(1_500);
  expect(rates.perSecond([30, 100])).toEqual([5, 0]);
});
