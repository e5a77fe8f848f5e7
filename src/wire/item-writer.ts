// Writes single CBOR items one behind the other into one growing buffer. What they add up to is the caller's.
import { MailslotError } from '../errors.js';
import { MAX_FRAME_BYTES } from '../limits.js';
import { writeFloat32, writeFloat64 } from './floats.js';
import { writeU16, writeU32, writeU64 } from './primitives.js';

const INITIAL_BYTES = 8 * 1024;
/** A buffer that grew beyond this for one value is given up with the next. */
const KEPT_BYTES = 256 * 1024;
/** Up to this length a loop writes text faster than a native call; measured. */
const SHORT_TEXT = 48;
/** Head of an item with an 8-byte number. */
const LONGEST_HEAD = 9;

export class ItemWriter {
  #target = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = 0;
  #call = '';

  /** Starts anew, over what was written before. `call` is what an error says was called. */
  begin(call: string): void {
    if (this.#target.length > KEPT_BYTES) this.#target = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.#at = 0;
    this.#call = call;
  }

  /** What was written since `begin`, valid until the next one. */
  finish(): Uint8Array {
    return this.#target.subarray(0, this.#at);
  }

  get size(): number {
    return this.#at;
  }

  byte(byte: number): void {
    this.#reserve(1);
    this.#target[this.#at++] = byte;
  }

  head(major: number, value: number): void {
    this.#reserve(LONGEST_HEAD);
    this.#at = writeItemHead(this.#target, this.#at, major, value);
  }

  /** A text without half surrogate pairs. */
  text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#ascii(text)) return;
    const length = Buffer.byteLength(text);
    this.head(3, length);
    this.#reserve(length);
    this.#at += this.#target.write(text, this.#at, 'utf8');
  }

  /** Writes a short text if it is ASCII; otherwise leaves nothing behind and returns false. */
  #ascii(text: string): boolean {
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

  /** An integer if it is a safe one, else the shorter float that holds it. */
  number(value: number): void {
    if (Number.isSafeInteger(value) && (value !== 0 || !Object.is(value, -0))) this.#integer(value);
    else if (value === 0) this.#half(0x8000);
    else if (Number.isNaN(value)) this.#half(0x7e00);
    else this.#float(value);
  }

  #integer(value: number): void {
    if (value < 0) this.head(1, -1 - value);
    else this.head(0, value);
  }

  #float(value: number): void {
    if (Math.fround(value) !== value) return this.double(value);
    this.#reserve(LONGEST_HEAD);
    this.#target[this.#at] = 0xfa;
    writeFloat32(this.#target, this.#at + 1, value);
    this.#at += 5;
  }

  double(value: number): void {
    this.#reserve(LONGEST_HEAD);
    this.#target[this.#at] = 0xfb;
    writeFloat64(this.#target, this.#at + 1, value);
    this.#at += 9;
  }

  #half(bits: number): void {
    this.#reserve(LONGEST_HEAD);
    this.#target[this.#at] = 0xf9;
    writeU16(this.#target, this.#at + 1, bits);
    this.#at += 3;
  }

  /** An integer of 64 bits: `natural` itself, or the negative one -1 - `natural`. */
  bigInteger(natural: bigint, isNegative: boolean): void {
    this.#reserve(LONGEST_HEAD);
    this.#target[this.#at] = isNegative ? 0x3b : 0x1b;
    this.#at = this.#target.writeBigUInt64BE(natural, this.#at + 1);
  }

  bytes(bytes: Uint8Array): void {
    this.head(2, bytes.length);
    this.#reserve(bytes.length);
    this.#target.set(bytes, this.#at);
    this.#at += bytes.length;
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
