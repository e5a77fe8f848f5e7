// Cuts a stream of chunks into whole frames. It copies only a frame that crosses chunks, and leaves the walk
// over the whole ones to its sink, which has to look at every header anyway.
import { FrameFault, frameSize, PREFIX_BYTES } from './frame.js';

/**
 * Takes frames from `bytes`, beginning at `start`, and returns where the first one that is not whole begins
 * (`end` when all are).
 */
export type FrameSink = (bytes: Buffer, start: number, end: number) => number;

export class FrameSplitter {
  readonly #sink: FrameSink;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  /** The frame that crosses chunks, once its size is known. */
  #frame: Buffer | undefined;
  /** How many of its bytes are here, in #frame or, before that, in #prefix. */
  #held = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether the stream is between two frames. */
  get atBoundary(): boolean {
    return this.#held === 0;
  }

  /** @throws FrameFault when the bytes cannot be frames, and whatever the sink throws */
  push(chunk: Buffer): void {
    const start = this.#held === 0 ? 0 : this.#continueFrame(chunk);
    if (start === chunk.length) return;
    const stop = this.#sink(chunk, start, chunk.length);
    if (stop < chunk.length) this.#hold(chunk, stop);
  }

  #hold(chunk: Buffer, from: number): void {
    const size = frameSize(chunk, from, chunk.length);
    if (size === 0) chunk.copy(this.#prefix, 0, from);
    else this.#beginFrame(size).set(chunk.subarray(from));
    this.#held = chunk.length - from;
  }

  /** Adds what is missing to the held frame; returns how much of the chunk that took. */
  #continueFrame(chunk: Buffer): number {
    let used = 0;
    if (this.#frame === undefined) {
      used = chunk.copy(this.#prefix, this.#held, 0, PREFIX_BYTES - this.#held);
      this.#held += used;
      const size = frameSize(this.#prefix, 0, this.#held);
      if (size === 0) return used;
      this.#beginFrame(size).set(this.#prefix);
    }
    const frame = this.#frame as Buffer | undefined;
    if (frame === undefined) return used;
    const copied = chunk.copy(frame, this.#held, used);
    this.#held += copied;
    if (this.#held === frame.length) this.#endFrame(frame);
    return used + copied;
  }

  #beginFrame(size: number): Buffer {
    // not from the shared pool: the frame may wait in a slot, and would pin a page of strangers
    this.#frame = Buffer.allocUnsafeSlow(size);
    return this.#frame;
  }

  #endFrame(frame: Buffer): void {
    this.#frame = undefined;
    this.#held = 0;
    if (this.#sink(frame, 0, frame.length) !== frame.length) {
      throw new FrameFault('a frame did not end where its length field says');
    }
  }
}
