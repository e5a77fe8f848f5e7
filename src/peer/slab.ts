// A piece of the outbox's memory: frames one behind the other, of which the first may be settled already. The data of one
// of them may be in a file: then the frame is a reference to it, or a batch that leaves as one.
//
//   [ settled | unsettled, sent | unsettled, not sent |   ]
//             └ start           └ sent                └ end
import type { MessageFile } from '../transport/message-files.js';
import { referenceFrame, wholeFrame, wholeSize } from '../wire/file-reference.js';
import { At, Flag, frameSize, messageCount, readFlags, readU64, writeU16 } from '../wire/frame.js';

/** The last frame of a slab, whose data is in a file. */
interface FiledFrame {
  readonly at: number;
  readonly file: MessageFile;
  /** The data is here, too. */
  readonly isBatch: boolean;
  /** Somebody may have the reference. */
  wasSent: boolean;
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
  #filed: FiledFrame | undefined;

  /** @param file where the data is of the only frame that is in `bytes`, a reference */
  constructor(bytes: Buffer, file?: MessageFile) {
    this.bytes = bytes;
    if (file === undefined) return;
    this.#filed = { at: 0, file, isBatch: false, wasSent: false };
    this.end = bytes.length;
  }

  /** Whether all that is in it is a reference. */
  get isReference(): boolean {
    return this.#filed?.isBatch === false;
  }

  /** Whether its memory may be used again when it is settled. */
  get isReusable(): boolean {
    return !this.#isRewound && !this.isReference;
  }

  /** Bytes of the window that what is unsettled in it takes: those of the messages, wherever they are. */
  get heldBytes(): number {
    return this.isReference ? wholeSize(this.end, this.#filed!.file) : this.end - this.start;
  }

  /** The first message that is not settled. */
  get first(): number {
    return readU64(this.bytes, this.start + At.sequence);
  }

  /** The batch at `at`, the last frame and not sent yet, leaves as a reference to this file. Nothing is written behind it. */
  fileBatch(at: number, file: MessageFile): void {
    this.#filed = { at, file, isBatch: true, wasSent: false };
  }

  /** Hands out what was not sent yet, as slices that stay as they are until settled. */
  takeFrom(queue: { push(part: Uint8Array): void }): void {
    const { bytes, sent, end } = this;
    this.sent = end;
    const filed = this.#filed;
    if (filed !== undefined) filed.wasSent = true;
    if (!filed?.isBatch) return queue.push(bytes.subarray(sent, end));
    const { at, file } = filed;
    if (at > sent) queue.push(bytes.subarray(sent, at));
    const reference = { number: file.number, size: file.size, count: messageCount(bytes, at) };
    queue.push(referenceFrame(bytes, at, end - at, reference));
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

  /** Nobody needs its file any more. */
  dispose(): void {
    this.#filed?.file.remove();
  }

  /** Its publisher leaves: its file is for those who have still to read it, which is nobody where it was never sent. */
  leave(): void {
    if (this.#filed?.wasSent) this.#filed.file.leave();
    else this.dispose();
  }

  #lastSequence(at: number): number {
    return readU64(this.bytes, at + At.sequence) + messageCount(this.bytes, at) - 1;
  }

  #fillIn(): void {
    const filed = this.#filed;
    if (filed === undefined || filed.file.isInPlace()) return;
    const { file, isBatch } = filed;
    if (!isBatch) {
      const whole = wholeFrame(this.bytes, 0, this.bytes.length, file);
      if (!file.read(whole.subarray(whole.length - file.size))) return;
      this.sent = this.sent === 0 ? 0 : whole.length;
      this.end = whole.length;
      this.bytes = whole;
    }
    file.remove();
    this.#filed = undefined;
  }
}
