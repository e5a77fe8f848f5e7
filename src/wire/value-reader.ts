// Builds a value from bytes that the scanner has accepted; on any other bytes it does as it likes. What it
// returns shares no memory with them.
import { copyBytes } from './byte-copies.js';
import { readFloat } from './floats.js';
import { readU16, readU32 } from './primitives.js';
import { Tag } from './scanner.js';
import { TextCache } from './text-cache.js';
import { createTypedArray } from './typed-arrays.js';

const NOTHING = Buffer.alloc(0);

// One read at a time, and nothing in it calls out, so its state may live here: it is read per item.
let input: Buffer = NOTHING;
let cursor = 0;
const keys = new TextCache();
const texts = new TextCache();

/** The value that lies in `bytes` from `start`. */
export function readValue(bytes: Uint8Array, start: number): unknown {
  input = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  cursor = start;
  const value = readItem();
  input = NOTHING;
  return value;
}

function readItem(): unknown {
  const head = input[cursor]!;
  switch (head >> 5) {
    case 0:
      return readInteger();
    case 1:
      return readNegative();
    case 2:
      return readBytes();
    case 3:
      return readText(texts);
    case 4:
      return readArray();
    case 5:
      return readObject();
    case 6:
      return readTagged();
    default:
      return readSimple();
  }
}

/** Reads a head and returns its number; lengths and tags are far below 2⁵³. */
function readArgument(): number {
  const info = input[cursor]! & 0x1f;
  cursor += 1;
  if (info < 24) return info;
  const at = cursor;
  cursor += 1 << (info - 24);
  if (info === 24) return input[at]!;
  if (info === 25) return readU16(input, at);
  if (info === 26) return readU32(input, at);
  return readU32(input, at) * 0x1_0000_0000 + readU32(input, at + 4);
}

function readInteger(): number | bigint {
  const at = cursor;
  const value = readArgument();
  return value > Number.MAX_SAFE_INTEGER ? input.readBigUInt64BE(at + 1) : value;
}

function readNegative(): number | bigint {
  const at = cursor;
  const value = readArgument();
  return value >= Number.MAX_SAFE_INTEGER ? -1n - input.readBigUInt64BE(at + 1) : -1 - value;
}

function readBytes(): Uint8Array {
  const length = readArgument();
  cursor += length;
  return copyBytes(input, cursor - length, cursor);
}

function readText(cache: TextCache): string {
  const length = readArgument();
  const at = cursor;
  cursor += length;
  return cache.lookup(input, at, length) ?? cache.remember(input.toString('utf8', at, cursor), length);
}

function readArray(): unknown[] {
  const length = readArgument();
  const array = new Array<unknown>(length);
  for (let i = 0; i < length; i += 1) array[i] = readItem();
  return array;
}

function readObject(): Record<string, unknown> {
  const count = readArgument();
  const object: Record<string, unknown> = {};
  for (let i = 0; i < count; i += 1) {
    const key = readText(keys);
    object[key] = readItem();
  }
  return object;
}

function readTagged(): unknown {
  const tag = readArgument();
  switch (tag) {
    case Tag.date:
      return readDate();
    case Tag.bignum:
      return readBignum();
    case Tag.negativeBignum:
      return -1n - readBignum();
    case Tag.set:
      return new Set(readArray());
    case Tag.map:
      return readMap();
    default:
      return readTypedArray(tag);
  }
}

/** Whole seconds and the rest apart: together they would be off by a millisecond in far years. */
function readDate(): Date {
  const seconds = readItem() as number;
  const whole = Math.floor(seconds);
  return new Date(whole * 1000 + Math.round((seconds - whole) * 1000));
}

function readBignum(): bigint {
  const length = readArgument();
  cursor += length;
  return length === 0 ? 0n : BigInt(`0x${input.toString('hex', cursor - length, cursor)}`);
}

function readMap(): Map<unknown, unknown> {
  const count = readArgument();
  const map = new Map<unknown, unknown>();
  for (let i = 0; i < count; i += 1) {
    const key = readItem();
    map.set(key, readItem());
  }
  return map;
}

function readTypedArray(tag: number): unknown {
  const length = readArgument();
  cursor += length;
  const from = input.byteOffset + cursor - length;
  return createTypedArray(tag, input.buffer.slice(from, from + length));
}

function readSimple(): unknown {
  const info = input[cursor]! & 0x1f;
  cursor += 1;
  if (info > 24) return readFloatOf(1 << (info - 24));
  if (info < 22) return info === 21;
  return info === 22 ? null : undefined;
}

function readFloatOf(size: number): number {
  cursor += size;
  return readFloat(input, cursor - size, size);
}
