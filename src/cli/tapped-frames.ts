// Frames → what `mailslot tap` prints of them. A reply names the query it answers, not its subject: so the queries
// that went by are remembered, as far as they are still open.
import { batchItems } from '../wire/batch.js';
import {
  At,
  Flag,
  FrameFault,
  frameSize,
  Kind,
  readFlags,
  readRef,
  readSubject,
  readTail,
  readTtl,
  readU64,
  toPosition,
} from '../wire/frame.js';
import { scanValue } from '../wire/scanner.js';
import { decodeValue } from '../wire/values.js';
import { toJson } from './json-forms.js';

/** Most queries that are remembered; guess. The oldest goes, and its replies show without a subject. */
const KEPT_QUERIES = 16_384;

const kindNames = new Map(Object.entries(Kind).map(([name, kind]) => [kind as number, name]));
const shownFlags = ['confirm', 'retain', 'noEcho', 'resent', 'all', 'more', 'stream'] as const;

interface QuerySeen {
  readonly subject: string;
  /** Last replies that are still to come; undefined until the host says how many. */
  expected: number | undefined;
}

export class TappedFrames {
  readonly #onlyKnown: boolean;
  readonly #queries = new Map<string, QuerySeen>();

  /** @param options.onlyKnown leaves out replies to queries that were not seen */
  constructor({ onlyKnown }: { onlyKnown: boolean }) {
    this.#onlyKnown = onlyKnown;
  }

  /** One object for JSON per frame, or per message where several share one. */
  *read(frames: Buffer): Iterable<object> {
    for (let at = 0; at < frames.length; ) {
      const size = frameSize(frames, at, frames.length);
      if (readFlags(frames, at) & Flag.batch) yield* batchForms(frames, at, size);
      else {
        const shown = this.#read(frames, at, size);
        if (shown !== undefined) yield shown;
      }
      at += size;
    }
  }

  #read(bytes: Buffer, at: number, size: number): object | undefined {
    const kind = bytes[at + At.kind]!;
    if (kind === Kind.query) return this.#readQuery(bytes, at, size);
    const isAbout = kind === Kind.reply || kind === Kind.cancel || kind === Kind.credit;
    return isAbout ? this.#readAbout(kind, bytes, at, size) : formOf(bytes, at, size);
  }

  #readQuery(bytes: Buffer, at: number, size: number): object {
    const query = readU64(bytes, at + At.sequence);
    const expected = readFlags(bytes, at) & Flag.all ? undefined : 1;
    this.#queries.set(keyOf(idAt(bytes, at + At.sender), query), {
      subject: readSubject(bytes, at),
      expected,
    });
    const [oldest] = this.#queries.keys();
    if (this.#queries.size > KEPT_QUERIES && oldest !== undefined) this.#queries.delete(oldest);
    return { ...formOf(bytes, at, size), query };
  }

  /** What has no subject of its own: REPLY, CANCEL and CREDIT. */
  #readAbout(kind: number, bytes: Buffer, at: number, size: number): object | undefined {
    const flags = readFlags(bytes, at);
    const query = flags & Flag.hasRef ? readRef(bytes, at) : 0;
    const askerAt = kind === Kind.reply && flags & Flag.hasTo ? toPosition(bytes, at) : at + At.sender;
    const key = keyOf(idAt(bytes, askerAt), query);
    const seen = this.#queries.get(key);
    if (seen === undefined && this.#onlyKnown) return undefined;
    const form = formOf(bytes, at, size, seen?.subject);
    if (kind === Kind.cancel) this.#queries.delete(key);
    if (kind === Kind.reply && seen !== undefined) this.#countReply(key, seen, flags, form.data);
    return { ...form, query };
  }

  #countReply(key: string, seen: QuerySeen, flags: number, data: unknown): void {
    // with `all` the host first says how many replies there will be
    if (flags & Flag.all) seen.expected = Number(data);
    else if (!(flags & Flag.more) && seen.expected !== undefined) seen.expected -= 1;
    if (seen.expected === 0) this.#queries.delete(key);
  }
}

interface FrameForm {
  data?: unknown;
  [property: string]: unknown;
}

function formOf(bytes: Buffer, at: number, size: number, subject = readSubject(bytes, at)): FrameForm {
  const flags = readFlags(bytes, at);
  const names = shownFlags.filter((name) => flags & Flag[name]);
  const kind = bytes[at + At.kind]!;
  return {
    kind: kindNames.get(kind) ?? String(kind),
    ...(subject !== '' && { subject }),
    ...contentForm(bytes, at, size),
    sender: idAt(bytes, at + At.sender),
    ...(flags & Flag.hasTo && { to: idAt(bytes, toPosition(bytes, at)) }),
    ...(flags & Flag.hasTtl && { ttl: readTtl(bytes, at) }),
    ...(names.length > 0 && { flags: names }),
    order: readU64(bytes, at + At.order),
    time: timeForm(readU64(bytes, at + At.time)),
    bytes: size,
  };
}

/** The messages of a batch, as if each had a frame of its own; `bytes` are those of its data. */
function* batchForms(frame: Buffer, at: number, size: number): Iterable<object> {
  const shared = { kind: 'publish', subject: readSubject(frame, at) };
  const sender = idAt(frame, at + At.sender);
  const time = timeForm(readU64(frame, at + At.time));
  let order = readU64(frame, at + At.order);
  try {
    for (const [start, end] of batchItems(frame, at, size)) {
      yield { ...shared, ...valueForm(frame, start, end), sender, order, time, bytes: end - start };
      order += 1;
    }
  } catch (error) {
    if (!(error instanceof FrameFault)) throw error;
    yield { ...shared, fault: error.message, sender, order, time };
  }
}

function valueForm(bytes: Buffer, start: number, end: number): FrameForm {
  const fault = scanValue(bytes, start, end);
  return fault === undefined ? { data: toJson(decodeValue(bytes, start, end)) } : { fault };
}

/** Data and headers, or what is wrong with them: the host passes on what no receiver can read. */
function contentForm(bytes: Buffer, at: number, size: number): FrameForm {
  try {
    const { headers, data } = readTail(bytes, at, size);
    const { data: value, ...fault } = valueForm(bytes, data, at + size);
    const isError = (readFlags(bytes, at) & Flag.error) !== 0;
    return { ...(isError ? { error: value } : { data: value }), ...fault, ...(headers && { headers }) };
  } catch (error) {
    if (error instanceof FrameFault) return { fault: error.message };
    throw error;
  }
}

function timeForm(time: number): string | undefined {
  const date = new Date(time);
  return time === 0 || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

function idAt(bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + 8);
}

function keyOf(asker: string, query: number): string {
  return `${asker} ${query}`;
}
