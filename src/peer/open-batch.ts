// The frame that was written last, for as long as it is not sent: a further message on its subject joins it, which
// saves a header on the wire and in the host. The first message is an ordinary frame; the second makes it a batch.
import { batchItemSize, writeBatchHead, writeItemStart } from '../wire/batch.js';
import { copyInto } from '../wire/byte-copies.js';
import { At, BATCH_HEAD_BYTES, Flag, PREFIX_BYTES, writeU32 } from '../wire/frame.js';
import { byteStringHeadSize, writeByteStringHead } from '../wire/values.js';

export class OpenBatch {
  #subject = '';
  /** Where the frame begins. */
  at = 0;
  /** …and its data. */
  dataAt = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #count = 0;
  #end = 0;
  #longest = 0;

  /**
   * @param dataAt where the data of the frame from `at` to `end` begins
   * @param longest longer data is not for a batch
   */
  open(
    subject: string,
    bytes: Uint8Array,
    frame: { at: number; dataAt: number; end: number },
    longest: number,
  ): void {
    const { at, dataAt, end } = frame;
    if (end - dataAt > longest) return;
    this.#longest = longest;
    this.#subject = subject;
    this.#bytes = bytes;
    this.at = at;
    this.dataAt = dataAt;
    this.#count = 1;
    this.#end = end;
  }

  /** Whether a message on this subject may join. */
  isOpenFor(subject: string): boolean {
    return this.#count > 0 && this.#subject === subject;
  }

  /** How many bytes more the frame has with this message in it; 0 when that is too long to join. */
  costOf(body: Uint8Array, isBytes: boolean): number {
    const data = body.length + (isBytes ? byteStringHeadSize(body.length) : 0);
    if (data > this.#longest) return 0;
    const cost = batchItemSize(data);
    if (this.#count > 1) return cost;
    const first = this.#end - this.dataAt;
    return cost + BATCH_HEAD_BYTES + batchItemSize(first) - first;
  }

  /** Adds a message, for which there must be room; returns where the frame ends now. */
  add(body: Uint8Array, isBytes: boolean): number {
    if (this.#count === 1) this.#becomeBatch();
    const bytes = this.#bytes;
    const { length } = body;
    const data = isBytes ? length + byteStringHeadSize(length) : length;
    let at = writeItemStart(bytes, this.#end, data);
    if (isBytes) at = writeByteStringHead(bytes, at, length);
    this.#count += 1;
    this.#end = copyInto(bytes, at, body);
    return this.#end;
  }

  /** Nothing joins any more: the frame's length and count are written, and it may be sent. Returns its bytes, if it is a batch. */
  close(): number {
    const size = this.#count > 1 ? this.#end - this.at : 0;
    if (size > 0) {
      writeU32(this.#bytes, this.at + At.length, size - PREFIX_BYTES);
      writeBatchHead(this.#bytes, this.dataAt, this.#count);
    }
    this.#count = 0;
    return size;
  }

  /** Makes room in front of the first message's data, and flags the frame. */
  #becomeBatch(): void {
    const bytes = this.#bytes;
    const start = this.dataAt;
    const length = this.#end - start;
    const moved = start + BATCH_HEAD_BYTES + batchItemSize(length) - length;
    bytes.copyWithin(moved, start, this.#end);
    writeItemStart(bytes, start + BATCH_HEAD_BYTES, length);
    bytes[this.at + At.flags]! |= Flag.batch >>> 8;
    this.#end = moved + length;
  }
}
