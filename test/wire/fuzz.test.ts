// The short form of scripts/fuzz, with a fixed seed, and the bound on what decoding may take.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import { checkInput, randomInput, randomValue } from '../../scripts/fuzz/value-fuzzer.js';
import { scanValue } from '../../src/wire/scanner.js';
import { decodeValue, encodeValue } from '../../src/wire/values.js';

/** PROMISES.md P2: what decoding allocates, by the bytes it came in. */
const MAX_GROWTH = 80;

describe('fuzzing values', () => {
  it('finds nothing in 20,000 inputs', () => {
    const random = new SeededRandom(1);
    let accepted = 0;
    for (let i = 0; i < 20_000; i += 1) {
      const input = randomInput(random);
      try {
        if (checkInput(input)) accepted += 1;
      } catch (error) {
        throw new Error(`input ${i}: ${input.toString('hex')}`, { cause: error });
      }
    }
    expect(accepted).toBeGreaterThan(5_000);
    expect(accepted).toBeLessThan(15_000);
  });

  it('accepts everything it encodes itself', () => {
    const random = new SeededRandom(2);
    for (let i = 0; i < 3_000; i += 1)
      expect(checkInput(encodeValue(randomValue(random, 6)).slice())).toBe(true);
  });
});

describe('memory of a decoded value', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const repeat = (hex: string, count = 100_000) => {
    const bytes = Buffer.from(hex.repeat(count), 'hex');
    return Buffer.concat([Buffer.from([0x9a, count >>> 24, count >>> 16, count >>> 8, count]), bytes]);
  };
  const distinctKeys = (count: number) =>
    Buffer.from(
      encodeValue(
        Array.from({ length: count }, (_, i) => ({ [i.toString(36)]: 0, [`x${i.toString(36)}`]: 0 })),
      ),
    );

  const worst: Record<string, Buffer> = {
    'empty arrays': repeat('80'),
    'empty objects': repeat('a0'),
    'objects of one key': repeat('a1616100'),
    'objects of new keys': distinctKeys(30_000),
    'an object of many keys': Buffer.from(
      encodeValue(Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, 0]))),
    ),
    'empty Maps': repeat('d90103a0'),
    'empty Sets': repeat('d9010280'),
    'Sets of Sets': repeat('d9010281d9010280'),
    'a large Set': Buffer.from(encodeValue(new Set(Array.from({ length: 200_000 }, (_, i) => i)))),
    'empty bignums': repeat('c240'),
    dates: repeat('c100'),
    floats: repeat('f93c01'),
    'short texts': repeat('62c3a9'),
    'empty typed arrays': repeat('d84540'),
    'short typed arrays': repeat('d8484100'),
    'byte strings of two bytes': repeat('420000'),
    'byte strings of one byte': repeat('4100', 4_096),
    'nested arrays': repeat('818180'),
  };

  it.each(Object.entries(worst))('of %s', (_, bytes) => {
    expect(scanValue(bytes, 0, bytes.length)).toBeUndefined();
    decodeValue(bytes, 0, bytes.length);
    collect();
    const before = process.memoryUsage();
    const value = decodeValue(bytes, 0, bytes.length);
    collect();
    const after = process.memoryUsage();
    const growth = after.heapUsed - before.heapUsed + after.external - before.external;
    expect(value).toBeTypeOf('object');
    expect(growth / (bytes.length + 16_384)).toBeLessThan(MAX_GROWTH);
  });
});
