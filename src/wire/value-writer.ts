// Turns a value into CBOR in one walk, which is also its check: whatever a receiver's scanner would refuse, or
// could not give back as it was, is refused here with the path to it. toJSON is not called.
import { types } from 'node:util';
import { MailslotError } from '../errors.js';
import {
  BYTES_PER_BYTE_STRING,
  FREE_BYTE_STRINGS,
  MAX_BIGNUM_BYTES,
  MAX_FRAME_BYTES,
  MAX_KEY_BYTES,
  MAX_VALUE_DEPTH,
  MAX_VALUE_ITEMS,
} from '../limits.js';
import { writeFloat32, writeFloat64 } from './floats.js';
import { writeU16, writeU32, writeU64 } from './frame.js';
import { Tag } from './scanner.js';
import { arrayKindOf, nativeTag } from './typed-arrays.js';

const INITIAL_BYTES = 8 * 1024;
/** A buffer that grew beyond this for one message is given back with the next. */
const KEPT_BYTES = 256 * 1024;
/** Up to this length a loop writes text faster than a native call; measured. */
const SHORT_TEXT = 48;
/** Head of an item with an 8-byte number. */
const LONGEST_HEAD = 9;
const MAX_BIGNUM = 1n << BigInt(8 * MAX_BIGNUM_BYTES);

/** One step of the path to a part: a property, an index, or a place in a Map or Set. */
type Step = string | number | { readonly place: string };

/** Writes values one after the other into one buffer; a result is overwritten by the next. */
export class ValueWriter {
  #target = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = 0;
  #items = 0;
  #byteStrings = 0;
  #depth = 0;
  #call = '';
  /** Per open container: itself, to name cycles, and the step into it that is being taken. */
  readonly #open: object[] = [];
  readonly #steps: Step[] = [];

  /** @throws MailslotError `MAILSLOT_NOT_ENCODABLE` or `MAILSLOT_MESSAGE_TOO_LARGE` */
  write(value: unknown, call: string): Uint8Array {
    if (this.#target.length > KEPT_BYTES) this.#target = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.#at = 0;
    this.#items = 1;
    this.#byteStrings = 0;
    this.#depth = 0;
    this.#call = call;
    try {
      this.#writeItem(value);
      this.#checkByteStrings();
    } catch (error) {
      throw MailslotError.is(error) ? error : this.#fault('cannot be read', 'see the cause', error);
    } finally {
      this.#open.length = 0;
    }
    return this.#target.subarray(0, this.#at);
  }

  #writeItem(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#writeText(value);
      case 'number':
        return this.#writeNumber(value);
      case 'object':
        return value === null ? this.#writeByte(0xf6) : this.#writeObject(value);
      case 'boolean':
        return this.#writeByte(value ? 0xf5 : 0xf4);
      case 'undefined':
        return this.#writeByte(0xf7);
      case 'bigint':
        return this.#writeBigint(value);
      case 'function':
        throw this.#fault('is a function', 'send what it returns');
      default:
        throw this.#fault('is a symbol', 'send its description');
    }
  }

  #writeByte(byte: number): void {
    this.#reserve(1);
    this.#target[this.#at++] = byte;
  }

  #writeHead(major: number, value: number): void {
    this.#reserve(LONGEST_HEAD);
    this.#at = writeItemHead(this.#target, this.#at, major, value);
  }

  #writeText(text: string): void {
    if (text.length <= SHORT_TEXT && this.#writeAscii(text)) return;
    if (!(text as unknown as WellFormable).isWellFormed()) {
      throw this.#fault(
        'has half of a surrogate pair',
        'cut texts between characters, or call toWellFormed()',
      );
    }
    const length = Buffer.byteLength(text);
    this.#writeHead(3, length);
    this.#reserve(length);
    this.#at += this.#target.write(text, this.#at, 'utf8');
  }

  /** Writes a short text if it is ASCII; otherwise leaves nothing behind and returns false. */
  #writeAscii(text: string): boolean {
    const length = text.length;
    this.#reserve(2 + length);
    const target = this.#target;
    let at = this.#at;
    if (length < 24) target[at++] = 0x60 | length;
    else {
      target[at] = 0x78;
      target[at + 1] = length;
      at += 2;
    }
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      target[at++] = code;
    }
    this.#at = at;
    return true;
  }

  #writeNumber(value: number): void {
    if (Number.isSafeInteger(value) && (value !== 0 || !Object.is(value, -0))) this.#writeInteger(value);
    else if (value === 0) this.#writeHalf(0x8000);
    else if (Number.isNaN(value)) this.#writeHalf(0x7e00);
    else this.#writeFloat(value);
  }

  #writeInteger(value: number): void {
    if (value < 0) this.#writeHead(1, -1 - value);
    else this.#writeHead(0, value);
  }

  #writeFloat(value: number): void {
    if (Math.fround(value) !== value) return this.#writeDouble(value);
    this.#reserve(LONGEST_HEAD);
    this.#target[this.#at] = 0xfa;
    writeFloat32(this.#target, this.#at + 1, value);
    this.#at += 5;
  }

  #writeDouble(value: number): void {
    this.#reserve(LONGEST_HEAD);
    this.#target[this.#at] = 0xfb;
    writeFloat64(this.#target, this.#at + 1, value);
    this.#at += 9;
  }

  #writeHalf(bits: number): void {
    this.#reserve(LONGEST_HEAD);
    this.#target[this.#at] = 0xf9;
    writeU16(this.#target, this.#at + 1, bits);
    this.#at += 3;
  }

  /** Small ones are written as bignums: as plain integers they would come out as numbers. */
  #writeBigint(value: bigint): void {
    const natural = value < 0n ? -1n - value : value;
    if (natural >= MAX_BIGNUM)
      throw this.#fault(`is a bigint of more than ${MAX_BIGNUM_BYTES} bytes`, 'send it as text');
    const isSafe = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
    if (!isSafe && natural <= 0xffff_ffff_ffff_ffffn) {
      this.#reserve(LONGEST_HEAD);
      this.#target[this.#at] = value < 0n ? 0x3b : 0x1b;
      this.#at = this.#target.writeBigUInt64BE(natural, this.#at + 1);
      return;
    }
    const hex = natural === 0n ? '' : natural.toString(16);
    this.#writeByte(value < 0n ? 0xc3 : 0xc2);
    this.#writeBytes(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
  }

  #writeObject(value: object): void {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) this.#writeRecord(value);
    else if (Array.isArray(value)) this.#writeArray(value);
    else if (ArrayBuffer.isView(value)) this.#writeView(value);
    else if (types.isDate(value)) this.#writeDate(value);
    else if (types.isMap(value)) this.#writeMap(value);
    else if (types.isSet(value)) this.#writeSet(value);
    else if (types.isAnyArrayBuffer(value)) this.#writeByteString(new Uint8Array(value));
    else this.#writeInstance(value);
  }

  /** An instance of a program's own class goes as its own enumerable properties; built-ins hide what they hold. */
  #writeInstance(value: object): void {
    const name = Object.prototype.toString.call(value).slice(8, -1);
    if (name !== 'Object') throw this.#fault(`is of the kind ${name}`, 'send the parts of it that matter');
    this.#writeRecord(value);
  }

  #writeRecord(value: object): void {
    const names = Object.keys(value);
    this.#enter(value, 2 * names.length);
    this.#writeHead(5, names.length);
    for (const name of names) {
      this.#steps[this.#depth] = name;
      this.#writeKey(name);
      this.#writeItem((value as Record<string, unknown>)[name]);
    }
    this.#depth -= 1;
  }

  #writeKey(name: string): void {
    const start = this.#at;
    this.#writeText(name);
    const length = name.length * 3 > MAX_KEY_BYTES ? Buffer.byteLength(name) : name.length;
    if (length > MAX_KEY_BYTES) {
      this.#at = start;
      throw this.#fault(
        `is a key of ${length} bytes`,
        `keys have at most ${MAX_KEY_BYTES}; a Map takes longer ones`,
      );
    }
    if (name === '__proto__') throw this.#fault('is a key that would replace a prototype', 'use another key');
  }

  #writeArray(value: readonly unknown[]): void {
    const length = value.length;
    this.#enter(value, length);
    this.#writeHead(4, length);
    for (let i = 0; i < length; i += 1) {
      this.#steps[this.#depth] = i;
      this.#writeItem(value[i]);
    }
    this.#depth -= 1;
  }

  /** Copied first, by the original methods: a getter inside could add entries behind the written count. */
  #writeMap(value: ReadonlyMap<unknown, unknown>): void {
    const entries = [...Map.prototype.entries.call(value)] as [unknown, unknown][];
    this.#enter(value, 2 * entries.length);
    this.#writeTag(Tag.map);
    this.#writeHead(5, entries.length);
    entries.forEach(([key, item], i) => {
      this.#steps[this.#depth] = { place: `key ${i}` };
      this.#writeItem(key);
      this.#steps[this.#depth] = { place: `value ${i}` };
      this.#writeItem(item);
    });
    this.#depth -= 1;
  }

  #writeSet(value: ReadonlySet<unknown>): void {
    const members = [...Set.prototype.values.call(value)] as unknown[];
    this.#enter(value, members.length);
    this.#writeTag(Tag.set);
    this.#writeHead(4, members.length);
    members.forEach((member, i) => {
      this.#steps[this.#depth] = { place: `member ${i}` };
      this.#writeItem(member);
    });
    this.#depth -= 1;
  }

  #writeTag(tag: number): void {
    this.#writeHead(6, tag);
  }

  /** Seconds, as integers only while they are short: some decoders of dates fail at 8-byte integers. */
  #writeDate(value: Date): void {
    const time = Date.prototype.getTime.call(value);
    if (Number.isNaN(time)) throw this.#fault('is an invalid Date', 'send undefined instead');
    this.#writeTag(Tag.date);
    const seconds = time / 1000;
    if (Number.isInteger(seconds) && Math.abs(seconds) < 2 ** 32) this.#writeNumber(seconds);
    else this.#writeDouble(seconds);
  }

  #writeView(view: ArrayBufferView): void {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const kind = arrayKindOf(view);
    if (kind === undefined && !types.isDataView(view)) {
      throw this.#fault('is a typed array that not every Node has', 'send a Float32Array');
    }
    if (kind === undefined || kind.name === 'Uint8Array') return this.#writeByteString(bytes);
    this.#writeTag(nativeTag(kind));
    this.#writeBytes(bytes);
  }

  #writeByteString(bytes: Uint8Array): void {
    this.#byteStrings += 1;
    this.#writeBytes(bytes);
  }

  #writeBytes(bytes: Uint8Array): void {
    this.#writeHead(2, bytes.length);
    this.#reserve(bytes.length);
    this.#target.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #enter(container: object, count: number): void {
    if (this.#depth === MAX_VALUE_DEPTH) throw this.#depthFault(container);
    this.#items += count;
    if (this.#items > MAX_VALUE_ITEMS) {
      throw this.#fault(`brings the message above ${MAX_VALUE_ITEMS} items`, 'send it in parts, or as bytes');
    }
    this.#open[this.#depth] = container;
    this.#depth += 1;
  }

  /** A cycle ends as something too deep; which of the two it is can be seen from what is open. */
  #depthFault(container: object): MailslotError {
    const open = [...this.#open.slice(0, MAX_VALUE_DEPTH), container];
    this.#depth = open.findIndex((one, i) => open.indexOf(one, i + 1) > i);
    if (this.#depth < 0) this.#depth = MAX_VALUE_DEPTH;
    if (this.#depth < MAX_VALUE_DEPTH) return this.#fault('contains itself', 'send it without the cycle');
    return this.#fault(`is nested deeper than ${MAX_VALUE_DEPTH}`, 'flatten it');
  }

  #checkByteStrings(): void {
    const most = FREE_BYTE_STRINGS + this.#at / BYTES_PER_BYTE_STRING;
    if (this.#byteStrings <= most) return;
    this.#depth = 0;
    throw this.#fault(`holds ${this.#byteStrings} byte strings of next to no bytes`, 'join them into few');
  }

  #reserve(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#target.length) return;
    if (needed > MAX_FRAME_BYTES) throw this.#tooLarge();
    const grown = Buffer.allocUnsafeSlow(
      Math.min(Math.max(needed, 2 * this.#target.length), MAX_FRAME_BYTES),
    );
    this.#target.copy(grown, 0, 0, this.#at);
    this.#target = grown;
  }

  #tooLarge(): MailslotError {
    const message = `${this.#call}: the data takes more than ${MAX_FRAME_BYTES} bytes; send it in parts`;
    return new MailslotError('MAILSLOT_MESSAGE_TOO_LARGE', message);
  }

  #fault(found: string, advice: string, cause?: unknown): MailslotError {
    const message = `${this.#call}: ${this.#path()} ${found}; ${advice}`;
    return new MailslotError('MAILSLOT_NOT_ENCODABLE', message, cause === undefined ? {} : { cause });
  }

  #path(): string {
    return `data${this.#steps
      .slice(1, this.#depth + 1)
      .map(stepText)
      .join('')}`;
  }
}

/** `isWellFormed` is in every Node we run on, but not in the library of ES2022. */
interface WellFormable {
  isWellFormed(): boolean;
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
/** Of a long key an error shows so much. */
const SHOWN_KEY = 40;

function stepText(step: Step): string {
  if (typeof step === 'number') return `[${step}]`;
  if (typeof step === 'object') return `<${step.place}>`;
  if (IDENTIFIER.test(step) && step.length <= SHOWN_KEY) return `.${step}`;
  return `[${JSON.stringify(step.length > SHOWN_KEY ? `${step.slice(0, SHOWN_KEY)}…` : step)}]`;
}

/** Writes the head of an item with a whole number up to 2⁵³ and returns the position behind it. */
export function writeItemHead(target: Uint8Array, at: number, major: number, value: number): number {
  const type = major << 5;
  if (value < 24) {
    target[at] = type | value;
    return at + 1;
  }
  if (value < 0x100) {
    target[at] = type | 24;
    target[at + 1] = value;
    return at + 2;
  }
  return writeLongHead(target, at, type, value);
}

function writeLongHead(target: Uint8Array, at: number, type: number, value: number): number {
  if (value < 0x1_0000) {
    target[at] = type | 25;
    writeU16(target, at + 1, value);
    return at + 3;
  }
  if (value < 0x1_0000_0000) {
    target[at] = type | 26;
    writeU32(target, at + 1, value);
    return at + 5;
  }
  target[at] = type | 27;
  writeU64(target, at + 1, value);
  return at + 9;
}
