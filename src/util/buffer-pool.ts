// Read buffers of one size that are lent out and come back. It trusts nobody: what was not lent, or has come
// back already, is ignored. What never comes back is left to the garbage collector.
export class BufferPool {
  readonly #bytes: number;
  readonly #capacity: number;
  readonly #free: Buffer[] = [];
  // Keyed by the lent view, not by its memory: a late second return must not free what is lent anew.
  readonly #lent = new WeakSet<Buffer>();

  constructor(bytes: number, capacity: number) {
    this.#bytes = bytes;
    this.#capacity = capacity;
  }

  /** A buffer with arbitrary content. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** The first `length` bytes of `buffer`, as a view whose return gives the whole buffer back. */
  lend(buffer: Buffer, length: number): Buffer {
    const view = buffer.subarray(0, length);
    this.#lent.add(view);
    return view;
  }

  giveBack(view: Buffer): void {
    if (!this.#lent.delete(view) || this.#free.length >= this.#capacity) return;
    this.#free.push(Buffer.from(view.buffer, 0, this.#bytes));
  }
}
