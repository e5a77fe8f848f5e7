// Turns publish() into frames in the outbox. The common case (bytes or a value, no options, room in the window)
// is tryPublish: a prepared header is copied into the slab and patched; nothing is allocated for bytes.
import { MailslotError } from '../errors.js';
import {
  MAX_HEADERS,
  MAX_HEADERS_BYTES,
  MAX_RETAINED_BYTES,
  MAX_RETAINED_VALUES,
  MAX_SUBJECT_BYTES,
  MAX_TTL,
  ROUTE_CACHE_SUBJECTS,
} from '../limits.js';
import type { MessageFile, MessageFiles } from '../transport/message-files.js';
import type { Clock } from '../util/clock.js';
import { copyInto } from '../wire/byte-copies.js';
import type { SettledReceipt } from '../wire/control.js';
import { type FileReference, referenceBytes, writeFileReference } from '../wire/file-reference.js';
import {
  At,
  encodeHeaders,
  Flag,
  type FrameFields,
  headSize,
  Kind,
  PREFIX_BYTES,
  writeHead,
  writeU32,
  writeU64,
} from '../wire/frame.js';
import { type PeerId, parsePeerId } from '../wire/peer-id.js';
import { checkSubject } from '../wire/subject.js';
import { byteStringHeadSize, encodeValue, isPlainBytes, writeByteStringHead } from '../wire/values.js';
import type { PublishOptions, Receipt } from './api.js';
import { checkFlag, checkNumber, describe, isWellFormed } from './options.js';
import { costOf, type Outbox, type Parcel } from './outbox.js';

const LONGEST_BYTES_HEAD = 5;
/** The empty options map and the head of a byte string. */
const LONGEST_HEADS_BYTES = 2 + LONGEST_BYTES_HEAD;

const ADMITTED = Promise.resolve();

export interface PublisherOptions {
  clock: Clock;
  peerId: PeerId;
  outbox: Outbox;
  /** Where large messages go; undefined: through the host, like all others. */
  files?: MessageFiles | undefined;
  maxMessageBytes: number;
}

/** A frame's bytes in front of its body, for one subject; written once, and changed where messages differ. */
class Head {
  readonly subject: string;
  /** With room for the head of a byte string behind it. */
  readonly #memory: Buffer;
  readonly #templateSize: number;
  #length = -1;
  #isBytes = false;
  #time = 0;
  /** As it is to be copied. */
  bytes: Buffer;

  constructor(sender: Uint8Array, subject: string) {
    const fields = { kind: Kind.publish, sender, subject };
    this.subject = subject;
    this.#templateSize = headSize(fields);
    this.#memory = Buffer.allocUnsafeSlow(this.#templateSize + LONGEST_BYTES_HEAD);
    this.bytes = this.#memory.subarray(0, this.#templateSize);
    writeHead(this.#memory, 0, this.#templateSize, fields);
  }

  /** Makes it that of a message with a body of so many bytes. */
  fit(length: number, isBytes: boolean, time: number): void {
    if (length !== this.#length || isBytes !== this.#isBytes) this.#resize(length, isBytes);
    if (time === this.#time) return;
    this.#time = time;
    writeU64(this.#memory, At.time, time);
  }

  #resize(length: number, isBytes: boolean): void {
    this.#length = length;
    this.#isBytes = isBytes;
    const size = this.#templateSize + (isBytes ? byteStringHeadSize(length) : 0);
    if (isBytes) writeByteStringHead(this.#memory, this.#templateSize, length);
    writeU32(this.#memory, At.length, size + length - PREFIX_BYTES);
    if (size !== this.bytes.length) this.bytes = this.#memory.subarray(0, size);
  }
}

export class Publisher {
  readonly #clock: Clock;
  readonly #peerId: PeerId;
  readonly #outbox: Outbox;
  readonly #files: MessageFiles | undefined;
  readonly #shortestFiled: number;
  readonly #maxMessageBytes: number;
  /** Shorter data is below the limit of a message whatever its subject. */
  readonly #longestJoining: number;
  /** By subject. */
  readonly #heads = new Map<string, Head>();
  #last: Head | undefined;
  /** The time stamped on messages; read once per tick and slab, since reading it costs as much as the copy. */
  #time = 0;
  messages = 0;
  bytes = 0;
  /** Bytes after which the next turn is due. */
  #paceAt: number;
  #turn: Promise<void> | undefined;

  constructor({ clock, peerId, outbox, files, maxMessageBytes }: PublisherOptions) {
    this.#clock = clock;
    this.#peerId = peerId;
    this.#outbox = outbox;
    this.#paceAt = outbox.paceBytes;
    this.#files = files;
    this.#shortestFiled = files?.shortest ?? Number.POSITIVE_INFINITY;
    this.#maxMessageBytes = maxMessageBytes;
    this.#longestJoining = maxMessageBytes - MAX_SUBJECT_BYTES - At.subject - LONGEST_HEADS_BYTES;
  }

  /** Later messages get a later time. */
  flushed(): void {
    this.#time = 0;
  }

  /** What a publish that was admitted at once resolves with: now, or after I/O had its turn. */
  get admitted(): Promise<void> {
    if (this.bytes < this.#paceAt) return this.#turn ?? ADMITTED;
    this.#paceAt = this.bytes + this.#outbox.paceBytes;
    this.#turn ??= new Promise((resolve) => {
      this.#clock.afterIo(() => {
        this.#turn = undefined;
        resolve();
      });
    });
    return this.#turn;
  }

  /**
   * Publishes when that is possible at once.
   * @returns false when it is not; nothing was done then
   * @throws MAILSLOT_NOT_ENCODABLE
   */
  tryPublish(subject: string, data: unknown): boolean {
    const isBytes = isPlainBytes(data);
    const body = isBytes ? data : encodeValue(data, 'publish');
    // without a link a frame stays open for long, but all of a batch has one time
    if (body.length < this.#longestJoining && this.#time !== 0) {
      const added = this.#outbox.join(subject, body, isBytes);
      if (added > 0) {
        this.messages += 1;
        this.bytes += added;
        return true;
      }
    }
    const head = this.#headOf(subject);
    if (head === undefined) return false;
    head.fit(body.length, isBytes, this.#now());
    const headBytes = head.bytes;
    const size = headBytes.length + body.length;
    if (size > this.#maxMessageBytes || !this.#outbox.hasRoom(size)) return false;
    if (body.length >= this.#shortestFiled && this.#publishFile(subject, body, isBytes, size)) return true;
    const slab = this.#outbox.reserve(size);
    const { bytes } = slab;
    const at = slab.end - size;
    bytes.set(headBytes, at);
    copyInto(bytes, at + headBytes.length, body);
    this.#outbox.seal(bytes, at, size);
    this.#outbox.openBatch(subject, { at, dataAt: at + At.subject + subject.length + 2, end: at + size });
    this.messages += 1;
    this.bytes += size;
    return true;
  }

  /** Puts the data into a file; false when there is none for it. */
  #publishFile(subject: string, body: Uint8Array, isBytes: boolean, size: number): boolean {
    const file = this.#keep(body, isBytes);
    if (file === undefined) return false;
    const fields = { kind: Kind.publish, flags: Flag.file, sender: this.#peerId.bytes, subject };
    this.#outbox.admit(this.#reference({ ...fields, time: this.#now() }, file));
    this.messages += 1;
    this.bytes += size;
    return true;
  }

  #keep(body: Uint8Array, isBytes: boolean): MessageFile | undefined {
    if (!isBytes) return this.#files?.keep([body]);
    const head = Buffer.allocUnsafe(byteStringHeadSize(body.length));
    writeByteStringHead(head, 0, body.length);
    return this.#files?.keep([head, body]);
  }

  #reference(fields: Omit<FrameFields, 'data'>, file: MessageFile): Parcel {
    const reference: FileReference = { number: file.number, size: file.size };
    const frame = Buffer.allocUnsafeSlow(headSize(fields) + referenceBytes(reference));
    writeFileReference(frame, writeHead(frame, 0, frame.length, fields), reference);
    return { frame, file };
  }

  #headOf(subject: string): Head | undefined {
    if (this.#last?.subject !== subject) this.#last = this.#heads.get(subject);
    return this.#last;
  }

  /** Publishes with every check, waiting for room if need be. Data is encoded before the first wait. */
  async publish(subject: string, data: unknown, options: PublishOptions): Promise<Receipt | undefined> {
    const { confirm = false, signal } = options;
    signal?.throwIfAborted();
    const parcel = this.#encode(subject, data, options);
    const size = costOf(parcel);
    this.#keepHead(subject);
    let awaited: Promise<SettledReceipt> | undefined;
    const onAdmitted = (sequence: number): void => {
      if (confirm) awaited = this.#receiptOf(sequence, signal);
    };
    if (this.#outbox.hasRoom(size)) onAdmitted(this.#outbox.admit(parcel));
    else await this.#outbox.admitLater(parcel, signal, onAdmitted);
    this.messages += 1;
    this.bytes += size;
    if (awaited === undefined) return undefined;
    const receipt = await awaited;
    if (receipt.code === undefined) return { receivers: receipt.receivers, order: receipt.order };
    throw refusedError(receipt.code, subject, options.to);
  }

  #encode(subject: unknown, data: unknown, options: PublishOptions): Parcel {
    checkSubject(subject, 'publish');
    const { confirm = false, echo = true, retain = false, ttl } = options;
    checkFlag(confirm, { call: 'publish', option: 'confirm' });
    checkFlag(echo, { call: 'publish', option: 'echo' });
    checkFlag(retain, { call: 'publish', option: 'retain' });
    if (retain && options.to !== undefined) throw retainedForOne();
    if (ttl !== undefined) checkNumber(ttl, { call: 'publish', option: 'ttl', min: 1, max: MAX_TTL });
    const fields = {
      kind: Kind.publish,
      flags:
        (confirm ? Flag.confirm | Flag.ackSoon : 0) | (echo ? 0 : Flag.noEcho) | (retain ? Flag.retain : 0),
      sender: this.#peerId.bytes,
      // what expires counts from now, whatever this turn has done since it published first
      time: ttl === undefined ? this.#now() : this.#clock.wallTime(),
      subject,
      to: checkPeer(options.to, 'publish')?.bytes,
      ttl,
      headers: checkHeaders(options.headers, 'publish'),
    };
    const isBytes = isPlainBytes(data);
    const body = isBytes ? data : encodeValue(data, 'publish');
    const head = headSize(fields) + (isBytes ? byteStringHeadSize(body.length) : 0);
    const size = head + body.length;
    if (size > this.#maxMessageBytes) throw tooLarge('publish', subject, size, this.#maxMessageBytes);
    // a last value is kept by the host, for longer than it takes to settle
    const file = body.length < this.#shortestFiled || retain ? undefined : this.#keep(body, isBytes);
    if (file !== undefined) return this.#reference({ ...fields, flags: fields.flags | Flag.file }, file);
    const frame = this.#outbox.frameMemory(size);
    const end = writeHead(frame, 0, size, fields);
    if (isBytes) writeByteStringHead(frame, end, body.length);
    frame.set(body, head);
    return { frame };
  }

  #keepHead(subject: string): void {
    if (this.#heads.has(subject)) return;
    // beyond that all are dropped and made anew
    if (this.#heads.size >= ROUTE_CACHE_SUBJECTS) this.#heads.clear();
    this.#heads.set(subject, new Head(this.#peerId.bytes, subject));
  }

  #now(): number {
    if (this.#time === 0) {
      this.#time = this.#clock.wallTime();
      this.#clock.defer(() => this.flushed());
    }
    return this.#time;
  }

  #receiptOf(sequence: number, signal: AbortSignal | undefined): Promise<SettledReceipt> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#outbox.forgetReceipt(sequence);
        reject(signal?.reason);
      };
      const release = (): void => signal?.removeEventListener('abort', onAbort);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#outbox.expectReceipt(sequence, {
        resolve: (receipt) => {
          release();
          resolve(receipt);
        },
        reject: (reason) => {
          release();
          reject(reason);
        },
      });
    });
  }
}

/** Reads the option `to`. @throws MAILSLOT_INVALID_OPTION */
export function checkPeer(to: unknown, call: string): PeerId | undefined {
  if (to === undefined) return undefined;
  const id = parsePeerId(to);
  if (id !== undefined) return id;
  const message = `${call}: \`to\` is ${describe(to)}; it takes a peer id of 16 hex digits, as in bus.id and peers()`;
  throw new MailslotError('MAILSLOT_INVALID_OPTION', message);
}

/** Reads the option `headers`. @throws MAILSLOT_INVALID_OPTION, MAILSLOT_NOT_ENCODABLE */
export function checkHeaders(headers: unknown, call: string): ReturnType<typeof encodeHeaders> | undefined {
  if (headers === undefined) return undefined;
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    const message = `${call}: \`headers\` is ${describe(headers)}; it takes an object of texts`;
    throw new MailslotError('MAILSLOT_INVALID_OPTION', message);
  }
  const entries = Object.entries(headers);
  for (const [name, value] of entries) {
    if (typeof value === 'string' && isWellFormed(name) && isWellFormed(value)) continue;
    const message = `${call}: header "${name}" is ${describe(value)}; headers are well-formed texts`;
    throw new MailslotError('MAILSLOT_NOT_ENCODABLE', message);
  }
  const encoded = encodeHeaders(headers as Record<string, string>);
  if (encoded.count <= MAX_HEADERS && encoded.bytes.length <= MAX_HEADERS_BYTES) {
    return encoded.count === 0 ? undefined : encoded;
  }
  throw new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: ${encoded.count} headers of ${encoded.bytes.length} bytes; at most ${MAX_HEADERS} of ${MAX_HEADERS_BYTES} bytes fit; send the rest as data`,
  );
}

export function tooLarge(call: string, subject: string, size: number, limit: number): MailslotError {
  return new MailslotError(
    'MAILSLOT_MESSAGE_TOO_LARGE',
    `${call}: the message for "${subject}" has ${size} bytes, more than maxMessageBytes of ${limit}; send less, or raise it in openBus on both sides`,
  );
}

/** The error that a receipt with this code stands for; subject and peer where they are known. */
export function refusedError(code: string | undefined, subject?: string, to?: string): MailslotError {
  const what = subject === undefined ? 'a message' : `"${subject}"`;
  if (code === 'MAILSLOT_QUOTA_EXCEEDED') {
    const message = `publish: ${what} was not taken: the host retains ${MAX_RETAINED_VALUES} values and ${MAX_RETAINED_BYTES} bytes already; clear some by publishing undefined with \`retain\``;
    return new MailslotError(code, message);
  }
  const message = `publish: ${what} is for ${to === undefined ? 'a peer' : `peer ${to},`} which is not on the bus; peers() lists those that are`;
  return new MailslotError('MAILSLOT_NO_SUCH_PEER', message);
}

function retainedForOne(): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    'publish: `retain` is true and `to` names a peer; a last value is kept for everybody, so leave one of them out',
  );
}
