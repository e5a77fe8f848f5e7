// How a socket reads: into buffers that are used again, instead of one new buffer for each read. Memory that was
// never touched costs a page fault per 4 KiB, which is most of the price of a large read (docs/PERFORMANCE.md).
//
// A quiet socket reads into the scratch buffer that all sockets of a thread share, and what came is copied out of
// it. One that fills it gets large buffers of its own, lent to the reader of the chunk until they are recycled,
// and gives them up again after some small reads. What has a place already, because the reader knows which frame it
// belongs to, is read into that.
import {
  READ_BUFFER_BYTES,
  READ_POOL_BUFFERS,
  SCRATCH_BYTES,
  SMALL_READ_BYTES,
  SMALL_READS,
} from '../limits.js';
import { BufferPool } from '../util/buffer-pool.js';

const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
const pool = new BufferPool(READ_BUFFER_BYTES, READ_POOL_BUFFERS);

/** Who gets what was read, and may say where it belongs. */
export interface ReaderOwner {
  data(chunk: Buffer): void;
  place(): Buffer | undefined;
}

export class PooledReader {
  #own: Buffer | undefined;
  #smallReads = 0;
  readonly #owner: ReaderOwner;
  /** What is read into instead, for one read. */
  #place: Buffer | undefined;

  constructor(owner: ReaderOwner) {
    this.#owner = owner;
  }

  /** As `net.connect` and `new net.Socket` take it. */
  readonly onread = {
    // asked for before every read, and not again before that read is done
    buffer: (): Buffer => {
      this.#place = this.#owner.place();
      return this.#place ?? this.#own ?? scratch;
    },
    callback: (length: number): boolean => {
      this.#owner.data(this.#place?.subarray(0, length) ?? this.#chunk(length));
      return true;
    },
  };

  /** Gives a chunk's memory back; one that was copied, or has come back already, is ignored. */
  recycle(chunk: Buffer): void {
    pool.giveBack(chunk);
  }

  #chunk(length: number): Buffer {
    const own = this.#own;
    if (own === undefined) {
      if (length === scratch.length) this.#own = pool.take();
      return Buffer.from(scratch.subarray(0, length));
    }
    if (length <= SMALL_READ_BYTES) return this.#copySmall(own, length);
    this.#smallReads = 0;
    this.#own = pool.take();
    return pool.lend(own, length);
  }

  #copySmall(own: Buffer, length: number): Buffer {
    const copy = Buffer.from(own.subarray(0, length));
    this.#smallReads += 1;
    if (this.#smallReads < SMALL_READS) return copy;
    this.#smallReads = 0;
    this.#own = undefined;
    pool.giveBack(pool.lend(own, length));
    return copy;
  }
}
