import { describe, expect, test } from 'vitest';
import { formatValue, parseValue } from '../../src/cli/json-forms.js';
import { MAX_VALUE_DEPTH } from '../../src/limits.js';

const pairs: [string, unknown, string][] = [
  ['null', null, 'null'],
  ['text', 'a"\n\u{1f600}', '"a\\"\\n\u{1f600}"'],
  ['a number', -1.5, '-1.5'],
  ['a nested object', { a: [1, { b: true }] }, '{"a":[1,{"b":true}]}'],
  ['bytes', Uint8Array.of(104, 105, 255), '{"$bytes":"aGn/"}'],
  ['no bytes', new Uint8Array(), '{"$bytes":""}'],
  ['a bigint', -(2n ** 70n), '{"$bigint":"-1180591620717411303424"}'],
  ['a date', new Date(1_700_000_000_123), '{"$date":"2023-11-14T22:13:20.123Z"}'],
  ['a date before 0000', new Date(-1e14), `{"$date":"${new Date(-1e14).toISOString()}"}`],
  ['an invalid date', new Date(Number.NaN), '{"$date":null}'],
  ['undefined', undefined, '{"$undefined":true}'],
  ['undefined in an array', [undefined], '[{"$undefined":true}]'],
  ['NaN', Number.NaN, '{"$number":"NaN"}'],
  ['infinity', Number.POSITIVE_INFINITY, '{"$number":"Infinity"}'],
  ['minus infinity', Number.NEGATIVE_INFINITY, '{"$number":"-Infinity"}'],
  ['minus zero', -0, '{"$number":"-0"}'],
  [
    'a map',
    new Map<unknown, unknown>([
      [1, 'a'],
      [{ k: 1n }, null],
    ]),
    '{"$map":[[1,"a"],[{"k":{"$bigint":"1"}},null]]}',
  ],
  ['a set', new Set<unknown>(['a', new Set()]), '{"$set":["a",{"$set":[]}]}'],
  ['a typed array', Float64Array.of(1.5, Number.NaN), '{"$typed":{"Float64Array":[1.5,{"$number":"NaN"}]}}'],
  ['a bigint array', BigInt64Array.of(-1n), '{"$typed":{"BigInt64Array":[{"$bigint":"-1"}]}}'],
  ['an object like a form', { $bytes: 'x' }, '{"$literal":{"$bytes":"x"}}'],
  ['an object like no form', { $ref: 1n }, '{"$literal":{"$ref":{"$bigint":"1"}}}'],
  ['an object like a literal', { $literal: { $a: 1 } }, '{"$literal":{"$literal":{"$literal":{"$a":1}}}}'],
  ['two keys with a dollar', { $a: 1, $b: 2 }, '{"$a":1,"$b":2}'],
];

describe('what JSON cannot say is written and read back', () => {
  test.each(pairs)('%s', (_, value, json) => {
    expect(formatValue(value)).toBe(json);
    expect(parseValue(json)).toStrictEqual(value);
  });

  test('a key __proto__ stays a key', () => {
    const value = parseValue('{"__proto__":{"a":1}}') as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(formatValue(value)).toBe('{"__proto__":{"a":1}}');
  });

  test('an object whose only key is $ but no form is read as it stands', () => {
    expect(parseValue('{"$ref":"#/a"}')).toStrictEqual({ $ref: '#/a' });
    expect(parseValue('{"$toString":1}')).toStrictEqual({ $toString: 1 });
  });

  test('bytes printed from a slice of a buffer are only the slice', () => {
    expect(formatValue(Buffer.from('xhix').subarray(1, 3))).toBe('{"$bytes":"aGk="}');
  });
});

describe('forms that are wrong are refused', () => {
  test.each([
    '{"$bytes":"a"}',
    '{"$bytes":"aGk=\\n"}',
    '{"$bytes":[1]}',
    '{"$bigint":"1.5"}',
    '{"$bigint":1}',
    '{"$bigint":""}',
    '{"$date":"yesterday"}',
    '{"$date":5}',
    '{"$undefined":false}',
    '{"$number":"1"}',
    '{"$number":"hello"}',
    '{"$map":[[1]]}',
    '{"$map":{}}',
    '{"$set":{}}',
    '{"$typed":{"Float64Array":["1"]}}',
    '{"$typed":{"Float64Array":[1],"Int8Array":[]}}',
    '{"$typed":{"constructor":[]}}',
    '{"$literal":1}',
    '{"$literal":[]}',
    '[1,]',
    '',
  ])('%s', (json) => {
    expect(() => parseValue(json)).toThrow(SyntaxError);
  });

  test('nesting ends with an error at the limit, not with a stack overflow', () => {
    const nest = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseValue(nest(MAX_VALUE_DEPTH))).toBeInstanceOf(Array);
    expect(() => parseValue(nest(100_000))).toThrow(/nested deeper than 64/);
  });
});
