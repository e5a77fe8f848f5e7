// What an asker is told of an error: its message, and `code` and `data` if it has them, but never the stack.
// A handler may throw anything at all, so nothing here trusts what it finds, and something always comes out.
import { MailslotError } from '../errors.js';
import { MAX_ERROR_MESSAGE_BYTES, MAX_RESPONDER_CODE_BYTES } from '../limits.js';
import type { ErrorReply } from '../wire/control.js';
import { encodeValue } from '../wire/values.js';

/** A question that no handler has seen: the asker's own fault, and told to it under its own code. */
export class RefusedQuestion extends MailslotError {}

/** An answer that a handler gave, and that cannot be sent. */
export class UnsentAnswer extends MailslotError {}

export function describeFailure(error: unknown): ErrorReply {
  if (error instanceof RefusedQuestion || error instanceof UnsentAnswer) {
    const { code, message, data } = error;
    return {
      code,
      message: shorten(message, MAX_ERROR_MESSAGE_BYTES),
      ...(isEncodable(data) ? { data } : {}),
    };
  }
  const data = propertyOf(error, 'data');
  const responderCode = propertyOf(error, 'code');
  return {
    code: 'MAILSLOT_RESPONDER_FAILED',
    message: shorten(messageOf(error), MAX_ERROR_MESSAGE_BYTES),
    ...(typeof responderCode === 'string'
      ? { responderCode: shorten(responderCode, MAX_RESPONDER_CODE_BYTES) }
      : {}),
    ...(isEncodable(data) ? { data } : {}),
  };
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? propertyOf(error, 'message') : error;
  try {
    return String(message);
  } catch {
    return 'the handler threw something that has no text';
  }
}

function propertyOf(error: unknown, name: string): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  try {
    return (error as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

/** At most so many bytes of a text, whole characters, in well-formed UTF-8. */
function shorten(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text.slice(0, maxBytes), 'utf8');
  if (bytes.length <= maxBytes) return bytes.toString('utf8');
  let end = maxBytes;
  // not in the middle of a character
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function isEncodable(data: unknown): boolean {
  if (data === undefined) return false;
  try {
    encodeValue(data);
    return true;
  } catch {
    return false;
  }
}
