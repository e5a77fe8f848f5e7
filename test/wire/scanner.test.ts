import { describe, expect, it } from 'vitest';
import { MAX_BIGNUM_BYTES, MAX_KEY_BYTES, MAX_VALUE_DEPTH, MAX_VALUE_ITEMS } from '../../src/limits.js';
import { scanValue } from '../../src/wire/scanner.js';

function scan(hex: string): string | undefined {
  // surrounded by bytes that would complete a truncated value
  const bytes = Buffer.from(`0000${hex}00000000000000000000`, 'hex');
  return scanValue(bytes, 2, 2 + hex.length / 2);
}

const hexOf = (text: string) => Buffer.from(text).toString('hex');
const u32 = (value: number) => value.toString(16).padStart(8, '0');

const accepted: Record<string, string> = {
  'small integer': '17',
  'one-byte integer': '18ff',
  'integer longer than need be': '1900ff',
  'largest integer': '1bffffffffffffffff',
  'smallest integer': '3bffffffffffffffff',
  'empty bytes': '40',
  'three bytes': '43010203',
  'bytes with 1-byte length': `5818${'00'.repeat(24)}`,
  'bytes with 2-byte length': `590003${'00'.repeat(3)}`,
  'bytes with 4-byte length': `5a00000003${'00'.repeat(3)}`,
  'bytes with 8-byte length': `5b0000000000000003${'00'.repeat(3)}`,
  'empty text': '60',
  'ascii text': '6161',
  'two-byte character': '62c3a9',
  'three-byte character': '63e282ac',
  'four-byte character': '64f09f9880',
  'last character': '64f48fbfbf',
  'long text': `7900c8${'61'.repeat(200)}`,
  'long text beyond ascii': `7900c8${'c3a9'.repeat(100)}`,
  'empty array': '80',
  'nested array': '8301820203820405',
  'empty map': 'a0',
  'map of texts': 'a2616101616202',
  'map with 2-byte count': 'b90001616101',
  'duplicate key': 'a2616101616102',
  'nearly __proto__': `a169${hexOf('__proto_x')}01`,
  '__proto__ as a value': `81 69${hexOf('__proto__')}`.replace(' ', ''),
  false: 'f4',
  true: 'f5',
  null: 'f6',
  undefined: 'f7',
  'half float': 'f93c00',
  'single float': 'fa47c35000',
  'double float': 'fb3ff199999999999a',
  NaN: 'f97e00',
  'date as integer': 'c11a514b67b0',
  'date before 1970': 'c120',
  'date as double': 'c1fb41d452d9ec200000',
  bignum: 'c249010000000000000000',
  'negative bignum': 'c349010000000000000000',
  'empty bignum': 'c240',
  'longest bignum': `c25840${'ff'.repeat(MAX_BIGNUM_BYTES)}`,
  'tagged Uint8Array': 'd84041ff',
  Uint16Array: 'd8454401020304',
  'big-endian Uint16Array': 'd8414401020304',
  Float64Array: 'd856480000000000000000',
  Set: 'd9010282010 2'.replace(' ', ''),
  Map: 'd90103a201020304',
  'Map with an object as key': 'd90103a1a001',
  'text key in a Map named __proto__': `d90103a169${hexOf('__proto__')}01`,
};

const refused: Record<string, [string, RegExp]> = {
  nothing: ['', /cut short/],
  'integer cut short': ['18', /cut short \(at byte 0\)/],
  'integer of 8 cut short': ['1b00000000', /cut short/],
  'bytes cut short': ['4301', /cut short/],
  'bytes with a huge length': ['5bffffffffffffffff', /cut short/],
  'bytes with a 4 GiB length': ['5affffffff00', /cut short/],
  'text cut short': ['6361', /cut short/],
  'array cut short': ['8201', /cut short \(at byte 2\)/],
  'map cut short at a key': ['a1', /cut short/],
  'map cut short at a value': ['a16161', /cut short/],
  'array of 4 billion': ['9affffffff', /more than 1048576 items/],
  'map of 2⁶³': ['bb8000000000000000', /items/],
  'trailing byte': ['0100', /1 bytes follow/],
  'trailing byte after bytes': ['41ff00', /1 bytes follow/],
  'indefinite bytes': ['5f4101ff', /definite length/],
  'indefinite text': ['7f6161ff', /definite length/],
  'indefinite array': ['9f01ff', /definite length/],
  'indefinite map': ['bf616101ff', /definite length/],
  break: ['ff', /definite length/],
  'reserved head 28': ['1c', /reserved/],
  'reserved head 30': ['fe', /reserved/],
  'overlong two-byte character': ['62c080', /UTF-8/],
  'overlong three-byte character': ['63e08080', /UTF-8/],
  'overlong four-byte character': ['64f0808080', /UTF-8/],
  'surrogate in UTF-8': ['63eda080', /UTF-8/],
  'beyond Unicode': ['64f4908080', /UTF-8/],
  'lone continuation': ['6180', /UTF-8/],
  'character cut at the end of its text': ['61c3', /UTF-8/],
  'character reaching beyond its text': ['8261c361a9', /UTF-8/],
  'f5 byte': ['64f5808080', /UTF-8/],
  'long text that is not UTF-8': [`7900c8${'61'.repeat(199)}ff`, /UTF-8/],
  'integer key': ['a10102', /key is not a text \(at byte 1\)/],
  'bytes key': ['a1416101', /key is not a text/],
  'array key': ['a18001', /key is not a text/],
  __proto__: [`a169${hexOf('__proto__')}01`, /__proto__/],
  '__proto__ with a long head': [`a17809${hexOf('__proto__')}01`, /__proto__/],
  '__proto__ further in': [`81a2616101 69${hexOf('__proto__')}01`.replace(' ', ''), /__proto__/],
  'key too long': [`a1790101${'61'.repeat(MAX_KEY_BYTES + 1)}01`, /longer than 256/],
  'simple value 0': ['e0', /simple/],
  'simple value 19': ['f3', /simple/],
  'simple value in a byte': ['f8ff', /simple/],
  'date as text': [`c0 74${hexOf('2013-03-21T20:04:00Z')}`.replace(' ', ''), /tag 0/],
  'date of a text': ['c16161', /tag 1 /],
  'date of null': ['c1f6', /not a number/],
  'date of NaN': ['c1f97e00', /range/],
  'date of Infinity': ['c1f97c00', /range/],
  'date beyond the range': ['c11b7fffffffffffffff', /range/],
  'bignum of an integer': ['c201', /tag 2/],
  'bignum too long': [`c25841${'ff'.repeat(MAX_BIGNUM_BYTES + 1)}`, /longer than 64/],
  'decimal fraction': ['c48221196ab3', /tag 4/],
  'packed reference': ['c600', /tag 6/],
  'embedded CBOR': ['d8184101', /tag 24/],
  'generic object': ['d81b82654572726f726161', /tag 27/],
  'shared value': ['d81c80', /tag 28/],
  'shared reference': ['d81d00', /tag 29/],
  'packed table': ['d83384808080f6', /tag 51/],
  'half float array': ['d854420000', /tag 84/],
  'Uint16Array of odd length': ['d84543010203', /Uint16Array has 3 bytes/],
  'Float64Array of 7 bytes': ['d85647 00000000000000'.replace(' ', ''), /Float64Array has 7/],
  'typed array of an array': ['d8458101', /tag 69/],
  'Set of a map': ['d90102a0', /tag 258/],
  'Map of an array': ['d9010380', /tag 259/],
  'tag of a tag': ['c1c101', /tag 1 /],
  'tag without content': ['c1', /cut short/],
  'record definition': ['d9dfff8219e00080', /tag 57343/],
  'self-described CBOR': ['d9d9f700', /tag 55799/],
};

describe('scanValue', () => {
  it.each(Object.entries(accepted))('accepts %s', (_, hex) => {
    expect(scan(hex)).toBeUndefined();
  });

  it.each(Object.entries(refused))('refuses %s', (_, [hex, reason]) => {
    expect(scan(hex)).toMatch(reason);
  });

  it.each(Object.entries(accepted))('refuses %s at every shorter length', (_, hex) => {
    for (let length = 0; length < hex.length; length += 2)
      expect(scan(hex.slice(0, length))).toBeTypeOf('string');
  });

  it('allows nesting up to the limit, Sets and Maps counted like arrays', () => {
    expect(scan(`${'81'.repeat(MAX_VALUE_DEPTH - 1)}80`)).toBeUndefined();
    expect(scan(`${'81'.repeat(MAX_VALUE_DEPTH)}80`)).toMatch(/deeper than 64/);
    expect(scan(`${'d9010281'.repeat(MAX_VALUE_DEPTH)}00`)).toBeUndefined();
    expect(scan(`${'d90103a100'.repeat(MAX_VALUE_DEPTH + 1)}00`)).toMatch(/deeper/);
    expect(scan(`${'81'.repeat(100_000)}80`)).toMatch(/deeper/);
  });

  it('allows items up to the limit', () => {
    const array = (count: number) => scan(`9a${u32(count)}${'00'.repeat(count)}`);
    expect(array(MAX_VALUE_ITEMS - 1)).toBeUndefined();
    expect(array(MAX_VALUE_ITEMS)).toMatch(/more than 1048576 items/);
  });

  it('allows keys up to the limit', () => {
    expect(scan(`a1790100${'61'.repeat(MAX_KEY_BYTES)}01`)).toBeUndefined();
  });

  it('refuses byte strings that would cost far more memory than they have bytes', () => {
    const empties = (count: number) => scan(`9a${u32(count)}${'40'.repeat(count)}`);
    expect(empties(4_096)).toBeUndefined();
    expect(empties(20_000)).toMatch(/20000 byte strings/);
    expect(scan(`9a${u32(20_000)}${'420000'.repeat(20_000)}`)).toBeUndefined();
  });

  it('keeps no state from a refused value', () => {
    expect(scan('81'.repeat(70))).toBeTypeOf('string');
    expect(scan('8101')).toBeUndefined();
    expect(scan('a16161')).toBeTypeOf('string');
    expect(scan('8201f6')).toBeUndefined();
  });

  it('checks every text length around the switch to the native check', () => {
    for (let length = 120; length < 200; length += 1) {
      const head = `78${length.toString(16)}`;
      expect(scan(head + '61'.repeat(length))).toBeUndefined();
      for (const at of [0, length >> 1, length - 1]) {
        const bytes = Buffer.alloc(length, 'a');
        bytes[at] = 0xff;
        expect(scan(head + bytes.toString('hex'))).toMatch(/UTF-8/);
      }
    }
  });
});
