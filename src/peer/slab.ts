// A piece of the outbox's memory: frames one behind the other, of which the first may be settled already. The data of a
// frame may be in a file, in its place or beside it.
//
//   [ settled | unsettled, sent | unsettled, not sent |   ]
//             └ start           └ sent                └ end
import type { MessageFile } from '../transport/message-files.js';
import { referenceFrame, wholeFrame, wholeSize } from '../wire/file-reference.js';
import { At, Flag, frameSize, messageCount, readFlags, readU64, writeU16 } from '../wire/frame.js';

/** A batch of a slab that leaves as a reference to a file with its data. */
interface FiledBatch {
  readonly at: number;
  readonly size: number;
  readonly file: MessageFile;
}

export class Slab {
  bytes: Buffer;
  /** Where the first unsettled frame begins. */
  start = 0;
  /** Up to where it was handed to the link. */
  sent = 0;
  end = 0;
  /** Sequence of its last message. */
  last = Number.POSITIVE_INFINITY;
  /** What was sent first may settle it while it is still being written. */
  #isRewound = false;
  /** Where the data of its only frame is, which is a reference to it. */
  #file: MessageFile | undefined;
  #batch: FiledBatch | undefined;

  /** @param file where the data is of the only frame that is in `bytes` */
  constructor(bytes: Buffer, file?: MessageFile) {
    this.bytes = bytes;
    this.#file = file;
    if (file !== undefined) this.end = bytes.length;
  }

  /** Whether its memory may be used again when it is settled. */
  get isReusable(): boolean {
    return !this.#isRewound && this.#file === undefined;
  }

  /** Bytes of the window that what is unsettled in it takes: those of the messages, wherever they are. */
  get heldBytes(): number {
    return this.#file === undefined ? this.end - this.start : wholeSize(this.end, this.#file);
  }

  /** The first message that is not settled. */
  get first(): number {
    return readU64(this.bytes, this.start + At.sequence);
  }

  /** The batch at `at`, which ends where the slab does and was not sent, leaves as a reference to this file. Once for each slab. */
  fileBatch(at: number, file: MessageFile): void {
    this.#batch = { at, size: this.end - at, file };
  }

  /** Hands out what was not sent yet, as slices that stay as they are until settled. */
  takeFrom(queue: { push(part: Uint8Array): void }): void {
    const { bytes, sent, end } = this;
    this.sent = end;
    const batch = this.#batch;
    if (batch === undefined || batch.at < sent) return queue.push(bytes.subarray(sent, end));
    const { at, size, file } = batch;
    if (at > sent) queue.push(bytes.subarray(sent, at));
    const { number, size: dataSize } = file;
    queue.push(referenceFrame(bytes, at, size, { number, size: dataSize, count: messageCount(bytes, at) }));
    if (at + size < end) queue.push(bytes.subarray(at + size, end));
  }

  /** Everything unsettled is to be sent again, marked as such; with its data in it, where a file was removed with the folder of the bus. */
  rewind(): void {
    this.#fillIn();
    for (let at = this.start; at < this.sent; at += frameSize(this.bytes, at, this.end)) {
      writeU16(this.bytes, at + At.flags, readFlags(this.bytes, at) | Flag.resent);
    }
    this.sent = this.start;
    this.#isRewound = true;
  }

  /** Frees what is settled of it; returns how many bytes that were. */
  settle(upTo: number): number {
    const from = this.start;
    while (this.#lastSequence(this.start) <= upTo) this.start += frameSize(this.bytes, this.start, this.end);
    return this.start - from;
  }

  /** Nobody needs its files any more. */
  dispose(): void {
    this.#file?.remove();
    this.#batch?.file.remove();
  }

  /** Its publisher leaves: its files are for those who have still to read them, which is nobody where they were never sent. */
  leave(): void {
    leaveFile(this.#file, this.#isRewound || this.sent > 0);
    leaveFile(this.#batch?.file, this.#isRewound || this.sent > (this.#batch?.at ?? 0));
  }

  #lastSequence(at: number): number {
    return readU64(this.bytes, at + At.sequence) + messageCount(this.bytes, at) - 1;
  }

  #fillIn(): void {
    if (this.#batch?.file.isInPlace() === false) {
      this.#batch.file.remove();
      this.#batch = undefined;
    }
    const file = this.#file;
    if (file === undefined || file.isInPlace()) return;
    const whole = wholeFrame(this.bytes, 0, this.bytes.length, file);
    if (!file.read(whole.subarray(whole.length - file.size))) return;
    file.remove();
    this.#file = undefined;
    this.sent = this.sent === 0 ? 0 : whole.length;
    this.end = whole.length;
    this.bytes = whole;
  }
}

function leaveFile(file: MessageFile | undefined, wasSent: boolean): void {
  if (wasSent) file?.leave();
  else file?.remove();
}
