// Makes questions of what a program passes to query, queryAll and queryStream: checked, and encoded during the
// call. It asks nobody; asker.ts does.
import { MAX_TIMEOUT, QUERY_ALL_TIMEOUT, QUERY_TIMEOUT } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { At, encodeFrame, Flag, type FrameFields, headSize, Kind, writeU64 } from '../wire/frame.js';
import { FrameTemplate } from '../wire/frame-template.js';
import { PEER_ID_BYTES } from '../wire/peer-id.js';
import { checkSubject } from '../wire/subject.js';
import { encodeValue } from '../wire/values.js';
import { checkNumber, checkOptions, checkSignal } from './options.js';
import { checkHeaders, checkPeer, tooLarge } from './publisher.js';

/** What is asked. */
export interface Question {
  /** What the program called, for errors. */
  readonly call: string;
  readonly subject: string;
  /** Its whole frame, but for sender and sequence. */
  readonly frame: Buffer;
  /** ms until it fails by itself; undefined for a stream, whose reader has patience with each reply anew. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly all: boolean;
  /** Whether more replies than one are taken. */
  readonly isStream: boolean;
}

type Call = 'query' | 'queryAll' | 'queryStream';

/** Any of the options that a call takes; which ones is checked. */
interface QuestionOptions {
  timeout?: number;
  headers?: Record<string, string>;
  to?: string;
  signal?: AbortSignal;
}

const takes = {
  query: ['timeout', 'headers', 'signal', 'to'],
  queryAll: ['timeout', 'headers', 'signal', 'max'],
  queryStream: ['timeout', 'headers', 'signal', 'to'],
} satisfies Record<Call, string[]>;

/** A query without options. */
const plainly = { call: 'query', timeout: QUERY_TIMEOUT, signal: undefined, all: false, isStream: false };

/** Subjects whose heads are kept ready; beyond that all are dropped and made anew. */
const KEPT_TEMPLATES = 1_024;

export class Questions {
  readonly #clock: Clock;
  readonly #maxMessageBytes: number;
  /** By subject, for queries without options. */
  readonly #templates = new Map<string, FrameTemplate>();

  constructor(options: { clock: Clock; maxMessageBytes: number }) {
    this.#clock = options.clock;
    this.#maxMessageBytes = options.maxMessageBytes;
  }

  /** @throws MailslotError as `query` rejects; `signal.reason` */
  make(call: Call, subject: string, data: unknown, options: QuestionOptions | undefined): Question {
    if (options === undefined && call === 'query') return this.#plain(subject, data);
    const given = options === undefined ? {} : options;
    checkOptions(given, call, takes[call]);
    checkSubject(subject, call);
    const [all, isStream] = [call === 'queryAll', call === 'queryStream'];
    const { timeout = all ? QUERY_ALL_TIMEOUT : QUERY_TIMEOUT, signal } = given;
    checkNumber(timeout, { call, option: 'timeout', min: 1, max: MAX_TIMEOUT });
    checkSignal(signal, call);
    signal?.throwIfAborted();
    const fields = {
      ...fieldsOf(subject, isStream ? undefined : timeout),
      flags: (all ? Flag.all : 0) | (isStream ? Flag.stream : 0),
      headers: checkHeaders(given.headers, call),
      to: checkPeer(given.to, call)?.bytes,
      time: this.#clock.wallTime(),
    };
    const body = encodeValue(data, call);
    this.#checkSize(call, subject, headSize(fields) + body.length);
    const frame = encodeFrame({ ...fields, data: body });
    return { call, subject, frame, timeout: isStream ? undefined : timeout, signal, all, isStream };
  }

  #plain(subject: string, data: unknown): Question {
    const template = this.#templates.get(subject) ?? this.#keepTemplate(subject);
    const body = encodeValue(data, 'query');
    this.#checkSize('query', subject, template.size + body.length);
    const frame = template.frame(body);
    writeU64(frame, At.time, this.#clock.wallTime());
    // not spread: that is a call out of compiled code
    const { call, timeout, signal, all, isStream } = plainly;
    return { call, subject, frame, timeout, signal, all, isStream };
  }

  #keepTemplate(subject: string): FrameTemplate {
    checkSubject(subject, 'query');
    if (this.#templates.size >= KEPT_TEMPLATES) this.#templates.clear();
    const template = new FrameTemplate(fieldsOf(subject, QUERY_TIMEOUT));
    this.#templates.set(subject, template);
    return template;
  }

  #checkSize(call: Call, subject: string, size: number): void {
    if (size > this.#maxMessageBytes) throw tooLarge(call, subject, size, this.#maxMessageBytes);
  }
}

/** A question to the host itself, on a subject that programs cannot use, `call` being what they called. */
export function systemQuestion(
  subject: string,
  data: unknown,
  { call, timeout, all = false }: { call: string; timeout: number; all?: boolean },
): Question {
  const fields = { ...fieldsOf(subject, timeout), flags: all ? Flag.all : 0 };
  const frame = encodeFrame({ ...fields, data: encodeValue(data) });
  return { subject, frame, ...plainly, call, timeout, all };
}

const NOBODY_YET = new Uint8Array(PEER_ID_BYTES);

function fieldsOf(subject: string, ttl: number | undefined): Omit<FrameFields, 'data'> {
  return { kind: Kind.query, sender: NOBODY_YET, subject, ttl };
}
