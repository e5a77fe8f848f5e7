// The line of handlers: at once while there is room, in order of arrival when there is none.
import { expect, it } from 'vitest';
import { HandlerLine } from '../../src/peer/handler-line.js';
import { eventually } from '../support/waiting.js';

/** Works that begin when the line lets them and end when the test says so. */
function works(line: HandlerLine) {
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  let most = 0;
  const enter = (number: number): void =>
    line.enter(() => {
      begun.push(number);
      most = Math.max(most, ends.size + 1);
      return new Promise((resolve) =>
        ends.set(number, () => {
          ends.delete(number);
          resolve();
        }),
      );
    });
  return { begun, ends, enter, most: () => most };
}

it('what ends in the moment it begins never waits', () => {
  const line = new HandlerLine(1);
  let begun = 0;
  for (let i = 0; i < 100; i += 1) {
    line.enter(() => {
      begun += 1;
      return undefined;
    });
  }
  expect(begun).toBe(100);
  expect(line.load).toBe(0);
});

it('no more run at once than it allows, and those that wait begin in order of arrival', async () => {
  const line = new HandlerLine(3);
  const { begun, ends, enter, most } = works(line);
  for (let i = 0; i < 12; i += 1) enter(i);
  expect(begun).toEqual([0, 1, 2]);
  expect(line.load).toBe(12);
  for (let done = 0; done < 12; done += 1) {
    await eventually(() => begun.length === Math.min(12, done + 3));
    [...ends.values()].at(-1)!();
  }
  await eventually(() => line.load === 0);
  expect(begun).toEqual(Array.from({ length: 12 }, (_, i) => i));
  expect(most()).toBe(3);
  enter(99);
  expect(begun.at(-1)).toBe(99);
});
