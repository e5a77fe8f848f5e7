// Large buffers of any size that are kept for reuse: memory that was written a moment ago is in the caches and has
// its pages, new memory has neither. It does not know whether anything still refers to what it is given.

/** Smaller ones are not worth a search: the allocator has them at hand. */
const SMALLEST_KEPT_BYTES = 32 * 1024;
/** Sizes are rounded up to a power of two and this: a frame is round data behind a head of at most 5 KiB. */
const HEAD_ROOM_BYTES = 8 * 1024;

export class SpareBuffers {
  readonly #capacityBytes: number;
  /** The one that was used last comes last. */
  readonly #spare: Buffer[] = [];
  #spareBytes = 0;

  /** @param capacityBytes what all that is kept may sum up to */
  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  /** A buffer of at least `size` bytes with arbitrary content. */
  take(size: number): Buffer {
    if (size < SMALLEST_KEPT_BYTES) return Buffer.allocUnsafe(size);
    const rounded = roundUp(size);
    let index = this.#spare.length - 1;
    while (index >= 0 && this.#spare[index]!.length !== rounded) index -= 1;
    if (index === -1) return Buffer.allocUnsafeSlow(rounded <= this.#capacityBytes ? rounded : size);
    const [buffer] = this.#spare.splice(index, 1) as [Buffer];
    this.#spareBytes -= rounded;
    return buffer;
  }

  /** Keeps a buffer that {@link take} gave, and drops those that were of no use for longest if need be. */
  keep(buffer: Buffer): void {
    if (buffer.length < SMALLEST_KEPT_BYTES || buffer.length > this.#capacityBytes) return;
    this.#spare.push(buffer);
    this.#spareBytes += buffer.length;
    while (this.#spareBytes > this.#capacityBytes) this.#spareBytes -= this.#spare.shift()!.length;
  }
}

function roundUp(size: number): number {
  const body = Math.max(size - HEAD_ROOM_BYTES, SMALLEST_KEPT_BYTES);
  return 2 ** Math.ceil(Math.log2(body)) + HEAD_ROOM_BYTES;
}
