// One value per CBOR form, and items that a receiver refuses.
import { scanValue } from '../../src/wire/scanner.js';
import { encodeValue } from '../../src/wire/values.js';
import { fromForm } from '../../test/wire/vector-forms.js';

export interface ValueVector {
  name: string;
  value: unknown;
  hex: string;
  /** False for forms that others may write and this package only reads. */
  written: boolean;
}

const written: Record<string, unknown> = {
  'integer 0': 0,
  'integer in the head': 23,
  'integer of 1 byte': 24,
  'integer of 2 bytes': 256,
  'integer of 4 bytes': 65_536,
  'integer of 8 bytes': 4_294_967_296,
  'greatest safe integer': Number.MAX_SAFE_INTEGER,
  'negative integer': -1,
  'negative integer of 2 bytes': -1_000,
  'least safe integer': Number.MIN_SAFE_INTEGER,
  'bigint 0': { $bigint: '0' },
  'small bigint': { $bigint: '5' },
  'small negative bigint': { $bigint: '-5' },
  'bigint of 64 bits': { $bigint: '18446744073709551615' },
  'negative bigint of 64 bits': { $bigint: '-18446744073709551616' },
  'bigint beyond 64 bits': { $bigint: '18446744073709551616' },
  'negative bigint beyond 64 bits': { $bigint: '-18446744073709551617' },
  'float of 4 bytes': 1.5,
  'float of 8 bytes': 1.1,
  'negative zero': { $number: '-0' },
  'not a number': { $number: 'NaN' },
  infinity: { $number: 'Infinity' },
  'negative infinity': { $number: '-Infinity' },
  false: false,
  true: true,
  null: null,
  undefined: { $undefined: true },
  'empty text': '',
  text: 'Grüße, 世界 🚀',
  'text of 24 bytes': 'abcdefghijklmnopqrstuvwx',
  'text of 256 bytes': { $repeat: { text: 'abcdefgh', times: 32 } },
  'no bytes': { $bytes: '' },
  bytes: { $bytes: '00ff10' },
  'empty array': [],
  array: [1, 'two', [3]],
  'empty object': {},
  object: { a: 1, 'key with spaces': null, nested: { b: [true] } },
  date: { $date: '2026-11-22T00:00:00.000Z' },
  'date with milliseconds': { $date: '2026-11-22T00:00:00.125Z' },
  'date before 1970': { $date: '1969-12-31T23:59:59.000Z' },
  map: {
    $map: [
      [1, 'one'],
      ['two', 2],
      [{ $bytes: '03' }, null],
    ],
  },
  set: { $set: [1, 'two', null] },
  Uint8ClampedArray: { $array: { type: 'Uint8ClampedArray', items: [0, 255] } },
  Int8Array: { $array: { type: 'Int8Array', items: [-1, 1] } },
  Uint16Array: { $array: { type: 'Uint16Array', items: [1, 258] } },
  Int16Array: { $array: { type: 'Int16Array', items: [-2, 258] } },
  Uint32Array: { $array: { type: 'Uint32Array', items: [1, 66_051] } },
  Int32Array: { $array: { type: 'Int32Array', items: [-2, 66_051] } },
  BigUint64Array: { $array: { type: 'BigUint64Array', items: [{ $bigint: '1' }] } },
  BigInt64Array: { $array: { type: 'BigInt64Array', items: [{ $bigint: '-2' }] } },
  Float32Array: { $array: { type: 'Float32Array', items: [1.5, -2] } },
  Float64Array: { $array: { type: 'Float64Array', items: [1.1] } },
  'arrays 64 deep': { $nested: 64 },
};

const onlyRead: Record<string, { value: unknown; hex: string }> = {
  'float of 2 bytes': { value: 1.5, hex: 'f93e00' },
  'integer longer than need be': { value: 1, hex: '190001' },
  'text length longer than need be': { value: 'a', hex: '790001' + '61' },
  'date as a float': { value: { $date: '1970-01-01T00:00:01.500Z' }, hex: 'c1fb3ff8000000000000' },
  'date as a float of 2 bytes': { value: { $date: '1970-01-01T00:00:01.500Z' }, hex: 'c1f93e00' },
  'empty bignum': { value: { $bigint: '0' }, hex: 'c240' },
  'bignum with leading zeros': { value: { $bigint: '5' }, hex: 'c2420005' },
  'object with a key twice: the last one counts': { value: { a: 2 }, hex: 'a2616101616102' },
  'Uint8Array with its tag': { value: { $bytes: '0102' }, hex: 'd840420102' },
  'Uint16Array, big-endian': {
    value: { $array: { type: 'Uint16Array', items: [1, 258] } },
    hex: 'd8414400010102',
  },
  'Uint32Array, big-endian': {
    value: { $array: { type: 'Uint32Array', items: [66_051] } },
    hex: 'd8424400010203',
  },
  'BigUint64Array, big-endian': {
    value: { $array: { type: 'BigUint64Array', items: [{ $bigint: '1' }] } },
    hex: 'd843480000000000000001',
  },
  'Int16Array, big-endian': {
    value: { $array: { type: 'Int16Array', items: [-2] } },
    hex: 'd84942fffe',
  },
  'Int32Array, big-endian': {
    value: { $array: { type: 'Int32Array', items: [-2] } },
    hex: 'd84a44fffffffe',
  },
  'BigInt64Array, big-endian': {
    value: { $array: { type: 'BigInt64Array', items: [{ $bigint: '-2' }] } },
    hex: 'd84b48fffffffffffffffe',
  },
  'Float32Array, big-endian': {
    value: { $array: { type: 'Float32Array', items: [1.5] } },
    hex: 'd851443fc00000',
  },
  'Float64Array, big-endian': {
    value: { $array: { type: 'Float64Array', items: [1.1] } },
    hex: 'd852483ff199999999999a',
  },
};

/** The accepted values. Typed arrays are those a little-endian machine writes. */
export function valueSamples(): ValueVector[] {
  const ours = Object.entries(written).map(([name, value]) => ({
    name,
    value,
    hex: Buffer.from(encodeValue(fromForm(value))).toString('hex'),
    written: true,
  }));
  const theirs = Object.entries(onlyRead).map(([name, { value, hex }]) => ({
    name,
    value,
    hex,
    written: false,
  }));
  return [...ours, ...theirs];
}

const refused: Record<string, string> = {
  'nothing at all': '',
  'text cut short': '626f',
  'array cut short': '8201',
  'head cut short': '19ff',
  'bytes behind the value': '0101',
  'text without a definite length': '7f616162ffff',
  'array without a definite length': '9f01ff',
  'map without a definite length': 'bf616101ff',
  'reserved head': '1c',
  'text that is not UTF-8': '61ff',
  'text with an overlong form': '62c080',
  'text with half a surrogate pair': '63eda080',
  'key that is not a text': 'a10102',
  'key __proto__': 'a1695f5f70726f746f5f5f01',
  'date that is a text': 'c16a323032362d31312d3232',
  'date out of range': 'c11b000007dba8218001',
  'date that is not a number': 'c1f97e00',
  'unknown tag': 'd82a01',
  'tag for text dates': 'c074323032362d31312d32325430303a30303a30305a',
  'tag for records': 'd9dff8818161610001',
  'self-described CBOR': 'd9d9f701',
  'tag 24 inside a value': 'd818420101',
  'typed array of a broken length': 'd84543010203',
  'set of a map': 'd90102a0',
  'map of an array': 'd9010380',
  'bignum that is a text': 'c26101',
  'bignum of 65 bytes': `c25841${'01'.repeat(65)}`,
  'unknown simple value': 'e0',
  'simple value of 2 bytes': 'f8ff',
  'break without a start': 'ff',
  'arrays 65 deep': `${'81'.repeat(64)}80`,
  'key of 257 bytes': `a1790101${'61'.repeat(257)}01`,
  'more than 1,048,576 items': '9a00100000',
};

/** Items that a receiver refuses, with the reason that this package gives. */
export const refusedValues = Object.entries(refused).map(([name, hex]) => {
  const bytes = Buffer.from(hex, 'hex');
  return { name, hex, reason: scanValue(bytes, 0, bytes.length) };
});
