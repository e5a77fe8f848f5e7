import { expect, test } from 'vitest';
import { RecentMap } from '../../src/util/recent-map.js';

test('behaves as a Map does, also when old entries stay while thousands come and go', () => {
  const recent = new RecentMap<string>();
  const model = new Map<number, string>();
  let last = 0;
  let state = 7;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  for (let step = 0; step < 20_000; step += 1) {
    if (model.size === 0 || random(100) < 51) {
      last += 1 + random(3);
      recent.add(last, `entry ${last}`);
      model.set(last, `entry ${last}`);
    } else {
      const number = last - random(Math.min(last, 2_000));
      expect(recent.delete(number)).toBe(model.delete(number));
    }
    const asked = last - random(Math.min(last, 2_000));
    expect([recent.size, recent.get(asked), recent.has(asked)]).toEqual([
      model.size,
      model.get(asked),
      model.has(asked),
    ]);
  }
  expect(recent.values().sort()).toEqual([...model.values()].sort());
});

test('knows nothing while it is empty, and numbers above 32 bits', () => {
  const recent = new RecentMap<string>();
  expect([recent.size, recent.get(0), recent.has(-1), recent.delete(5), recent.values()]).toEqual([
    0,
    undefined,
    false,
    false,
    [],
  ]);
  const large = 2 ** 40 + 3;
  recent.add(3, 'small');
  recent.add(large, 'large');
  expect([recent.get(3), recent.get(large), recent.get(large + 256)]).toEqual(['small', 'large', undefined]);
});
