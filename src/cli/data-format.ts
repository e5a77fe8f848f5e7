// How the data of a message is written on a command line, on stdin, or in the output of a command: as JSON, as
// text, or as plain bytes. Where the bytes come from is not decided here.
import { usageError } from './exit-codes.js';
import { formatValue, parseValue } from './json-forms.js';

export type DataFormat = 'json' | 'text' | 'raw';

/** What to do about data that does not fit its format; only a command knows which flags it takes. */
export interface Hints {
  readonly notText: string;
  readonly notJson: string;
}

/** The value that `bytes` stand for in this format; `what` names them in an error. */
export function decodeData(bytes: Uint8Array, format: DataFormat, what: string, hints: Hints): unknown {
  if (format === 'raw') return Uint8Array.from(bytes);
  const text = decodeText(bytes, what, hints);
  return format === 'text' ? text : decodeJson(text, what, hints);
}

/** A value as a program reads it: bytes and text as they are, nothing for undefined, anything else as JSON. */
export function encodePlain(data: unknown): string | Uint8Array {
  if (typeof data === 'string' || data instanceof Uint8Array) return data;
  return data === undefined ? '' : formatValue(data);
}

/** Without the newline that ends nearly every command's output. */
export function withoutFinalNewline(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}

function decodeText(bytes: Uint8Array, what: string, { notText }: Hints): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw usageError(`${what} is not UTF-8 text; ${notText}`, { cause });
  }
}

function decodeJson(text: string, what: string, { notJson }: Hints): unknown {
  try {
    return parseValue(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw usageError(`${what} is not JSON (${reason}); ${notJson}`, { cause });
  }
}
