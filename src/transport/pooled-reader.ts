// How a socket reads: into buffers that are used again, instead of one new buffer for each read. Memory that was
// never touched costs a page fault per 4 KiB, which is most of the price of a large read (docs/PERFORMANCE.md).
//
// A quiet socket reads into the scratch buffer that all sockets of a thread share, and what came is copied out of
// it. One that fills it gets large buffers of its own, lent to the reader of the chunk until they are recycled,
// and gives them up again after some small reads.
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

export class PooledReader {
  #own: Buffer | undefined;
  #smallReads = 0;
  readonly #take: (chunk: Buffer) => void;

  constructor(take: (chunk: Buffer) => void) {
    this.#take = take;
  }

  /** As `net.connect` and `new net.Socket` take it. */
  readonly onread = {
    // asked for before every read, and not again before that read is done
    buffer: (): Buffer => this.#own ?? scratch,
    callback: (length: number): boolean => {
      this.#take(this.#chunk(length));
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
