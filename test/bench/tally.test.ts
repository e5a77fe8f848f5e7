// What makes a cell fail: loss, doubling, disorder and a wrong length, however the bytes come.
import { describe, expect, it } from 'vitest';
import { makePayload, STAMP_BYTES, stamp, Tally } from '../../scripts/bench/payload.mjs';

const SIZE = 16;

function message(number: number, size = SIZE) {
  const bytes = makePayload(size);
  stamp(bytes, 0, number);
  return bytes;
}

function armed(count: number) {
  const tally = new Tally();
  tally.arm(count, SIZE);
  return tally;
}

describe('a receiver', () => {
  it('is done with the last message of a run in order', async () => {
    const tally = armed(3);
    for (const number of [0, 1, 2]) tally.noteMessage(message(number));
    expect((await tally.finished()).brokenAt).toBeUndefined();
  });

  it.each([
    ['loss', [0, 2], 1],
    ['doubling', [0, 1, 1], 2],
    ['disorder', [1, 0], 0],
  ])('notices %s', async (_, numbers, brokenAt) => {
    const tally = armed(3);
    for (const number of numbers) tally.noteMessage(message(number));
    expect((await tally.finished()).brokenAt).toBe(brokenAt);
  });

  it('notices a message of another length', async () => {
    const tally = armed(1);
    tally.noteMessage(message(0, SIZE + 1));
    expect((await tally.finished()).brokenAt).toBe(0);
  });

  it('notices a lost object', async () => {
    const tally = armed(2);
    tally.noteObject({ id: 1, subject: 'a text' });
    expect((await tally.finished()).brokenAt).toBe(0);
  });

  it('notices loss in a byte stream, cut anywhere but in the number itself', async () => {
    const stream = Buffer.concat([0, 1, 3].map((number) => message(number)));
    const inNumber = (cut: number) => cut > 2 * SIZE && cut < 2 * SIZE + STAMP_BYTES;
    for (let cut = 1; cut < stream.length; cut++) {
      if (inNumber(cut)) continue;
      const tally = armed(3);
      tally.noteChunk(stream.subarray(0, cut));
      tally.noteChunk(stream.subarray(cut));
      expect((await tally.finished()).brokenAt, `cut at ${cut}`).toBe(2);
    }
  });
});
