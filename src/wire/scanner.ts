// Walks the bytes of one value before anything decodes them, and refuses what a receiver must not see: deep or
// endless structures, foreign tags, text that is not text. It builds nothing and allocates nothing unless it
// refuses. The reader (value-reader.ts) relies on every rule here and checks nothing again.
//
// Duplicate keys and lengths written longer than need be are accepted: both decode to something harmless.
import { isUtf8 } from 'node:buffer';
import {
  BYTES_PER_BYTE_STRING,
  FREE_BYTE_STRINGS,
  MAX_BIGNUM_BYTES,
  MAX_KEY_BYTES,
  MAX_VALUE_DEPTH,
  MAX_VALUE_ITEMS,
} from '../limits.js';
import { readFloat } from './floats.js';
import { readU16, readU32 } from './primitives.js';
import { arrayKindOfTag } from './typed-arrays.js';

/** The tags of values beside those of typed arrays. */
export const Tag = { date: 1, bignum: 2, negativeBignum: 3, set: 258, map: 259 } as const;

/** The furthest a Date reaches from 1970, in seconds (ECMAScript's time range). */
const MAX_DATE = 8.64e12;
/** From here on a native check of UTF-8 is faster than a loop; measured. */
const LONG_TEXT_BYTES = 160;
const PROTO = '__proto__';
const PROTO_HEAD = 0x60 | PROTO.length;
const NOTHING = new Uint8Array(0);

// One scan at a time, and nothing in it calls out, so its state may live here: it is read per item.
let input: Uint8Array = NOTHING;
let origin = 0;
let cursor = 0;
let limit = 0;
/** Where the item begins that was read last, and the number in its head. */
let itemAt = 0;
let argument = 0;
let depth = 0;
let items = 0;
let byteStrings = 0;
let refusal = '';
/** Per open array or map: how many items it still lacks, and whether every second one must be a text key. */
const lacking = new Int32Array(MAX_VALUE_DEPTH + 1);
const textKeys = new Uint8Array(MAX_VALUE_DEPTH + 1);

/**
 * Looks whether exactly one acceptable value fills `bytes` from `start` to `end`.
 * Returns undefined if so, else the reason with its offset from `start`.
 */
export function scanValue(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (byteStringSize(bytes, start) === end - start && start < end) return undefined;
  input = bytes;
  origin = start;
  cursor = start;
  limit = end;
  const accepted = scanItems() && scanRest();
  input = NOTHING;
  return accepted ? undefined : refusal;
}

/** Size of the byte string with its head at `at`, were it all there; -1 when something else is. */
function byteStringSize(bytes: Uint8Array, at: number): number {
  const head = bytes[at]!;
  if (head >> 5 !== 2 || head > 0x5a) return -1;
  if (head < 0x58) return 1 + (head & 0x1f);
  if (head === 0x58) return 2 + bytes[at + 1]!;
  return head === 0x59 ? 3 + readU16(bytes, at + 1) : 5 + readU32(bytes, at + 1);
}

function scanItems(): boolean {
  depth = 0;
  items = 1;
  byteStrings = 0;
  lacking[0] = 1;
  textKeys[0] = 0;
  while (depth >= 0) {
    const left = lacking[depth]!;
    if (left === 0) {
      depth -= 1;
      continue;
    }
    lacking[depth] = left - 1;
    const isKey = textKeys[depth] === 1 && (left & 1) === 0;
    const end = plainEnd(input, cursor, limit, isKey);
    if (end > 0) cursor = end;
    else if (!(isKey ? scanKey() : scanItem())) return false;
  }
  return true;
}

/** The position behind a small integer, a constant or a short ASCII text; 0 for what takes a closer look. */
function plainEnd(bytes: Uint8Array, at: number, most: number, isKey: boolean): number {
  if (at >= most) return 0;
  const head = bytes[at]!;
  if (head >> 5 !== 3) return !isKey && (head < 24 || (head > 0xf3 && head < 0xf8)) ? at + 1 : 0;
  const end = at + 1 + (head & 0x1f);
  if (head > 0x77 || end > most || (isKey && head === PROTO_HEAD)) return 0;
  for (let i = at + 1; i < end; i += 1) if (bytes[i]! > 0x7f) return 0;
  return end;
}

function scanRest(): boolean {
  itemAt = cursor;
  if (cursor !== limit) return refuse(`${limit - cursor} bytes follow the value`);
  const most = FREE_BYTE_STRINGS + (limit - origin) / BYTES_PER_BYTE_STRING;
  return byteStrings <= most || refuse(`${byteStrings} byte strings are too many for so few bytes`);
}

function refuse(reason: string): false {
  refusal = `${reason} (at byte ${itemAt - origin})`;
  return false;
}

function scanItem(): boolean {
  const major = readHead();
  switch (major) {
    case 0:
    case 1:
      return true;
    case 2:
      byteStrings += 1;
      return skip(argument);
    case 3:
      return scanText();
    case 4:
      return enter(argument, 0);
    case 5:
      return enter(2 * argument, 1);
    case 6:
      return scanTagged(argument);
    default:
      return major === 7 && scanSimple();
  }
}

/** Reads the head of the next item: returns its major type and sets `argument`, or refuses and returns -1. */
function readHead(): number {
  itemAt = cursor;
  const head = input[cursor]!;
  const info = head & 0x1f;
  if (cursor < limit && info < 24) {
    argument = info;
    cursor += 1;
    return head >> 5;
  }
  return readLongHead(head, info);
}

function readLongHead(head: number, info: number): number {
  if (cursor >= limit) return refuseHead('the value is cut short');
  if (info > 27) return refuseHead(info === 31 ? 'an item has no definite length' : 'a head is reserved');
  const size = 1 << (info - 24);
  if (cursor + 1 + size > limit) return refuseHead('the value is cut short');
  if (size === 1) argument = input[cursor + 1]!;
  else if (size === 2) argument = readU16(input, cursor + 1);
  else argument = readU32(input, cursor + 1);
  if (size === 8) argument = argument * 0x1_0000_0000 + readU32(input, cursor + 5);
  cursor += 1 + size;
  return head >> 5;
}

function refuseHead(reason: string): -1 {
  refuse(reason);
  return -1;
}

function skip(length: number): boolean {
  if (length > limit - cursor) return refuse('the value is cut short');
  cursor += length;
  return true;
}

function enter(count: number, keys: 0 | 1): boolean {
  items += count;
  if (items > MAX_VALUE_ITEMS) return refuse(`there are more than ${MAX_VALUE_ITEMS} items`);
  if (depth === MAX_VALUE_DEPTH) return refuse(`it is nested deeper than ${MAX_VALUE_DEPTH}`);
  depth += 1;
  lacking[depth] = count;
  textKeys[depth] = keys;
  return true;
}

function scanKey(): boolean {
  if (readHead() !== 3) return cursor === itemAt ? false : refuse('a key is not a text');
  if (argument > MAX_KEY_BYTES) return refuse(`a key is longer than ${MAX_KEY_BYTES} bytes`);
  const at = cursor;
  if (!scanText()) return false;
  return !isProto(at) || refuse('a key is __proto__');
}

function isProto(at: number): boolean {
  if (cursor - at !== PROTO.length) return false;
  for (let i = 0; i < PROTO.length; i += 1) if (input[at + i] !== PROTO.charCodeAt(i)) return false;
  return true;
}

function scanText(): boolean {
  const at = cursor;
  if (!skip(argument)) return false;
  if (argument >= LONG_TEXT_BYTES) return isUtf8(input.subarray(at, cursor)) || refuse('a text is not UTF-8');
  for (let i = at; i < cursor; i += 1) {
    if (input[i]! > 0x7f) return isShortUtf8(i, cursor) || refuse('a text is not UTF-8');
  }
  return true;
}

function isShortUtf8(from: number, to: number): boolean {
  let at = from;
  while (at < to) {
    const length = sequenceLength(at);
    if (length === 0 || at + length > to) return false;
    for (let i = 1; i < length; i += 1) if (input[at + i]! >> 6 !== 2) return false;
    at += length;
  }
  return true;
}

/** Bytes of the UTF-8 sequence at `at` by its first two bytes; 0 for an impossible, overlong or surrogate one. */
function sequenceLength(at: number): number {
  const first = input[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  const second = input[at + 1]!;
  if (first < 0xf0) return (first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f) ? 0 : 3;
  if (first > 0xf4) return 0;
  return (first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f) ? 0 : 4;
}

function scanTagged(tag: number): boolean {
  const tagAt = itemAt;
  const major = readHead();
  if (major < 0) return false;
  if (tag === Tag.set && major === 4) return enter(argument, 0);
  if (tag === Tag.map && major === 5) return enter(2 * argument, 0);
  if (tag === Tag.date && (major < 2 || major === 7)) return scanDate(major);
  if (major === 2 && (tag === Tag.bignum || tag === Tag.negativeBignum)) return scanBignum();
  const kind = major === 2 ? arrayKindOfTag(tag) : undefined;
  if (kind !== undefined && argument % kind.elementBytes === 0) return skip(argument);
  itemAt = tagAt;
  return refuse(kind ? `a ${kind.name} has ${argument} bytes` : `tag ${tag} does not belong here`);
}

function scanBignum(): boolean {
  if (argument > MAX_BIGNUM_BYTES) return refuse(`a bignum is longer than ${MAX_BIGNUM_BYTES} bytes`);
  return skip(argument);
}

function scanDate(major: number): boolean {
  const size = cursor - itemAt - 1;
  if (major === 7 && size < 2) return refuse('a date is not a number');
  const seconds = major === 7 ? readFloat(input, itemAt + 1, size) : argument;
  return Math.abs(seconds) <= MAX_DATE || refuse('a date is out of range');
}

/** false, true, null, undefined and the three sizes of floats. */
function scanSimple(): boolean {
  const info = input[itemAt]! & 0x1f;
  return (info > 19 && info !== 24) || refuse('a simple value is unknown');
}
