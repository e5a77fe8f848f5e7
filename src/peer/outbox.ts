// The publisher's side: numbers messages, writes them into slabs, and keeps them until they are settled, so that
// they can be sent again after a take-over. It knows the window, not the link: whoever has one takes the bytes.
//
//   slabs   [ settled | unsettled, sent | unsettled, not sent ][ … ]      waiting: publishes without room
//                      └ #settled        └ slab.sent            └ slab.end
import { MailslotError } from '../errors.js';
import { OUTBOX_WINDOWS, SPARE_SLAB_BYTES, WINDOW_FRAMES } from '../limits.js';
import type { MessageFile } from '../transport/message-files.js';
import { SpareBuffers } from '../util/spare-buffers.js';
import type { Settled, SettledReceipt } from '../wire/control.js';
import { wholeFrame, wholeSize } from '../wire/file-reference.js';
import {
  At,
  Flag,
  frameSize,
  messageCount,
  readFlags,
  readU64,
  writeU16,
  writeU32,
  writeU64,
} from '../wire/frame.js';
import { OpenBatch } from './open-batch.js';

/** Room for many small messages in one write; larger messages get a slab of their own. */
const SLAB_BYTES = 64 * 1024;

/**
 * So often in a window of bytes an acknowledgement is asked for. With twice, a publisher of messages of 1 MiB has to
 * wait for two of them; four times gave a tenth more at that size, within the noise of the machine.
 */
const ASKS_PER_WINDOW = 4;

interface Slab {
  bytes: Buffer;
  /** Where the first unsettled frame begins. */
  start: number;
  /** Up to where it was handed to the link. */
  sent: number;
  end: number;
  /** Sequence of its last frame. */
  last: number;
  /** It was sent again: what was sent first may settle it while it is still being written, so it is not reused. */
  rewound: boolean;
  /** Where the data of its only frame is. */
  file: MessageFile | undefined;
}

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

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#windowBytes = options.windowBytes;
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
    this.#batch.close();
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
      const slab = this.#pushSlab(frame);
      slab.end = length;
      slab.file = file;
      return this.seal(frame, 0, costOf(parcel));
    }
    if (length > SLAB_BYTES) {
      this.#pushSlab(Buffer.from(frame.buffer)).end = length;
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
    this.#batch.open(subject, this.#newest!.bytes, frame);
  }

  /**
   * Adds a message to the frame written last, if that is about the same subject and not sent yet.
   * @returns the bytes that took; 0 when it has to be a frame of its own, or to wait
   */
  join(subject: string, body: Uint8Array, isBytes: boolean): number {
    const batch = this.#batch;
    if (batch.subject !== subject) return 0;
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

  /** Admits a frame of {@link frameMemory} when there is room; resolves to its sequence. */
  admitLater(parcel: Parcel, signal: AbortSignal | undefined): Promise<number> {
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
          resolve(sequence);
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
    this.#batch.close();
    for (let index = this.#slabs.length - 1; index >= 0; index -= 1) {
      if (this.#slabs[index]!.sent < this.#slabs[index]!.end) continue;
      return this.#takeFrom(index + 1, queue);
    }
    this.#takeFrom(0, queue);
  }

  /** The link is new: everything unsettled is to be sent again, marked as such, before anything else. */
  rewind(): void {
    for (const slab of this.#slabs) {
      this.#fillIn(slab);
      for (let at = slab.start; at < slab.sent; at += frameSize(slab.bytes, at, slab.end)) {
        writeU16(slab.bytes, at + At.flags, readFlags(slab.bytes, at) | Flag.resent);
      }
      slab.sent = slab.start;
      slab.rewound = true;
    }
    if (this.#slabs.length > 0) this.#options.onPending();
  }

  /** A file that was removed with the folder of the bus cannot be read any more: its message goes through the host. */
  #fillIn(slab: Slab): void {
    const { bytes, file } = slab;
    if (file === undefined || file.isInPlace()) return;
    const whole = wholeFrame(bytes, 0, bytes.length, file);
    if (!file.read(whole.subarray(whole.length - file.size))) return;
    file.remove();
    slab.file = undefined;
    slab.sent = slab.sent === 0 ? 0 : whole.length;
    slab.end = whole.length;
    slab.bytes = whole;
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
    for (const { file, sent, rewound } of this.#slabs) {
      if (sent > 0 || rewound) file?.leave();
      else file?.remove();
    }
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
    return this.#pushSlab(this.#spare.take(Math.max(size, SLAB_BYTES)));
  }

  #pushSlab(bytes: Buffer): Slab {
    this.#batch.close();
    const full = this.#newest;
    if (full !== undefined && full.sent < full.end) this.#options.onFull();
    const slab: Slab = {
      bytes,
      start: 0,
      sent: 0,
      end: 0,
      last: Number.POSITIVE_INFINITY,
      rewound: false,
      file: undefined,
    };
    this.#slabs.push(slab);
    this.#newest = slab;
    return slab;
  }

  #takeFrom(first: number, queue: { push(part: Uint8Array): void }): void {
    for (let index = first; index < this.#slabs.length; index += 1) {
      const slab = this.#slabs[index]!;
      queue.push(slab.bytes.subarray(slab.sent, slab.end));
      slab.sent = slab.end;
    }
  }

  /** Frees the memory of everything up to this sequence. */
  #release(upTo: number): void {
    // the frames are about to be measured, and an open one does not say yet how long it is
    this.#batch.close();
    let freed = 0;
    for (const slab of this.#slabs) {
      if (slab.last <= upTo) {
        this.#unsettledBytes -= heldBy(slab);
        freed += 1;
        continue;
      }
      while (lastSequence(slab.bytes, slab.start) <= upTo) {
        const size = frameSize(slab.bytes, slab.start, slab.end);
        slab.start += size;
        this.#unsettledBytes -= size;
      }
      break;
    }
    for (const slab of this.#slabs.splice(0, freed)) {
      if (slab === this.#newest) this.#newest = undefined;
      slab.file?.remove();
      if (!slab.rewound && slab.file === undefined) this.#spare.keep(slab.bytes);
    }
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

/** Bytes of the window that what is unsettled in it takes. */
function heldBy({ start, end, file }: Slab): number {
  return file === undefined ? end - start : wholeSize(end, file);
}

function lastSequence(bytes: Buffer, at: number): number {
  return readU64(bytes, at + At.sequence) + messageCount(bytes, at) - 1;
}

function outboxFull(messages: number, bytes: number): MailslotError {
  return new MailslotError(
    'MAILSLOT_OUTBOX_FULL',
    `publish: ${messages} messages (${bytes} bytes) wait for room already; await publish() before publishing more`,
  );
}
