import { describe, expect, it } from 'vitest';
import { MAX_FRAME_BYTES, MAX_HEADERS } from '../../src/limits.js';
import {
  At,
  checkFrame,
  encodeFrame,
  encodeHeaders,
  Flag,
  FrameFault,
  type FrameFields,
  frameSize,
  headSize,
  Kind,
  MIN_FRAME_BYTES,
  optionsOffset,
  PREFIX_BYTES,
  readFlags,
  readRef,
  readSubject,
  readTail,
  readTtl,
  readU32,
  readU64,
  toPosition,
  writeHead,
  writeU32,
  writeU64,
} from '../../src/wire/frame.js';

const sender = Buffer.from('b0b1b2b3b4b5b6b7', 'hex');
const to = Buffer.from('c0c1c2c3c4c5c6c7', 'hex');
const data = Buffer.of(0xf6);
const frameOf = (fields: Partial<FrameFields> = {}) =>
  encodeFrame({ kind: Kind.publish, sender, data, ...fields });

/** A frame whose bytes from `at` on are others. */
function bent(frame: Buffer, at: number, ...bytes: number[]): Buffer {
  const copy = Buffer.from(frame);
  copy.set(bytes, at);
  return copy;
}

const check = (frame: Buffer) => () => checkFrame(frame, 0, frame.length);

describe('layout', () => {
  it('has each fixed byte and each field in its place', () => {
    const frame = frameOf({
      kind: 21,
      flags: 0x0105,
      sequence: 0x0102_0304_05,
      order: 0x0607_0809_0a,
      time: 0x0b0c_0d0e_0f,
      subject: 'ab',
      data: Buffer.of(0x01),
    });
    expect(frame.toString('hex')).toBe(
      [
        'd8185a 00000031 89 15 190105 1b b0b1b2b3b4b5b6b7',
        '1b 0000000102030405 1b 0000000607 08090a 1b 0000000b0c0d0e0f 79 0002 6162 b8 00 01',
      ]
        .join('')
        .replaceAll(' ', ''),
    );
    expect(readU32(frame, At.length)).toBe(frame.length - PREFIX_BYTES);
  });

  it('has a smallest frame', () => {
    expect(frameOf()).toHaveLength(MIN_FRAME_BYTES);
    expect(frameSize(frameOf(), 0, MIN_FRAME_BYTES)).toBe(MIN_FRAME_BYTES);
  });

  it('may begin anywhere in a buffer', () => {
    const fields = { subject: 'a.b', to, ttl: 7, ref: 8, headers: encodeHeaders({ h: 'v' }) };
    const frame = frameOf(fields);
    const buffer = Buffer.concat([Buffer.alloc(5, 0xff), frame, Buffer.alloc(5, 0xff)]);
    const end = 5 + frame.length;
    expect(frameSize(buffer, 5, end)).toBe(frame.length);
    checkFrame(buffer, 5, frame.length);
    expect(readSubject(buffer, 5)).toBe('a.b');
    expect(readTtl(buffer, 5)).toBe(7);
    expect(readRef(buffer, 5)).toBe(8);
    expect(toPosition(buffer, 5)).toBe(5 + optionsOffset(frame, 0) + 4);
    expect(readTail(buffer, 5, frame.length)).toEqual({ headers: { h: 'v' }, data: end - 1 });
  });

  it('takes numbers up to 2⁵³', () => {
    const bytes = Buffer.alloc(8);
    for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
      writeU64(bytes, 0, value);
      expect(readU64(bytes, 0)).toBe(value);
      expect(bytes.readBigUInt64BE()).toBe(BigInt(value));
    }
  });
});

describe('options', () => {
  const headers = { a: '1', grüße: 'x'.repeat(300) };
  const combinations = Array.from({ length: 16 }, (_, bits) => ({
    to: bits & 1 ? to : undefined,
    ttl: bits & 2 ? 0xffff_ffff : undefined,
    ref: bits & 4 ? 2 ** 40 : undefined,
    headers: bits & 8 ? headers : undefined,
  }));

  it.each(combinations)('to $to, ttl $ttl, ref $ref, headers $headers', (wanted) => {
    const encoded = wanted.headers && encodeHeaders(wanted.headers);
    const fields = { subject: 'some.subject', ...wanted, headers: encoded };
    const frame = frameOf(fields);
    checkFrame(frame, 0, frame.length);
    expect(headSize({ kind: 0, sender, ...fields })).toBe(frame.length - data.length);
    const flags = readFlags(frame, 0);
    expect(flags & Flag.hasTo).toBe(wanted.to ? Flag.hasTo : 0);
    expect(flags & Flag.hasTtl).toBe(wanted.ttl === undefined ? 0 : Flag.hasTtl);
    expect(flags & Flag.hasRef).toBe(wanted.ref === undefined ? 0 : Flag.hasRef);
    const position = toPosition(frame, 0);
    if (wanted.to) expect(frame.subarray(position, position + 8)).toEqual(to);
    if (wanted.ttl !== undefined) expect(readTtl(frame, 0)).toBe(wanted.ttl);
    if (wanted.ref !== undefined) expect(readRef(frame, 0)).toBe(wanted.ref);
    const tail = readTail(frame, 0, frame.length);
    expect(tail).toEqual({ headers: wanted.headers, data: frame.length - 1 });
  });

  it('keeps a header called __proto__ as a property', () => {
    const named = Object.fromEntries([['__proto__', 'x']]);
    const frame = frameOf({ headers: encodeHeaders(named) });
    const found = readTail(frame, 0, frame.length).headers!;
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
    expect(Object.entries(found)).toEqual([['__proto__', 'x']]);
  });

  it('are written behind a subject of any length', () => {
    for (const length of [0, 1, 254, 255]) {
      const frame = frameOf({ subject: 'a'.repeat(length), to });
      checkFrame(frame, 0, frame.length);
      expect(readSubject(frame, 0)).toHaveLength(length);
    }
  });

  it('leave the position behind the head to the caller', () => {
    const target = Buffer.alloc(200);
    const fields = { kind: Kind.query, sender, subject: 'a', ref: 1 };
    expect(writeHead(target, 10, 100, fields)).toBe(10 + headSize(fields));
    expect(readU32(target, 10 + At.length)).toBe(100 - PREFIX_BYTES);
  });
});

describe('the size of a frame', () => {
  it('is 0 while the length is not there', () => {
    const frame = frameOf();
    for (let end = 0; end < PREFIX_BYTES; end += 1) expect(frameSize(frame, 0, end)).toBe(0);
    expect(frameSize(frame, 0, PREFIX_BYTES)).toBe(frame.length);
  });

  it.each([
    [[0x00], 'byte 0 of a frame is 00'],
    [[0xd8, 0x19], 'byte 1 of a frame is 19'],
    [[0xd8, 0x18, 0x58], 'byte 2 of a frame is 58'],
    [[0x47, 0x45, 0x54, 0x20, 0x2f, 0x20, 0x48], 'a frame begins with 47 45 54, not with d8 18 5a'],
  ])('%j is no beginning', (bytes, message) => {
    const given = Buffer.from(bytes);
    const fault = faultOf(() => frameSize(given, 0, given.length));
    expect(fault).toBeInstanceOf(FrameFault);
    expect(fault.message).toBe(message);
  });

  it.each([
    [MIN_FRAME_BYTES - 1, false],
    [MIN_FRAME_BYTES, true],
    [MAX_FRAME_BYTES, true],
    [MAX_FRAME_BYTES + 1, false],
    [0xffff_ffff + PREFIX_BYTES, false],
  ])('of %i: possible %s', (size, possible) => {
    const frame = frameOf();
    writeU32(frame, At.length, size - PREFIX_BYTES);
    if (possible) expect(frameSize(frame, 0, frame.length)).toBe(size);
    else {
      expect(() => frameSize(frame, 0, frame.length)).toThrow(
        `a frame announces ${size} bytes; ${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES} are possible`,
      );
    }
  });
});

describe('a frame is refused', () => {
  const frame = frameOf({ subject: 'ab', to, ttl: 1, ref: 2 });

  it.each([7, 9, 12, 21, 30, 39, 48])('with another fixed byte at %i', (at) => {
    expect(check(frame)).not.toThrow();
    expect(check(bent(frame, at, frame[at]! ^ 1))).toThrow('a frame lacks one of its fixed bytes');
  });

  it('with a subject over 255 bytes', () => {
    const long = encodeFrame({ kind: 0, sender, data: Buffer.alloc(300, 0xb8) });
    expect(check(bent(long, At.subjectLength, 0x01, 0x00))).toThrow('has a subject of 256 bytes');
    const allowed = encodeFrame({ kind: 0, sender, data: Buffer.alloc(300, 0xb8) });
    expect(check(bent(allowed, At.subjectLength, 0x00, 0xff))).not.toThrow();
  });

  it('with a subject that reaches behind its end', () => {
    for (let length = 0; length < 255; length += 1) {
      if (length === 2) continue;
      const lying = bent(frame, At.subjectLength, 0, length);
      expect(check(lying), String(length)).toThrow(FrameFault);
    }
  });

  it('without data: the options leave it no byte', () => {
    for (const options of [{ to }, { to, ttl: 1 }, { to, ttl: 1, ref: 1 }]) {
      const whole = frameOf(options);
      expect(() => checkFrame(whole, 0, whole.length - data.length)).toThrow(
        'is flagged but not in its place',
      );
      expect(check(whole)).not.toThrow();
    }
  });

  it.each([
    [Flag.hasTo, 1],
    [Flag.hasTtl, 2],
    [Flag.hasRef, 3],
  ])('with the flag %i but without option %i', (flag, option) => {
    const lying = frameOf({ flags: flag, data: Buffer.alloc(40) });
    expect(check(lying)).toThrow(`option ${option} is flagged but not in its place`);
  });

  const to0 = At.subject + 2 + 2;
  it.each([
    ['key of `to`', to0, 1],
    ['head of `to`', to0 + 1, 1],
    ['key of `ttl`', to0 + 10, 2],
    ['head of `ttl`', to0 + 11, 2],
    ['key of `ref`', to0 + 16, 3],
    ['head of `ref`', to0 + 17, 3],
  ])('with another %s', (_what, at, option) => {
    expect(check(bent(frame, at, 0x00))).toThrow(`option ${option} is flagged but not in its place`);
  });
});

describe('headers are refused', () => {
  const headers = encodeHeaders({ name: 'value' });
  const whole = frameOf({ headers });
  const start = optionsOffset(whole, 0) + 2;
  const tail = (frame: Buffer) => () => readTail(frame, 0, frame.length);

  it('when there are too many', () => {
    const many = (count: number) =>
      frameOf({
        headers: encodeHeaders(Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, '']))),
      });
    expect(tail(many(MAX_HEADERS))).not.toThrow();
    expect(tail(many(MAX_HEADERS + 1))).toThrow(`a frame has ${MAX_HEADERS + 1} headers`);
  });

  it('when there are fewer options than flags', () => {
    const frame = frameOf({ to });
    expect(tail(bent(frame, optionsOffset(frame, 0) + 1, 0))).toThrow('a frame has -1 headers');
  });

  it.each([
    ['not a text', [0x44], 'a header is not a text inside its frame'],
    ['a text that reaches behind the frame', [0x78, 0xff], 'a header is not a text inside its frame'],
    ['a text of 4-byte length', [0x7a], 'a header has a text of an unusual length'],
    ['a text without a length', [0x7f], 'a header has a text of an unusual length'],
    ['not UTF-8', [0x64, 0xff], 'a header is not UTF-8'],
  ])('when one is %s', (_what, bytes, message) => {
    const fault = faultOf(tail(bent(whole, start, ...bytes)));
    expect(fault).toBeInstanceOf(FrameFault);
    expect(fault.message).toBe(message);
  });

  it('when they leave no data', () => {
    expect(() => readTail(whole, 0, whole.length - data.length)).toThrow(
      'a header is not a text inside its frame',
    );
  });

  it('never read behind the frame, wherever it is cut', () => {
    const stranger = Buffer.alloc(64, 0x61);
    for (let size = start; size < whole.length; size += 1) {
      const cut = Buffer.concat([whole.subarray(0, size), stranger]);
      expect(() => readTail(cut, 0, size), String(size)).toThrow(FrameFault);
    }
  });
});

function faultOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}
