// The publisher's side: numbers messages, writes them into slabs, and keeps them until they are settled, so that
// they can be sent again after a take-over. It knows the window, not the link: whoever has one takes the bytes.
//
//   slabs   [ settled | unsettled, sent | unsettled, not sent ][ … ]      waiting: publishes without room
//                      └ #settled
import { MailslotError } from '../errors.js';
import {
  FILED_PACE_BYTES,
  OUTBOX_WINDOWS,
  PACE_BYTES,
  SHORTEST_FILED_BYTES,
  SPARE_SLAB_BYTES,
  WINDOW_FRAMES,
} from '../limits.js';
import type { MessageFile, MessageFiles } from '../transport/message-files.js';
import { SpareBuffers } from '../util/spare-buffers.js';
import type { Settled, SettledReceipt } from '../wire/control.js';
import { wholeSize } from '../wire/file-reference.js';
import { At, Flag, writeU32, writeU64 } from '../wire/frame.js';
import { OpenBatch } from './open-batch.js';
import { Slab } from './slab.js';

/** Room for many small messages in one write; larger messages get a slab of their own. */
const SLAB_BYTES = 64 * 1024;
/** …and for what a publisher with much to say publishes in one turn: that may go through a file. */
const LARGE_SLAB_BYTES = FILED_PACE_BYTES + 64 * 1024;
/** …unless they are shorter than this on average: with one receiver, so many of them at once are slower; measured. */
const SHORTEST_LARGE_BYTES = 64;
/** Longer data stays a frame of its own: moving the first message would cost more than a header does. */
const LONGEST_JOINING_BYTES = 4 * 1024;
/** …but where that leads to a file. */
const LONGEST_FILED_ITEM_BYTES = SHORTEST_FILED_BYTES;

/**
 * So often in a window of bytes an acknowledgement is asked for. With twice, a publisher of messages of 1 MiB has to
 * wait for two of them; four times gave a tenth more at that size, within the noise of the machine.
 */
const ASKS_PER_WINDOW = 4;

/** A message that is to be admitted. */
export interface Parcel {
  /** Numbered when it is admitted. */
  readonly frame: Buffer;
  /** Where its data is, if that is not in the frame. */
  readonly file?: MessageFile | undefined;
}

/** Bytes of the window that it takes: those of the message, wherever they are. */
export function costOf({ frame, file }: Parcel): number {
  return file === undefined ? frame.length : wholeSize(frame.length, file);
}

interface Waiting {
  readonly parcel: Parcel;
  admit(sequence: number): void;
  reject(reason: unknown): void;
}

interface Confirm {
  resolve(receipt: SettledReceipt): void;
  reject(reason: unknown): void;
}

export interface OutboxOptions {
  windowBytes: number;
  /** Where long batches go; undefined: through the host, like everything else. */
  files?: MessageFiles | undefined;
  /** There are bytes to take; called once until {@link Outbox.take}. */
  onPending(): void;
  /** A slab is full: its bytes should be taken before more are written. */
  onFull(): void;
  /** A publish waits and nothing in the window asks for an early acknowledgement. */
  onStarving(): void;
  /** A message that nobody confirms could not be handed to the peer it was for. */
  onUndeliverable(receipt: SettledReceipt): void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #slabs: Slab[] = [];
  /** The last of them, which is being filled. */
  #newest: Slab | undefined;
  readonly #spare = new SpareBuffers(SPARE_SLAB_BYTES);
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  readonly #confirms = new Map<number, Confirm>();
  /** Called when everything is settled. */
  #idle: (() => void)[] = [];
  #windowBytes: number;
  #unsettledBytes = 0;
  #nextSequence = 1;
  #settled = 0;
  /** Since the last frame with the flag ack-soon. */
  #bytesSinceAckSoon = 0;
  #framesSinceAckSoon = 0;
  /** The last message whose settling is reported at once. */
  #urgentUpTo = 0;
  #pending = false;
  readonly #batch = new OpenBatch();
  readonly #files: MessageFiles | undefined;
  readonly #shortestFiled: number;
  /** Whether slabs are large. */
  #isLarge = false;
  /** What was published last in the short way, and where in the newest slab the messages about that begin. */
  #runSubject = '';
  #runAt = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#windowBytes = options.windowBytes;
    this.#files = options.files;
    this.#shortestFiled = options.files?.shortest ?? Number.POSITIVE_INFINITY;
  }

  /** Bytes after which a program that publishes without a pause should let I/O have its turn. */
  get paceBytes(): number {
    return this.#isLarge ? FILED_PACE_BYTES : PACE_BYTES;
  }

  /** The sequence of the first message that a new host would be sent. */
  get firstUnsettled(): number {
    return this.#settled + 1;
  }

  get unsettledFrames(): number {
    return this.#nextSequence - 1 - this.#settled;
  }

  get unsettledBytes(): number {
    return this.#unsettledBytes;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether a frame of this size can be admitted now. */
  hasRoom(size: number): boolean {
    if (this.#waiting.length > 0) return false;
    const frames = this.unsettledFrames;
    return frames === 0 || (this.#unsettledBytes + size <= this.#windowBytes && frames < WINDOW_FRAMES);
  }

  /**
   * Makes room for a frame of `size` bytes and returns its slab; the caller writes it at `slab.end - size` and
   * calls {@link seal}. Only after {@link hasRoom}.
   */
  reserve(size: number): { readonly bytes: Buffer; readonly end: number } {
    this.#closeBatch();
    let slab = this.#newest;
    if (slab === undefined || slab.end + size > slab.bytes.length) slab = this.#addSlab(size);
    slab.end += size;
    return slab;
  }

  /** Memory for a frame of `size` bytes that {@link admit} or {@link admitLater} will be given. */
  frameMemory(size: number): Buffer {
    return size > SLAB_BYTES ? this.#spare.take(size).subarray(0, size) : Buffer.allocUnsafe(size);
  }

  /** Takes a whole frame, and its memory too if it is large; returns its sequence. Only after {@link hasRoom}. */
  admit(parcel: Parcel): number {
    const { frame, file } = parcel;
    const { length } = frame;
    if (file !== undefined) {
      this.#pushSlab(new Slab(frame, file));
      return this.seal(frame, 0, costOf(parcel));
    }
    if (length > SLAB_BYTES) {
      this.#pushSlab(new Slab(Buffer.from(frame.buffer))).end = length;
      return this.seal(frame, 0, length);
    }
    const { bytes, end } = this.reserve(length);
    frame.copy(bytes, end - length);
    return this.seal(bytes, end - length, length);
  }

  /** Numbers a frame that was written at `at` and counts `size` bytes for it; returns its sequence. */
  seal(bytes: Buffer, at: number, size: number): number {
    const sequence = this.#nextSequence++;
    // the high half is zero already, and stays so for the first four billion messages
    writeU32(bytes, at + At.sequence + 4, sequence);
    if (sequence > 0xffff_ffff) writeU64(bytes, at + At.sequence, sequence);
    this.#count(sequence, bytes, at, size);
    return sequence;
  }

  /** Lets messages on this subject {@link join} the frame that was sealed last, until it is sent. */
  openBatch(subject: string, frame: { at: number; dataAt: number; end: number }): void {
    const { bytes } = this.#newest!;
    if (subject !== this.#runSubject) this.#runAt = frame.at;
    this.#runSubject = subject;
    this.#batch.open(subject, bytes, frame, this.#isLarge ? LONGEST_FILED_ITEM_BYTES : LONGEST_JOINING_BYTES);
  }

  /**
   * Adds a message to the frame written last, if that is about the same subject and not sent yet.
   * @returns the bytes that took; 0 when it has to be a frame of its own, or to wait
   */
  join(subject: string, body: Uint8Array, isBytes: boolean): number {
    const batch = this.#batch;
    if (!batch.isOpenFor(subject)) return 0;
    const cost = batch.costOf(body, isBytes);
    const slab = this.#newest!;
    if (cost === 0 || slab.end + cost > slab.bytes.length || !this.hasRoom(cost)) return 0;
    slab.end = batch.add(body, isBytes);
    this.#count(this.#nextSequence++, slab.bytes, batch.at, cost);
    return cost;
  }

  /** Counts a message of the frame at `at` that made it longer by `size` bytes. */
  #count(sequence: number, bytes: Buffer, at: number, size: number): void {
    this.#newest!.last = sequence;
    this.#unsettledBytes += size;
    this.#bytesSinceAckSoon += size;
    this.#framesSinceAckSoon += 1;
    if (
      this.#bytesSinceAckSoon * ASKS_PER_WINDOW >= this.#windowBytes ||
      this.#framesSinceAckSoon * 2 >= WINDOW_FRAMES
    ) {
      bytes[at + At.flags + 1]! |= Flag.ackSoon;
    }
    if (bytes[at + At.flags + 1]! & Flag.ackSoon) this.#askedUpTo(sequence);
    if (!this.#pending) {
      this.#pending = true;
      this.#options.onPending();
    }
  }

  #askedUpTo(sequence: number): void {
    this.#urgentUpTo = sequence;
    this.#bytesSinceAckSoon = 0;
    this.#framesSinceAckSoon = 0;
  }

  /** Somebody waits for room, and no message under way asks for an early acknowledgement. */
  #hasten(): void {
    if (this.#urgentUpTo > this.#settled || this.unsettledFrames === 0) return;
    this.#askedUpTo(this.#nextSequence - 1);
    this.#options.onStarving();
  }

  /**
   * Admits a frame of {@link frameMemory} when there is room, and calls `onAdmitted` with its sequence in that moment: who waits
   * for a receipt has to be known before the Bus can be closed.
   */
  admitLater(
    parcel: Parcel,
    signal: AbortSignal | undefined,
    onAdmitted: (sequence: number) => void,
  ): Promise<void> {
    const cost = costOf(parcel);
    if (this.#waitingBytes + cost > OUTBOX_WINDOWS * this.#options.windowBytes && this.#waiting.length > 0) {
      parcel.file?.remove();
      return Promise.reject(outboxFull(this.#waiting.length, this.#waitingBytes));
    }
    this.#hasten();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#withdraw(waiting, signal?.reason);
      const release = (): void => signal?.removeEventListener('abort', onAbort);
      const waiting: Waiting = {
        parcel,
        admit: (sequence) => {
          release();
          onAdmitted(sequence);
          resolve();
        },
        reject: (reason) => {
          release();
          parcel.file?.remove();
          reject(reason);
        },
      };
      this.#waiting.push(waiting);
      this.#waitingBytes += cost;
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Registers who waits for the receipt of a message. */
  expectReceipt(sequence: number, confirm: Confirm): void {
    this.#confirms.set(sequence, confirm);
  }

  forgetReceipt(sequence: number): void {
    this.#confirms.delete(sequence);
  }

  /** Takes what was not sent yet, as slices that stay as they are until settled. */
  take(queue: { push(part: Uint8Array): void }): void {
    this.#pending = false;
    this.#closeBatch();
    let first = this.#slabs.length;
    while (first > 0 && this.#slabs[first - 1]!.sent < this.#slabs[first - 1]!.end) first -= 1;
    for (const slab of this.#slabs.slice(first)) slab.takeFrom(queue);
  }

  /** The link is new: everything unsettled is to be sent again, marked as such, before anything else. */
  rewind(): void {
    for (const slab of this.#slabs) slab.rewind();
    if (this.#slabs.length > 0) this.#options.onPending();
  }

  settle({ upTo, windowBytes, receipts }: Settled): void {
    this.#windowBytes = Math.min(windowBytes, this.#options.windowBytes);
    for (const receipt of receipts) this.#takeReceipt(receipt);
    if (upTo > this.#settled && upTo < this.#nextSequence) {
      this.#settled = upTo;
      this.#release(upTo);
    }
    this.#admitWaiting();
    if (this.unsettledFrames === 0 && this.#waiting.length === 0) this.#tellIdle();
  }

  /** The window that a new host grants. */
  grant(windowBytes: number): void {
    this.#windowBytes = Math.min(windowBytes, this.#options.windowBytes);
  }

  /** Resolves when everything that was published is settled. */
  whenIdle(): Promise<void> {
    if (this.unsettledFrames === 0 && this.#waiting.length === 0) return Promise.resolve();
    this.#askedUpTo(this.#nextSequence - 1);
    this.#options.onStarving();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** The Bus is closed: what is not settled is left to those who have still to read it, which is nobody where it was never sent. */
  leave(): void {
    for (const slab of this.#slabs) slab.leave();
  }

  /** Rejects everybody who waits, for room or for a receipt. The window itself is kept. */
  rejectWaiting(reason: unknown): void {
    const waiting = this.#waiting.splice(0);
    this.#waitingBytes = 0;
    for (const { reject } of waiting) reject(reason);
    const confirms = [...this.#confirms.values()];
    this.#confirms.clear();
    for (const { reject } of confirms) reject(reason);
  }

  #takeReceipt(receipt: SettledReceipt): void {
    const confirm = this.#confirms.get(receipt.sequence);
    this.#confirms.delete(receipt.sequence);
    if (confirm !== undefined) confirm.resolve(receipt);
    else if (receipt.code !== undefined) this.#options.onUndeliverable(receipt);
  }

  #addSlab(size: number): Slab {
    if (this.#newest?.isReference === false) this.#judge(this.#newest);
    const least = this.#isLarge ? LARGE_SLAB_BYTES : SLAB_BYTES;
    return this.#pushSlab(new Slab(this.#spare.take(Math.max(size, least))));
  }

  #pushSlab(slab: Slab): Slab {
    this.#closeBatch();
    const full = this.#slabs.at(-1);
    if (full !== undefined && full.sent < full.end) this.#options.onFull();
    this.#slabs.push(slab);
    this.#newest = slab;
    this.#runAt = 0;
    return slab;
  }

  /** Slabs are large while each turn publishes much about one subject, and not in many small messages. */
  #judge(full: Slab): void {
    const messages = full.last - full.first + 1;
    const isMuch = full.end - Math.max(full.sent, this.#runAt) >= SLAB_BYTES / 2;
    const isSmall = full.end - full.start < messages * SHORTEST_LARGE_BYTES;
    // one turn is to be read while the next is written
    const hasRoom = this.#windowBytes >= ASKS_PER_WINDOW * FILED_PACE_BYTES;
    this.#isLarge = isMuch && !isSmall && hasRoom && this.#files?.isReady === true;
  }

  /** Nothing joins the last frame any more; where it is long enough its data goes into a file. */
  #closeBatch(): void {
    const size = this.#batch.close();
    if (size < this.#shortestFiled) return;
    const { at, dataAt } = this.#batch;
    const slab = this.#newest!;
    const file = this.#files?.keep([slab.bytes.subarray(dataAt, at + size)]);
    if (file === undefined) return;
    slab.fileBatch(at, file);
    this.#judge(slab);
    // the next turn begins a new one, so that what it writes fits into one file
    this.#newest = undefined;
  }

  /** Frees the memory of everything up to this sequence. */
  #release(upTo: number): void {
    // the frames are about to be measured, and an open one does not say yet how long it is
    this.#closeBatch();
    const freed = this.#slabs.findIndex((slab) => slab.last > upTo);
    const gone = this.#slabs.splice(0, freed === -1 ? this.#slabs.length : freed);
    for (const slab of gone) {
      this.#unsettledBytes -= slab.heldBytes;
      if (slab === this.#newest) this.#retireNewest();
      slab.dispose();
      if (slab.isReusable) this.#spare.keep(slab.bytes);
    }
    this.#unsettledBytes -= this.#slabs[0]?.settle(upTo) ?? 0;
  }

  /** All of it was settled before it was full, so there is not much to say. */
  #retireNewest(): void {
    this.#newest = undefined;
    this.#isLarge = false;
  }

  #admitWaiting(): void {
    let admitted = 0;
    for (const { parcel, admit } of this.#waiting) {
      const frames = this.unsettledFrames;
      const cost = costOf(parcel);
      const fits = this.#unsettledBytes + cost <= this.#windowBytes && frames < WINDOW_FRAMES;
      if (!fits && frames > 0) break;
      admit(this.admit(parcel));
      this.#waitingBytes -= cost;
      admitted += 1;
    }
    this.#waiting.splice(0, admitted);
    if (this.#waiting.length > 0) this.#hasten();
  }

  #withdraw(waiting: Waiting, reason: unknown): void {
    const index = this.#waiting.indexOf(waiting);
    if (index === -1) return;
    this.#waiting.splice(index, 1);
    this.#waitingBytes -= costOf(waiting.parcel);
    waiting.reject(reason);
  }

  #tellIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

function outboxFull(messages: number, bytes: number): MailslotError {
  return new MailslotError(
    'MAILSLOT_OUTBOX_FULL',
    `publish: ${messages} messages (${bytes} bytes) wait for room already; await publish() before publishing more`,
  );
}
