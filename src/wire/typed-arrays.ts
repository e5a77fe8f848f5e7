// The typed arrays a value may hold, and their CBOR tags (RFC 8746). Both byte orders are read; written is the
// order of this machine. Half floats are left out: not every supported Node has them.
import { endianness } from 'node:os';

export type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** One kind of typed array: `tag` is that of its little-endian form, `bigTag` of the other. */
export interface ArrayKind {
  readonly name: string;
  readonly tag: number;
  readonly bigTag: number;
  readonly elementBytes: number;
  create(memory: ArrayBufferLike): TypedArray;
}

const kinds: readonly ArrayKind[] = [
  kind(Uint8Array, 64, 64),
  kind(Uint16Array, 69, 65),
  kind(Uint32Array, 70, 66),
  kind(BigUint64Array, 71, 67),
  kind(Uint8ClampedArray, 68, 68),
  kind(Int8Array, 72, 72),
  kind(Int16Array, 77, 73),
  kind(Int32Array, 78, 74),
  kind(BigInt64Array, 79, 75),
  kind(Float32Array, 85, 81),
  kind(Float64Array, 86, 82),
];

interface ArrayConstructor {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (memory: ArrayBufferLike): TypedArray;
}

function kind(Constructor: ArrayConstructor, tag: number, bigTag: number): ArrayKind {
  const { name, BYTES_PER_ELEMENT: elementBytes } = Constructor;
  return { name, tag, bigTag, elementBytes, create: (memory) => new Constructor(memory) };
}

const littleEndian = endianness() === 'LE';
const byTag = new Map(kinds.flatMap((one) => [[one.tag, one] as const, [one.bigTag, one] as const]));
const byName = new Map(kinds.map((one) => [one.name, one]));

/** The kind that this tag stands for, in either byte order. */
export function arrayKindOfTag(tag: number): ArrayKind | undefined {
  return byTag.get(tag);
}

/** The kind of a typed array, subclasses and other realms included; undefined for a DataView and half floats. */
export function arrayKindOf(view: ArrayBufferView): ArrayKind | undefined {
  return byName.get((view as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? '');
}

/** The tag this machine writes for a kind. */
export function nativeTag(one: ArrayKind): number {
  return littleEndian ? one.tag : one.bigTag;
}

/** A typed array over `memory`, which holds its elements in the byte order of `tag` and is turned in place. */
export function createTypedArray(tag: number, memory: ArrayBufferLike): TypedArray {
  const one = byTag.get(tag)!;
  if (tag !== nativeTag(one)) swap(Buffer.from(memory), one.elementBytes);
  return one.create(memory);
}

function swap(bytes: Buffer, elementBytes: number): void {
  if (elementBytes === 2) bytes.swap16();
  else if (elementBytes === 4) bytes.swap32();
  else bytes.swap64();
}
