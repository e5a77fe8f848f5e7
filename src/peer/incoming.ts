// Makes messages of frames that are not for slots: queries and replies. They are copied out of their chunk,
// because nobody knows how long a handler or an asker keeps them.
import { isErrorCode, MailslotError } from '../errors.js';
import { copyBytes } from '../wire/byte-copies.js';
import { type ErrorReply, readControl } from '../wire/control.js';
import { At, Flag, FrameFault, readFlags, readTail, readU32, readU64 } from '../wire/frame.js';
import { scanValue } from '../wire/scanner.js';
import { FailedReply, IncomingMessage, NO_HEADERS, type Origin } from './message.js';
import type { SenderRecord } from './sender-records.js';

/** What the frame itself does not say. */
interface Context {
  readonly subject: string;
  readonly call: string;
}

/**
 * @param context the subject, of a reply that of its question, and the call that takes the message
 * @throws FrameFault when the frame's data is not a value that this package decodes
 */
export function messageOf(
  bytes: Buffer,
  at: number,
  size: number,
  { subject, call }: Context,
): IncomingMessage {
  const { headers = NO_HEADERS, data } = readTail(bytes, at, size);
  const failed = (readFlags(bytes, at) & Flag.error) !== 0;
  const fault = failed ? undefined : scanValue(bytes, data, at + size);
  if (fault !== undefined) throw new FrameFault(`the data is malformed: ${fault}`);
  if (failed) {
    const error = errorOf(readControl('error REPLY', bytes, at, size), call);
    return failedReply(bytes, at, subject, error);
  }
  const copy = copyBytes(bytes, data, at + size);
  return new IncomingMessage(originOf(bytes, at, subject, headers), 0, copy, 0, copy.length, undefined);
}

/** What an asker gets when the frame at `at` gives it an error in place of an answer. */
export function failedReply(bytes: Buffer, at: number, subject: string, error: MailslotError): FailedReply {
  return new FailedReply(originOf(bytes, at, subject, NO_HEADERS), error);
}

function originOf(bytes: Buffer, at: number, subject: string, headers: Origin['headers']): Origin {
  return {
    subject,
    headers,
    from: strangerAt(bytes, at + At.sender),
    isShared: false,
    headBytes: At.subject + subject.length + 2,
    sequence: readU64(bytes, at + At.sequence),
    orderHigh: bytes.readInt32BE(at + At.order),
    orderLow: bytes.readInt32BE(at + At.order + 4),
    timeHigh: bytes.readInt32BE(at + At.time),
    timeLow: bytes.readInt32BE(at + At.time + 4),
  };
}

/** The error that an error reply speaks of. */
function errorOf({ code, message, data, responderCode }: ErrorReply, call: string): MailslotError {
  const known = isErrorCode(code) ? code : 'MAILSLOT_RESPONDER_FAILED';
  // who replies does not know the call and says `query`; the words of a handler stay as they are
  const text = known === 'MAILSLOT_RESPONDER_FAILED' ? message : message.replace(/^query: /, `${call}: `);
  return new MailslotError(known, text, {
    data,
    ...(responderCode === undefined ? {} : { responderCode }),
  });
}

/** The last one that was made: replies come from few responders, in runs. */
let last: SenderRecord | undefined;

/** A record apart from those of publishers: what is not published is not acknowledged. */
function strangerAt(bytes: Buffer, at: number): SenderRecord {
  if (last === undefined || last.low !== readU32(bytes, at + 4) || last.high !== readU32(bytes, at))
    last = newStranger(bytes, at);
  return last;
}

function newStranger(bytes: Buffer, at: number): SenderRecord {
  const own = Buffer.from(bytes.subarray(at, at + 8));
  return {
    id: own.toString('hex'),
    bytes: own,
    high: own.readUInt32BE(0),
    low: own.readUInt32BE(4),
    read: 0,
    acknowledged: 0,
    urgent: false,
    heardAt: 0,
  };
}
