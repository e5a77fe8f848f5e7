// What lies behind the flagged options of a frame: its headers, texts by name, and where its data begins. The data
// itself is not looked at.
import { MAX_HEADERS } from '../limits.js';
import { FrameFault, optionsOffset, readFlags } from './frame-layout.js';
import { countFlagged, flaggedSize } from './frame-options.js';
import { readU16 } from './primitives.js';

/** Where the parts behind the subject lie. Positions are absolute in `bytes`. */
export interface Tail {
  /** Undefined when the message has no headers. */
  headers: Record<string, string> | undefined;
  data: number;
}

/**
 * Finds the data of a frame and reads its headers.
 * @throws FrameFault when the options are not what the layout says
 */
export function readTail(bytes: Uint8Array, at: number, size: number): Tail {
  const start = at + optionsOffset(bytes, at);
  const flags = readFlags(bytes, at);
  const count = bytes[start + 1]! - countFlagged(flags);
  const cursor = start + 2 + flaggedSize(flags);
  if (count < 0 || count > MAX_HEADERS) throw new FrameFault(`a frame has ${count} headers`);
  if (count === 0) return { headers: undefined, data: cursor };
  const headers: Record<string, string> = {};
  const reader = { bytes, cursor, end: at + size };
  for (let i = 0; i < count; i += 1) {
    const name = readText(reader);
    // defineProperty: a header called __proto__ must become a property, not the prototype
    Object.defineProperty(headers, name, {
      value: readText(reader),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return { headers, data: reader.cursor };
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readText(reader: { bytes: Uint8Array; cursor: number; end: number }): string {
  const { bytes, end } = reader;
  const head = bytes[reader.cursor]!;
  let length = head & 0x1f;
  let at = reader.cursor + 1;
  if (length === 24) length = bytes[at++]!;
  else if (length === 25) [length, at] = [readU16(bytes, at), at + 2];
  else if (length > 25) throw new FrameFault('a header has a text of an unusual length');
  if (head >> 5 !== 3 || at + length >= end) throw new FrameFault('a header is not a text inside its frame');
  reader.cursor = at + length;
  try {
    return strictUtf8.decode(bytes.subarray(at, at + length));
  } catch {
    throw new FrameFault('a header is not UTF-8');
  }
}

/** Headers as CBOR, without the head of the map. */
export interface EncodedHeaders {
  count: number;
  bytes: Uint8Array;
}

/** Encodes headers as the wire has them. Counts and sizes are the caller's to check. */
export function encodeHeaders(headers: Record<string, string>): EncodedHeaders {
  const parts: Uint8Array[] = [];
  const entries = Object.entries(headers);
  for (const text of entries.flat()) {
    const bytes = Buffer.from(text, 'utf8');
    parts.push(Buffer.from(textHead(bytes.length)), bytes);
  }
  return { count: entries.length, bytes: Buffer.concat(parts) };
}

function textHead(length: number): number[] {
  if (length < 24) return [0x60 | length];
  return length < 256 ? [0x78, length] : [0x79, length >>> 8, length & 0xff];
}
