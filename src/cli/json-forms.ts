// Values ⇄ JSON: what JSON cannot say travels as an object with a single key that begins with `$`. The same
// forms are written and read, so that the output of one command is input of another. It knows nothing of the wire.
import { MAX_VALUE_DEPTH } from '../limits.js';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Convert<From, To> = (value: From) => To;

interface Form {
  fits(value: unknown): boolean;
  write(value: never, inner: Convert<unknown, Json>): Json;
  /** Returns `unreadable` for JSON that this form never writes. */
  read(json: Json, inner: Convert<Json, unknown>): unknown;
}

const unreadable = Symbol('unreadable');

const typedArrays: Record<string, { from(values: Iterable<never>): unknown }> = {
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
};

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const specialNumbers = ['NaN', 'Infinity', '-Infinity', '-0'];

const forms: Record<string, Form> = {
  $undefined: {
    fits: (value) => value === undefined,
    write: () => true,
    read: (json) => (json === true ? undefined : unreadable),
  },
  $number: {
    fits: (value) => typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)),
    write: (value: number) => (Object.is(value, -0) ? '-0' : String(value)),
    read: (json) => (typeof json === 'string' && specialNumbers.includes(json) ? Number(json) : unreadable),
  },
  $bigint: {
    fits: (value) => typeof value === 'bigint',
    write: (value: bigint) => String(value),
    read: (json) => (typeof json === 'string' && /^-?\d+$/.test(json) ? BigInt(json) : unreadable),
  },
  $bytes: {
    fits: (value) => value instanceof Uint8Array,
    write: (value: Uint8Array) =>
      Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
    read: (json) =>
      typeof json === 'string' && base64.test(json)
        ? Uint8Array.from(Buffer.from(json, 'base64'))
        : unreadable,
  },
  $date: {
    fits: (value) => value instanceof Date,
    write: (value: Date) => (Number.isNaN(value.getTime()) ? null : value.toISOString()),
    read: readDate,
  },
  $map: {
    fits: (value) => value instanceof Map,
    write: (value: Map<unknown, unknown>, inner) =>
      Array.from(value, ([key, item]) => [inner(key), inner(item)]),
    read: (json, inner) => (isPairs(json) ? new Map(json.map(([a, b]) => [inner(a), inner(b)])) : unreadable),
  },
  $set: {
    fits: (value) => value instanceof Set,
    write: (value: Set<unknown>, inner) => Array.from(value, inner),
    read: (json, inner) => (Array.isArray(json) ? new Set(json.map(inner)) : unreadable),
  },
  $typed: {
    fits: (value) => ArrayBuffer.isView(value) && value.constructor.name in typedArrays,
    write: (value: Iterable<unknown> & object, inner) => ({
      [value.constructor.name]: Array.from(value, inner),
    }),
    read: readTypedArray,
  },
};

/** One line of JSON for any value that a message can carry. */
export function formatValue(value: unknown): string {
  return JSON.stringify(toJson(value));
}

/** The value that JSON text stands for; throws a SyntaxError that says what is wrong with it. */
export function parseValue(text: string): unknown {
  return fromJson(JSON.parse(text) as Json, 0);
}

/** `value` as something JSON.stringify prints without loss. */
export function toJson(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(toJson);
  for (const [key, form] of Object.entries(forms)) {
    if (form.fits(value)) return { [key]: form.write(value as never, toJson) };
  }
  if (typeof value === 'number') return value;
  const object = Object.fromEntries(
    Object.entries(value as object).map(([key, item]) => [key, toJson(item)]),
  );
  return formKeyOf(object) === undefined ? object : { $literal: object };
}

function fromJson(json: Json, depth: number): unknown {
  // JSON.parse takes any depth; without this the recursion would end in a stack overflow.
  if (depth > MAX_VALUE_DEPTH) throw new SyntaxError(`it is nested deeper than ${MAX_VALUE_DEPTH} levels`);
  const inner = (item: Json) => fromJson(item, depth + 1);
  if (Array.isArray(json)) return json.map(inner);
  if (typeof json !== 'object' || json === null) return json;
  const key = formKeyOf(json);
  if (key === '$literal') return readLiteral(json[key], inner);
  const form = key === undefined || !Object.hasOwn(forms, key) ? undefined : forms[key];
  if (form === undefined) return mapValues(json, inner);
  const value = form.read(json[key as string] as Json, inner);
  if (value === unreadable) throw new SyntaxError(`${shorten(json)} is not a valid ${key} form`);
  return value;
}

function readLiteral(json: Json | undefined, inner: Convert<Json, unknown>): unknown {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return mapValues(json, inner);
  throw new SyntaxError(`${shorten({ $literal: json as Json })} is not a valid $literal form`);
}

function readDate(json: Json): unknown {
  if (json === null) return new Date(Number.NaN);
  const date = typeof json === 'string' ? new Date(json) : undefined;
  return date === undefined || Number.isNaN(date.getTime()) ? unreadable : date;
}

function readTypedArray(json: Json, inner: Convert<Json, unknown>): unknown {
  const [entry, ...others] = typeof json === 'object' && json !== null ? Object.entries(json) : [];
  if (entry === undefined || others.length > 0 || !Object.hasOwn(typedArrays, entry[0])) return unreadable;
  if (!Array.isArray(entry[1])) return unreadable;
  const items = entry[1].map(inner);
  const itemType = entry[0].startsWith('Big') ? 'bigint' : 'number';
  if (!items.every((item) => typeof item === itemType)) return unreadable;
  return typedArrays[entry[0]]?.from(items as never[]);
}

function isPairs(json: Json): json is [Json, Json][] {
  return Array.isArray(json) && json.every((pair) => Array.isArray(pair) && pair.length === 2);
}

function formKeyOf(object: { [key: string]: Json }): string | undefined {
  const keys = Object.keys(object);
  return keys.length === 1 && keys[0]?.startsWith('$') ? keys[0] : undefined;
}

// fromEntries defines properties instead of assigning them, so a key `__proto__` stays a key.
function mapValues(object: { [key: string]: Json }, convert: Convert<Json, unknown>): object {
  return Object.fromEntries(Object.entries(object).map(([key, item]) => [key, convert(item)]));
}

function shorten(json: Json): string {
  const text = JSON.stringify(json);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
