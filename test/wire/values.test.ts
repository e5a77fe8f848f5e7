import { runInNewContext } from 'node:vm';
import { Encoder } from 'cbor-x';
import { describe, expect, it } from 'vitest';
import { MailslotError } from '../../src/errors.js';
import { MAX_VALUE_DEPTH, MAX_VALUE_ITEMS } from '../../src/limits.js';
import { scanValue } from '../../src/wire/scanner.js';
import {
  byteStringHeadSize,
  decodeValue,
  encodeValue,
  isPlainBytes,
  takeValue,
  writeByteStringHead,
} from '../../src/wire/values.js';

/** Encodes, scans, and decodes at an odd offset inside a larger buffer. */
function roundTrip(value: unknown): unknown {
  const encoded = encodeValue(value);
  const bytes = Buffer.alloc(encoded.length + 20, 0xff);
  bytes.set(encoded, 13);
  expect(scanValue(bytes, 13, 13 + encoded.length)).toBeUndefined();
  const decoded = decodeValue(bytes, 13, 13 + encoded.length);
  bytes.fill(0xee);
  return decoded;
}

const hex = (value: unknown) => Buffer.from(encodeValue(value)).toString('hex');

class Point {
  x = 1;
  y = 2;
  #hidden = 3;
  get sum() {
    return this.x + this.y + this.#hidden;
  }
}

const same: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  true: true,
  false: false,
  zero: 0,
  'minus zero': -0,
  NaN: Number.NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
  'largest integer': Number.MAX_SAFE_INTEGER,
  'smallest integer': Number.MIN_SAFE_INTEGER,
  'beyond integers': 2 ** 53,
  'below integers': -(2 ** 53),
  'largest number': Number.MAX_VALUE,
  'least number': Number.MIN_VALUE,
  'single float': 21.5,
  'double float': 0.1,
  'now in ms': 1_722_500_000_123,
  'zero bigint': 0n,
  'small bigint': 5n,
  'negative bigint': -5n,
  'bigint at 2⁵³': 2n ** 53n,
  'bigint at -2⁵³': -(2n ** 53n),
  'bigint of 64 bits': 2n ** 64n - 1n,
  'negative bigint of 64 bits': -(2n ** 64n),
  'bigint of 65 bits': 2n ** 64n,
  'largest bigint': 2n ** 512n - 1n,
  'smallest bigint': -(2n ** 512n),
  'empty text': '',
  text: 'hello',
  'text of 23': 'x'.repeat(23),
  'text of 24': 'x'.repeat(24),
  'text of 256': 'x'.repeat(256),
  'text of 70000': 'x'.repeat(70_000),
  'text beyond ascii': 'naïve – 日本語 😀',
  'long text beyond ascii': '😀é'.repeat(5000),
  'text with a byte order mark': '\ufeffx',
  'long text with a byte order mark': `\ufeff${'x'.repeat(200)}`,
  'text with NUL': 'a\0b',
  'empty array': [],
  array: [1, 'two', [3, [4]], null, undefined],
  'array of 300': Array.from({ length: 300 }, (_, i) => i),
  'empty object': {},
  object: { a: 1, b: { c: [true, { d: undefined }] }, 'with space': -0, '': 0 },
  'object with numeric keys': { 1: 'a', 0: 'b' },
  'object with dangerous keys': { constructor: 1, hasOwnProperty: 2, toString: 3, valueOf: 4, length: 5 },
  'object of 300 keys': Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key${i}`, i])),
  'key of 256 bytes': { ['é'.repeat(128)]: 1 },
  Date: new Date(1_722_500_000_123),
  'Date before 1970': new Date(-1),
  'Date at zero': new Date(0),
  'last Date': new Date(8.64e15),
  'first Date': new Date(-8.64e15),
  'empty Map': new Map(),
  Map: new Map<unknown, unknown>([
    ['a', 1],
    [1, new Map([[{ k: 1 }, [2]]])],
    [Number.NaN, -0],
  ]),
  'Map with the key __proto__': new Map([['__proto__', 1]]),
  'empty Set': new Set(),
  Set: new Set([1, 'a', new Set([2]), { b: 3 }]),
  Uint8Array: new Uint8Array([1, 2, 3]),
  'Uint8Array of 0': new Uint8Array(0),
  'Uint8Array in an object': { a: new Uint8Array(100).fill(7) },
  'Uint8Array of 70000': new Uint8Array(70_000).fill(9),
  Int8Array: new Int8Array([-1, 2]),
  Uint8ClampedArray: new Uint8ClampedArray([1, 300]),
  Int16Array: new Int16Array([-1, 300]),
  Uint16Array: new Uint16Array([1, 65535]),
  Int32Array: new Int32Array([-1, 2 ** 30]),
  Uint32Array: new Uint32Array([1, 2 ** 32 - 1]),
  BigInt64Array: new BigInt64Array([-1n, 2n ** 62n]),
  BigUint64Array: new BigUint64Array([1n, 2n ** 64n - 1n]),
  Float32Array: new Float32Array([1.5, Number.NaN]),
  Float64Array: new Float64Array([0.1, -0]),
  'empty Float64Array': new Float64Array(0),
  'part of a Float64Array': new Float64Array([1, 2, 3]).subarray(1),
};

describe('a value that comes out as it went in', () => {
  it.each(Object.entries(same))('%s', (_, value) => {
    const decoded = roundTrip(value);
    expect(decoded).toStrictEqual(value);
    expect(Object.is(decoded, value) || typeof value === 'object').toBe(true);
  });

  it('keeps every byte length around the ways of copying', () => {
    for (const length of [1, 23, 24, 31, 32, 33, 95, 96, 97, 255, 256, 2047, 2048, 2049, 65_535, 65_536]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
      for (const decoded of [roundTrip(bytes), (roundTrip([bytes]) as unknown[])[0]]) {
        expect(Object.getPrototypeOf(decoded)).toBe(Uint8Array.prototype);
        expect(Buffer.compare(decoded as Uint8Array, bytes)).toBe(0);
      }
    }
  });

  it('keeps every integer around the sizes of heads', () => {
    for (const power of [4, 5, 8, 16, 24, 31, 32, 33, 48, 52, 53]) {
      for (const delta of [-2, -1, 0, 1]) {
        for (const value of [2 ** power + delta, -(2 ** power) + delta]) expect(roundTrip(value)).toBe(value);
        for (const value of [2n ** BigInt(power) + BigInt(delta)])
          expect(roundTrip([value, -value])).toEqual([value, -value]);
      }
    }
  });

  it('keeps dates over the whole range', () => {
    for (let i = 0; i < 4_000; i += 1) {
      const time = Math.trunc((((i * 7_919) % 20_011) / 20_011 - 0.5) * 2 * 8.64e15) + i;
      expect((roundTrip(new Date(time)) as Date).getTime()).toBe(time);
    }
  });
});

describe('a value that comes out plainer than it went in', () => {
  const plainer: Record<string, [unknown, unknown]> = {
    Buffer: [Buffer.from([1, 2]), new Uint8Array([1, 2])],
    'Buffer in an object': [{ a: Buffer.from([1, 2]) }, { a: new Uint8Array([1, 2]) }],
    'pooled Buffer': [Buffer.from('pooled'), new Uint8Array(Buffer.from('pooled'))],
    ArrayBuffer: [new Uint8Array([1, 2]).buffer, new Uint8Array([1, 2])],
    SharedArrayBuffer: [new SharedArrayBuffer(2), new Uint8Array(2)],
    'bytes over shared memory': [new Uint8Array(new SharedArrayBuffer(2)), new Uint8Array(2)],
    DataView: [new DataView(new Uint8Array([1, 2, 3]).buffer, 1), new Uint8Array([2, 3])],
    'subclass of Uint8Array': [new (class Bytes extends Uint8Array {})([1]), new Uint8Array([1])],
    'class instance': [new Point(), { x: 1, y: 2 }],
    'object without prototype': [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    'object with an enumerable prototype': [
      Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } }),
      { own: 2 },
    ],
    'sparse array': [Object.assign(new Array(3), { 0: 1, 2: 3 }), [1, undefined, 3]],
    'subclass of Array': [new (class List extends Array<number> {})(1, 2, 3), [1, 2, 3]],
    'subclass of Map': [new (class Table extends Map<string, number> {})([['a', 1]]), new Map([['a', 1]])],
    'symbol keys': [{ [Symbol('s')]: 1, a: 2 }, { a: 2 }],
    'object with toJSON': [
      { toJSON: undefined, a: 1 },
      { toJSON: undefined, a: 1 },
    ],
    'object that poses as an array': [
      { constructor: undefined, length: 2 },
      { constructor: undefined, length: 2 },
    ],
    'other realm': [
      runInNewContext('({ d: new Date(5), m: new Map([[1, 2]]), a: [new Uint8Array(2)] })'),
      { d: new Date(5), m: new Map([[1, 2]]), a: [new Uint8Array(2)] },
    ],
  };

  it.each(Object.entries(plainer))('%s', (_, [value, expected]) => {
    expect(roundTrip(value)).toStrictEqual(expected);
  });
});

describe('a value that cannot be sent', () => {
  const cycle: { self?: unknown; list: unknown[] } = { list: [] };
  cycle.list.push({ back: cycle });
  const mapCycle = new Map<string, unknown>();
  mapCycle.set('me', mapCycle);
  const deep = (levels: number) => Array.from({ length: levels }).reduce((inner: unknown) => [inner], 0);
  const thrown = new Error('no');

  const cases: Record<string, [unknown, RegExp]> = {
    function: [() => 1, /^publish: data is a function; /],
    symbol: [Symbol('x'), /data is a symbol/],
    'method of an object': [{ a: [0, { run() {} }] }, /data\.a\[1\]\.run is a function/],
    'value in a Map': [new Map([['k', [Symbol('x')]]]), /data<value 0>\[0\] is a symbol/],
    'key in a Map': [new Map([[() => 1, 1]]), /data<key 0> is a function/],
    'member of a Set': [new Set([1, () => 1]), /data<member 1> is a function/],
    'odd key': [{ 'a b': Symbol('x') }, /data\["a b"\] is a symbol/],
    cycle: [cycle, /: data contains itself/],
    'cycle further in': [{ a: { b: cycle } }, /data\.a\.b contains itself/],
    'cycle of a Map': [mapCycle, /data contains itself/],
    'too deep': [deep(MAX_VALUE_DEPTH + 1), /nested deeper than 64/],
    'half a surrogate pair': ['\ud83d', /data has half of a surrogate pair/],
    'half a pair in a long text': [{ t: `${'x'.repeat(500)}\ude00` }, /data\.t has half/],
    'half a pair in a key': [{ '\ud83d': 1 }, /has half/],
    'invalid Date': [[new Date(Number.NaN)], /data\[0\] is an invalid Date/],
    'bigint too large': [2n ** 512n, /more than 64 bytes/],
    'bigint too small': [-(2n ** 512n) - 1n, /more than 64 bytes/],
    __proto__: [JSON.parse('{"a":{"__proto__":1}}'), /data\.a\.__proto__ is a key/],
    'long key': [{ ['x'.repeat(257)]: 1 }, /is a key of 257 bytes/],
    'long key of few characters': [{ ['é'.repeat(129)]: 1 }, /is a key of 258 bytes/],
    Error: [{ e: new Error('x') }, /data\.e is of the kind Error/],
    RegExp: [/x/, /of the kind RegExp/],
    Promise: [Promise.resolve(), /of the kind Promise/],
    WeakMap: [new WeakMap(), /of the kind WeakMap/],
    URL: [new URL('http://x/'), /of the kind URL/],
    'boxed number': [Object(1), /of the kind Number/],
    'boxed text': [Object('x'), /of the kind String/],
    generator: [(function* () {})(), /of the kind Generator/],
    'throwing getter': [
      {
        get a() {
          throw thrown;
        },
      },
      /data\.a cannot be read; see the cause/,
    ],
    'many items': [new Array(MAX_VALUE_ITEMS).fill(0), /above 1048576 items/],
    'many empty byte strings': [
      Array.from({ length: 20_000 }, () => new Uint8Array(0)),
      /data holds 20000 byte strings/,
    ],
  };

  it.each(Object.entries(cases))('%s', (_, [value, message]) => {
    expect(() => encodeValue(value, 'publish')).toThrow(message);
    try {
      encodeValue(value, 'publish');
    } catch (error) {
      expect(MailslotError.is(error, 'MAILSLOT_NOT_ENCODABLE')).toBe(true);
    }
    expect(roundTrip({ after: [1] })).toEqual({ after: [1] });
  });

  it('keeps what a getter threw as the cause', () => {
    expect(() => encodeValue(cases['throwing getter']?.[0])).toThrow(
      expect.objectContaining({ cause: thrown }),
    );
  });

  it('refuses more than the largest frame without building it', () => {
    expect(() => encodeValue(['x'.repeat(40 << 20), 'x'.repeat(40 << 20)])).toThrow(
      /more than 67108864 bytes/,
    );
  });

  it('goes up to the limits', () => {
    expect(roundTrip(deep(MAX_VALUE_DEPTH))).toEqual(deep(MAX_VALUE_DEPTH));
    expect(roundTrip(new Array(MAX_VALUE_ITEMS - 1).fill(0))).toHaveLength(MAX_VALUE_ITEMS - 1);
  });

  it('sends the same object twice', () => {
    const shared = { a: 1 };
    expect(roundTrip([shared, shared])).toEqual([shared, shared]);
  });
});

describe('the bytes', () => {
  const vectors: [unknown, string][] = [
    [0, '00'],
    [-1, '20'],
    [1000, '1903e8'],
    [1_000_000_000_000, '1b000000e8d4a51000'],
    [-0, 'f98000'],
    [Number.NaN, 'f97e00'],
    [1.5, 'fa3fc00000'],
    [1.1, 'fb3ff199999999999a'],
    [5n, 'c24105'],
    [0n, 'c240'],
    [-6n, 'c34105'],
    [2n ** 63n, '1b8000000000000000'],
    ['é', '62c3a9'],
    [new Uint8Array([1]), '4101'],
    [{ a: [true, null] }, 'a1616182f5f6'],
    [new Date(1000), 'c101'],
    [new Set([1]), 'd901028101'],
    [new Map([[1, 2]]), 'd90103a10102'],
    [new Int16Array([1]), 'd84d420100'],
  ];

  it.each(vectors)('of %s are %s', (value, expected) => {
    expect(hex(value)).toBe(expected);
  });

  it('are understood by another CBOR library', () => {
    const other = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });
    for (const [name, value] of Object.entries(same)) {
      // it shortens texts by their byte order mark, unless its native part is there
      if (name.includes('byte order mark')) continue;
      const decoded: unknown = other.decode(Buffer.from(encodeValue(value)));
      if (typeof value === 'number' && Number.isSafeInteger(value)) expect(Number(decoded)).toBe(value);
      else if (!name.includes('now in ms')) expect(encodeValue(decoded)).toEqual(encodeValue(value));
    }
  });

  it('of another CBOR library are read', () => {
    const other = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });
    for (const [name, value] of Object.entries(same)) {
      if (name === 'minus zero' || name === 'object' || name === 'Map') continue;
      const bytes = other.encode(value);
      expect([name, scanValue(bytes, 0, bytes.length)]).toEqual([name, undefined]);
      const decoded = decodeValue(bytes, 0, bytes.length);
      if (typeof value === 'bigint') expect(BigInt(decoded as number)).toBe(value);
      else expect(decoded).toStrictEqual(value);
    }
  });

  it('turn arrays of the other byte order', () => {
    const read = (text: string) => decodeValue(Buffer.from(text, 'hex'), 0, text.length / 2);
    expect(read('d8414401020304')).toEqual(new Uint16Array([0x0102, 0x0304]));
    expect(read('d851443fc00000')).toEqual(new Float32Array([1.5]));
    expect(read('d84b480000000000000005')).toEqual(new BigInt64Array([5n]));
  });

  it('are read from a Uint8Array as from a Buffer', () => {
    const encoded = new Uint8Array(
      encodeValue({ text: 'é'.repeat(100), bytes: new Uint8Array(40), big: 2n ** 60n }),
    );
    expect(decodeValue(encoded, 0, encoded.length)).toEqual({
      text: 'é'.repeat(100),
      bytes: new Uint8Array(40),
      big: 2n ** 60n,
    });
  });
});

describe('decodeValue', () => {
  it('never takes one text for another that was read before', () => {
    // each of these, read as Latin-1, is the text made of the characters with its bytes as their codes
    for (let first = 0xc2; first < 0xe0; first += 1) {
      for (let second = 0x80; second < 0xc0; second += 1) {
        const bytes = Buffer.from([first, second]);
        const lookalike = bytes.toString('latin1');
        expect(
          roundTrip([lookalike, bytes.toString(), { [lookalike]: 1 }, { [bytes.toString()]: 2 }]),
        ).toEqual([lookalike, bytes.toString(), { [lookalike]: 1 }, { [bytes.toString()]: 2 }]);
      }
    }
  });
});

describe('encodeValue', () => {
  it('serves a getter that encodes something itself', () => {
    const value = {
      before: 1,
      get inner() {
        return Buffer.from(encodeValue({ other: 'x'.repeat(100) })).length;
      },
      after: [2],
    };
    expect(roundTrip(value)).toEqual({ before: 1, inner: 109, after: [2] });
  });

  it('is not fooled by a Map that grows while it is written', () => {
    const map = new Map<unknown, unknown>();
    map.set('a', {
      get grow() {
        map.set(`k${map.size}`, 1);
        return 1;
      },
    });
    expect(roundTrip(map)).toEqual(new Map([['a', { grow: 1 }]]));
  });
});

describe('plain bytes', () => {
  it('are told from everything else', () => {
    expect([new Uint8Array(1), Buffer.alloc(1)].every(isPlainBytes)).toBe(true);
    const others = [
      new (class extends Uint8Array {})(1),
      new Uint8ClampedArray(1),
      new ArrayBuffer(1),
      [1],
      'x',
      null,
      undefined,
    ];
    expect(others.some(isPlainBytes)).toBe(false);
  });

  it('get the head that encodeValue gives them', () => {
    for (const length of [0, 23, 24, 255, 256, 65_535, 65_536]) {
      const head = Buffer.alloc(5);
      const end = writeByteStringHead(head, 0, length);
      expect(end).toBe(byteStringHeadSize(length));
      expect(head.subarray(0, end)).toEqual(
        Buffer.from(encodeValue(new Uint8Array(length)).subarray(0, end)),
      );
    }
  });

  it('come out as copies that do not overlap', () => {
    const source = Buffer.from(
      encodeValue(Array.from({ length: 200 }, (_, i) => new Uint8Array(33 + i).fill(i))),
    );
    const copies = decodeValue(source, 0, source.length) as Uint8Array[];
    for (const copy of copies) copy.fill(0xaa);
    const again = decodeValue(source, 0, source.length) as Uint8Array[];
    expect(again.every((copy, i) => copy.every((byte) => byte === i))).toBe(true);
    expect(copies.every((copy) => copy.every((byte) => byte === 0xaa))).toBe(true);
  });

  it('are views when the memory is given away, unless they are short, a small part of it, or lie askew', () => {
    const memory = Buffer.allocUnsafeSlow(80_000);
    // a batch may hold it among much that nobody wants any more
    const part = 39_000;
    const taken = (length: number, offset: number) => {
      const head = writeByteStringHead(memory, offset, length);
      const start = offset;
      return takeValue(memory, start, head + length) as Uint8Array;
    };
    const view = taken(70_000, 3);
    expect([view.buffer === memory.buffer, view.byteOffset, view.length]).toEqual([true, 8, 70_000]);
    expect(view.constructor).toBe(Uint8Array);
    for (const copy of [taken(70_000, 4), taken(1_000, 5), taken(part, 5)]) {
      expect([copy.buffer === memory.buffer, copy.byteOffset % 8]).toEqual([false, 0]);
    }
    expect(taken(70_000, 4)).toEqual(new Uint8Array(memory.subarray(9, 70_009)));
  });

  it('cannot be transferred together with their neighbours', () => {
    const source = Buffer.from(encodeValue(new Uint8Array(100)));
    const copy = decodeValue(source, 0, source.length) as Uint8Array;
    try {
      structuredClone(copy, { transfer: [copy.buffer as ArrayBuffer] });
    } catch {
      // newer Node refuses, older Node copies; neither may detach the memory
    }
    expect(copy.length).toBe(100);
  });
});
