// The options of a frame that its flags announce: `to`, `ttl` and `ref`, in this order and of fixed size, so that each
// is found by arithmetic and replaced in place. The headers behind them are in frame-headers.ts.
import { Flag, FrameFault, optionsOffset, readFlags } from './frame-layout.js';
import { readU32, readU64, writeU32, writeU64 } from './primitives.js';

const OPTION_TO_BYTES = 10;
const OPTION_TTL_BYTES = 6;
const OPTION_REF_BYTES = 10;

/** Options to write; those left out are absent. */
export interface FlaggedOptions {
  /** 8 bytes; sets {@link Flag.hasTo} */
  to?: Uint8Array | undefined;
  /** ms; sets {@link Flag.hasTtl} */
  ttl?: number | undefined;
  /** sets {@link Flag.hasRef} */
  ref?: number | undefined;
}

/** Those of the flags that say which of the options there are. */
export function flagsOf({ to, ttl, ref }: FlaggedOptions): number {
  return (
    (to ? Flag.hasTo : 0) | (ttl === undefined ? 0 : Flag.hasTtl) | (ref === undefined ? 0 : Flag.hasRef)
  );
}

/** How many of the options these flags announce. */
export function countFlagged(flags: number): number {
  return (flags & Flag.hasTo ? 1 : 0) + (flags & Flag.hasTtl ? 1 : 0) + (flags & Flag.hasRef ? 1 : 0);
}

/** Bytes of the options that these flags announce. */
export function flaggedSize(flags: number): number {
  return (
    (flags & Flag.hasTo ? OPTION_TO_BYTES : 0) +
    (flags & Flag.hasTtl ? OPTION_TTL_BYTES : 0) +
    (flags & Flag.hasRef ? OPTION_REF_BYTES : 0)
  );
}

/**
 * Checks that the options which the flags announce stand in front, in this order.
 * @throws FrameFault
 */
export function checkFlaggedOptions(bytes: Uint8Array, at: number, size: number, flags: number): void {
  let cursor = at + optionsOffset(bytes, at) + 2;
  const expect = (first: number, second: number, length: number): void => {
    if (cursor + length >= at + size || bytes[cursor] !== first || bytes[cursor + 1] !== second) {
      throw new FrameFault(`option ${first} is flagged but not in its place`);
    }
    cursor += length;
  };
  if (flags & Flag.hasTo) expect(1, 0x1b, OPTION_TO_BYTES);
  if (flags & Flag.hasTtl) expect(2, 0x1a, OPTION_TTL_BYTES);
  if (flags & Flag.hasRef) expect(3, 0x1b, OPTION_REF_BYTES);
}

/** Position of the flagged `to` (8 bytes) in `bytes`; only with {@link Flag.hasTo}. */
export function toPosition(bytes: Uint8Array, at: number): number {
  return at + optionsOffset(bytes, at) + 4;
}

/** The flagged time to live in ms; only with {@link Flag.hasTtl}. */
export function readTtl(bytes: Uint8Array, at: number): number {
  return readU32(bytes, ttlPosition(bytes, at));
}

/** The flagged reference (a query's id); only with {@link Flag.hasRef}. */
export function readRef(bytes: Uint8Array, at: number): number {
  return readU64(bytes, refPosition(bytes, at));
}

/** @throws FrameFault when a frame of this kind has no reference */
export function checkRef(kind: string, bytes: Uint8Array, at: number): void {
  if (!(readFlags(bytes, at) & Flag.hasRef)) throw new FrameFault(`${kind} lacks \`ref\``);
}

function ttlPosition(bytes: Uint8Array, at: number): number {
  const to = readFlags(bytes, at) & Flag.hasTo ? OPTION_TO_BYTES : 0;
  return at + optionsOffset(bytes, at) + 2 + to + 2;
}

function refPosition(bytes: Uint8Array, at: number): number {
  const flags = readFlags(bytes, at);
  const before = (flags & Flag.hasTo ? OPTION_TO_BYTES : 0) + (flags & Flag.hasTtl ? OPTION_TTL_BYTES : 0);
  return at + optionsOffset(bytes, at) + 2 + before + 2;
}

/** Replaces the flagged time to live. */
export function writeTtl(bytes: Uint8Array, at: number, ttl: number): void {
  writeU32(bytes, ttlPosition(bytes, at), ttl);
}

/** Replaces the flagged `to`. */
export function writeTo(bytes: Uint8Array, at: number, to: Uint8Array): void {
  bytes.set(to, toPosition(bytes, at));
}

/** Replaces the flagged reference. */
export function writeRef(bytes: Uint8Array, at: number, ref: number): void {
  writeU64(bytes, refPosition(bytes, at), ref);
}

/** Writes the options at `cursor`; returns where they end. */
export function writeFlaggedOptions(
  target: Uint8Array,
  cursor: number,
  { to, ttl, ref }: FlaggedOptions,
): number {
  if (to) {
    target[cursor] = 1;
    target[cursor + 1] = 0x1b;
    target.set(to, cursor + 2);
    cursor += OPTION_TO_BYTES;
  }
  if (ttl !== undefined) {
    target[cursor] = 2;
    target[cursor + 1] = 0x1a;
    writeU32(target, cursor + 2, ttl);
    cursor += OPTION_TTL_BYTES;
  }
  if (ref !== undefined) {
    target[cursor] = 3;
    target[cursor + 1] = 0x1b;
    writeU64(target, cursor + 2, ref);
    cursor += OPTION_REF_BYTES;
  }
  return cursor;
}
