import { writeBatchHead } from '../../src/wire/batch.js';
import { BATCH_HEAD_BYTES } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import { referenceData } from '../support/file-reference.js';

// Values as the vector files write them: JSON, and an object with a single key that begins with `$` for what JSON
// cannot say. test/vectors/README.md lists the forms.

const special = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['-0', -0],
]);

const arrayTypes = {
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  BigUint64Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
};

const forms: Record<string, (content: never) => unknown> = {
  $undefined: () => undefined,
  $number: (name: string) => special.get(name),
  $bigint: (digits: string) => BigInt(digits),
  $bytes: (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex')),
  $date: (text: string) => new Date(text),
  $map: (entries: [unknown, unknown][]) =>
    new Map(entries.map(([key, value]) => [fromForm(key), fromForm(value)])),
  $set: (members: unknown[]) => new Set(members.map(fromForm)),
  $array: ({ type, items }: { type: keyof typeof arrayTypes; items: unknown[] }) =>
    (arrayTypes[type] as { from(items: unknown[]): unknown }).from(items.map(fromForm)),
  $repeat: ({ text, times }: { text: string; times: number }) => text.repeat(times),
  $nested: (depth: number) => {
    let value: unknown = [];
    for (let i = 1; i < depth; i += 1) value = [value];
    return value;
  },
};

/** The value that a form in a vector file stands for. */
export function fromForm(form: unknown): unknown {
  if (Array.isArray(form)) return form.map(fromForm);
  if (typeof form !== 'object' || form === null) return form;
  const entries = Object.entries(form);
  const [name, content] = entries[0] ?? [''];
  const read = entries.length === 1 ? forms[name] : undefined;
  if (read !== undefined) return read(content as never);
  return Object.fromEntries(entries.map(([key, value]) => [key, fromForm(value)]));
}

/** The data of a frame as it is written: a batch has an array with a head of 5 bytes, a reference one form only. */
export function encodeData(flags: readonly string[], form: unknown): Uint8Array {
  if (flags.includes('file')) {
    const numbers = form as number[];
    const [number, size] = numbers.slice(-2) as [number, number];
    return referenceData({ number, size, count: flags.includes('batch') ? numbers[0] : undefined });
  }
  if (!flags.includes('batch')) return encodeValue(fromForm(form));
  const items = form as unknown[];
  const head = Buffer.alloc(BATCH_HEAD_BYTES);
  writeBatchHead(head, 0, items.length);
  return Buffer.concat([head, ...items.map((item) => Buffer.from(encodeValue(fromForm(item))))]);
}
