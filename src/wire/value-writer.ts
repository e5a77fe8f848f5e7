// Turns a value into CBOR in one walk, which is also its check: whatever a receiver's scanner would refuse, or
// could not give back as it was, is refused here with the path to it. toJSON is not called.
import { types } from 'node:util';
import { MailslotError } from '../errors.js';
import {
  BYTES_PER_BYTE_STRING,
  FREE_BYTE_STRINGS,
  MAX_BIGNUM_BYTES,
  MAX_KEY_BYTES,
  MAX_VALUE_DEPTH,
  MAX_VALUE_ITEMS,
} from '../limits.js';
import { ItemWriter } from './item-writer.js';
import { Tag } from './scanner.js';
import { arrayKindOf, nativeTag } from './typed-arrays.js';

const MAX_BIGNUM = 1n << BigInt(8 * MAX_BIGNUM_BYTES);

/** One step of the path to a part: a property, an index, or a place in a Map or Set. */
type Step = string | number | { readonly place: string };

/** Writes values one after the other into one buffer; a result is overwritten by the next. */
export class ValueWriter {
  readonly #out = new ItemWriter();
  #items = 0;
  #byteStrings = 0;
  #depth = 0;
  #call = '';
  /** Per open container: itself, to name cycles, and the step into it that is being taken. */
  readonly #open: object[] = [];
  readonly #steps: Step[] = [];

  /** @throws MailslotError `MAILSLOT_NOT_ENCODABLE` or `MAILSLOT_MESSAGE_TOO_LARGE` */
  write(value: unknown, call: string): Uint8Array {
    this.#out.begin(call);
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
    return this.#out.finish();
  }

  #writeItem(value: unknown): void {
    switch (typeof value) {
      case 'string':
        return this.#writeText(value);
      case 'number':
        return this.#out.number(value);
      case 'object':
        return value === null ? this.#out.byte(0xf6) : this.#writeObject(value);
      case 'boolean':
        return this.#out.byte(value ? 0xf5 : 0xf4);
      case 'undefined':
        return this.#out.byte(0xf7);
      case 'bigint':
        return this.#writeBigint(value);
      case 'function':
        throw this.#fault('is a function', 'send what it returns');
      default:
        throw this.#fault('is a symbol', 'send its description');
    }
  }

  #writeText(text: string): void {
    if (!(text as unknown as WellFormable).isWellFormed()) {
      throw this.#fault(
        'has half of a surrogate pair',
        'cut texts between characters, or call toWellFormed()',
      );
    }
    this.#out.text(text);
  }

  /** Small ones are written as bignums: as plain integers they would come out as numbers. */
  #writeBigint(value: bigint): void {
    const natural = value < 0n ? -1n - value : value;
    if (natural >= MAX_BIGNUM)
      throw this.#fault(`is a bigint of more than ${MAX_BIGNUM_BYTES} bytes`, 'send it as text');
    const isSafe = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
    if (!isSafe && natural <= 0xffff_ffff_ffff_ffffn) {
      this.#out.bigInteger(natural, value < 0n);
      return;
    }
    const hex = natural === 0n ? '' : natural.toString(16);
    this.#out.byte(value < 0n ? 0xc3 : 0xc2);
    this.#out.bytes(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
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
    this.#out.head(5, names.length);
    for (const name of names) {
      this.#steps[this.#depth] = name;
      this.#writeKey(name);
      this.#writeItem((value as Record<string, unknown>)[name]);
    }
    this.#depth -= 1;
  }

  #writeKey(name: string): void {
    this.#writeText(name);
    const length = name.length * 3 > MAX_KEY_BYTES ? Buffer.byteLength(name) : name.length;
    if (length > MAX_KEY_BYTES) {
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
    this.#out.head(4, length);
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
    this.#out.head(5, entries.length);
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
    this.#out.head(4, members.length);
    members.forEach((member, i) => {
      this.#steps[this.#depth] = { place: `member ${i}` };
      this.#writeItem(member);
    });
    this.#depth -= 1;
  }

  #writeTag(tag: number): void {
    this.#out.head(6, tag);
  }

  /** Seconds, as integers only while they are short: some decoders of dates fail at 8-byte integers. */
  #writeDate(value: Date): void {
    const time = Date.prototype.getTime.call(value);
    if (Number.isNaN(time)) throw this.#fault('is an invalid Date', 'send undefined instead');
    this.#writeTag(Tag.date);
    const seconds = time / 1000;
    if (Number.isInteger(seconds) && Math.abs(seconds) < 2 ** 32) this.#out.number(seconds);
    else this.#out.double(seconds);
  }

  #writeView(view: ArrayBufferView): void {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const kind = arrayKindOf(view);
    if (kind === undefined && !types.isDataView(view)) {
      throw this.#fault('is a typed array that not every Node has', 'send a Float32Array');
    }
    if (kind === undefined || kind.name === 'Uint8Array') return this.#writeByteString(bytes);
    this.#writeTag(nativeTag(kind));
    this.#out.bytes(bytes);
  }

  #writeByteString(bytes: Uint8Array): void {
    this.#byteStrings += 1;
    this.#out.bytes(bytes);
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
    const most = FREE_BYTE_STRINGS + this.#out.size / BYTES_PER_BYTE_STRING;
    if (this.#byteStrings <= most) return;
    this.#depth = 0;
    throw this.#fault(`holds ${this.#byteStrings} byte strings of next to no bytes`, 'join them into few');
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

/** One step of a path as an error shows it. */
export function stepText(step: Step): string {
  if (typeof step === 'number') return `[${step}]`;
  if (typeof step === 'object') return `<${step.place}>`;
  if (IDENTIFIER.test(step) && step.length <= SHOWN_KEY) return `.${step}`;
  return `[${JSON.stringify(step.length > SHOWN_KEY ? `${step.slice(0, SHOWN_KEY)}…` : step)}]`;
}
