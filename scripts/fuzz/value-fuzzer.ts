// Feeds the scanner with random, mutated and nearly right bytes, and holds it to its word: what it accepts must
// decode, to plain values only, sharing no memory with the input, and survive being encoded and decoded again.
import { isDeepStrictEqual } from 'node:util';
import { scanValue } from '../../src/wire/scanner.js';
import { decodeValue, encodeValue } from '../../src/wire/values.js';
import type { SeededRandom } from './seeded-random.js';

const PADDING = 7;
const MUTATIONS = 4;
const interesting = [
  0x00, 0x17, 0x18, 0x1b, 0x40, 0x60, 0x7f, 0x80, 0x9f, 0xa0, 0xa1, 0xbf, 0xc1, 0xc2, 0xd8, 0xd9, 0xf6, 0xf9,
  0xfb, 0xff,
];
const heads = [
  '01',
  '20',
  '3903e8',
  '1b0020000000000000',
  '4101',
  '6161',
  '63e282ac',
  '80',
  '82',
  'a1',
  'a0',
  'c1',
  'c2',
  'd845',
  'd856',
  'd90102',
  'd90103',
  'f4',
  'f7',
  'f97e00',
  'f98000',
  'fb3ff199999999999a',
  '695f5f70726f746f5f5f',
];
const pieces = heads.map((hex) => Buffer.from(hex, 'hex'));

const allowedPrototypes = new Set<object>([
  Object.prototype,
  Array.prototype,
  Date.prototype,
  Map.prototype,
  Set.prototype,
  Uint8Array.prototype,
  Uint8ClampedArray.prototype,
  Uint16Array.prototype,
  Uint32Array.prototype,
  BigUint64Array.prototype,
  Int8Array.prototype,
  Int16Array.prototype,
  Int32Array.prototype,
  BigInt64Array.prototype,
  Float32Array.prototype,
  Float64Array.prototype,
]);

/** One random input of any of the three sorts. */
export function randomInput(random: SeededRandom): Buffer {
  switch (random.below(4)) {
    case 0:
      return Buffer.from(Array.from({ length: 1 + random.below(24) }, () => random.below(256)));
    case 1:
      return Buffer.concat(Array.from({ length: 1 + random.below(12) }, () => random.pick(pieces)));
    case 2:
      return Buffer.from(encodeValue(randomValue(random, 4)));
    default:
      return mutate(random, Buffer.from(encodeValue(randomValue(random, 4))));
  }
}

function mutate(random: SeededRandom, bytes: Buffer): Buffer {
  let mutated = bytes;
  for (let i = random.below(MUTATIONS); i >= 0; i -= 1) {
    const at = random.below(mutated.length + 1);
    const kept = at + random.below(3);
    const added = random.below(2) === 0 ? Buffer.from([random.pick(interesting)]) : random.pick(pieces);
    mutated = Buffer.concat([
      mutated.subarray(0, at),
      random.below(3) === 0 ? Buffer.alloc(0) : added,
      mutated.subarray(kept),
    ]);
  }
  return mutated;
}

const arrays = [Int16Array, Uint32Array, Float64Array, BigInt64Array, Uint8ClampedArray];

/** A random value that can be encoded, nested up to `depth`. */
export function randomValue(random: SeededRandom, depth: number): unknown {
  const below = random.below(depth > 0 ? 16 : 10);
  const children = () => Array.from({ length: random.below(5) }, () => randomValue(random, depth - 1));
  switch (below) {
    case 0:
      return random.pick([undefined, null, true, false, -0, Number.NaN, Infinity, 0.1, 1.5, 2 ** 53, -1]);
    case 1:
      return random.below(2 ** 32) * random.pick([1, -1, 2 ** 20, 0.001]);
    case 2:
      return BigInt(random.below(2 ** 32)) ** BigInt(random.below(16)) * random.pick([1n, -1n]);
    case 3:
    case 4:
    case 5:
      return randomText(random);
    case 6:
    case 7:
      return new Uint8Array(random.below(120)).fill(random.below(256));
    case 8:
      return new Date((random.below(2 ** 32) - 2 ** 31) * random.pick([1, 1000, 1_000_000]));
    case 9:
      return new (random.pick(arrays))(new ArrayBuffer(8 * random.below(5)));
    case 10:
    case 11:
      return children();
    case 12:
      return new Set(children());
    case 13:
      return new Map(children().map((key) => [key, randomValue(random, depth - 1)]));
    default:
      return Object.fromEntries(children().map((child) => [randomText(random), child]));
  }
}

function randomText(random: SeededRandom): string {
  const piece = random.pick(['a', 'key', 'é', '日本', '😀', '\ufeff', '\0', 'constructor', 'x'.repeat(30)]);
  return piece.repeat(random.below(8));
}

/** Whether the scanner accepted the input. Throws when what it accepted breaks a promise. */
export function checkInput(bytes: Uint8Array): boolean {
  const surrounded = Buffer.alloc(bytes.length + 2 * PADDING);
  surrounded.set(bytes, PADDING);
  const end = PADDING + bytes.length;
  if (scanValue(surrounded, PADDING, end) !== undefined) return false;
  const value = decodeValue(surrounded, PADDING, end);
  checkPlain(value);
  const encoded = Buffer.from(encodeValue(value));
  surrounded.fill(0xee);
  if (!encoded.equals(encodeValue(value))) throw new Error('the value changed together with its input');
  const reason = scanValue(encoded, 0, encoded.length);
  if (reason !== undefined) throw new Error(`what was encoded is refused: ${reason}`);
  checkSame(value, encoded);
  return true;
}

function checkSame(value: unknown, encoded: Buffer): void {
  const again = decodeValue(encoded, 0, encoded.length);
  if (!isDeepStrictEqual(again, value)) throw new Error('the value changed by being encoded and decoded');
  if (!encoded.equals(encodeValue(again))) throw new Error('the bytes changed by being decoded and encoded');
}

function checkPlain(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (!allowedPrototypes.has(Object.getPrototypeOf(value)))
    throw new Error('a value is of a kind that must not come out');
  if (value instanceof Map) for (const entry of value) entry.forEach(checkPlain);
  else if (value instanceof Set || Array.isArray(value)) value.forEach(checkPlain);
  else if (!ArrayBuffer.isView(value)) Object.values(value).forEach(checkPlain);
}
