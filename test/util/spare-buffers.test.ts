// Large buffers that are kept for reuse.
import { describe, expect, it } from 'vitest';
import { SpareBuffers } from '../../src/util/spare-buffers.js';

const KiB = 1024;

describe('spare buffers', () => {
  it('have room for what was asked for, at every size', () => {
    const spare = new SpareBuffers(1024 * KiB);
    for (let size = 1; size < 2_000_000; size = Math.ceil(size * 1.07)) {
      const buffer = spare.take(size);
      expect(buffer.length, `${size}`).toBeGreaterThanOrEqual(size);
      expect(buffer.length, `${size}`).toBeLessThanOrEqual(2 * size + 8 * KiB);
      spare.keep(buffer);
    }
  });

  it('come back, the last one first, to whoever needs about as much', () => {
    const spare = new SpareBuffers(1024 * KiB);
    const [first, second] = [spare.take(100 * KiB), spare.take(100 * KiB)];
    spare.keep(first);
    spare.keep(second);
    expect(spare.take(300 * KiB).buffer).not.toBe(second.buffer);
    expect(spare.take(40 * KiB).buffer).not.toBe(second.buffer);
    expect(spare.take(101 * KiB).buffer).toBe(second.buffer);
    expect(spare.take(100 * KiB).buffer).toBe(first.buffer);
    expect(spare.take(100 * KiB).buffer).not.toBe(first.buffer);
  });

  it('serve round data behind a head without doubling', () => {
    expect(new SpareBuffers(8192 * KiB).take(1024 * KiB + 100).length).toBeLessThan(1040 * KiB);
  });

  it('give way to what is used now when there are too many', () => {
    const spare = new SpareBuffers(400 * KiB);
    const [old, other, late] = [spare.take(128 * KiB), spare.take(128 * KiB), spare.take(256 * KiB)];
    for (const buffer of [old, other, late]) spare.keep(buffer);
    expect(spare.take(256 * KiB).buffer).toBe(late.buffer);
    const next = spare.take(128 * KiB).buffer;
    expect([next === old.buffer, next === other.buffer]).toEqual([false, true]);
  });

  it('keep neither small ones nor one above all they may hold', () => {
    const spare = new SpareBuffers(100 * KiB);
    for (const size of [10, 20 * KiB, 200 * KiB]) {
      const buffer = spare.take(size);
      spare.keep(buffer);
      const again = spare.take(size);
      expect(again.buffer === buffer.buffer && again.byteOffset === buffer.byteOffset).toBe(false);
    }
  });
});
