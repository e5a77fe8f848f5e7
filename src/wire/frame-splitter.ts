// Cuts a stream of chunks into whole frames. It copies only a frame that crosses chunks, and leaves the walk
// over the whole ones to its sink, which has to look at every header anyway.
import { At, FrameFault, frameSize, PREFIX_BYTES, readU16 } from './frame.js';

/**
 * Takes frames from `bytes`, beginning at `start`, and returns where the first one that is not whole begins
 * (`end` when all are).
 */
export type FrameSink = (bytes: Buffer, start: number, end: number) => number;

/** The map of a frame without options or headers. */
const NO_OPTIONS_BYTES = 2;
/** The head of a byte string of 64 KiB or more. */
const LONG_STRING_HEAD_BYTES = 5;

/** A read of less costs more than the copy that it saves; guess. */
const SHORTEST_PLACE_BYTES = 32 * 1024;

/** Gives at least so many bytes to assemble a frame in. */
export type FrameMemory = (bytes: number) => Buffer;

// not from the shared pool: the frame may wait in a slot, and would pin a page of strangers
const ownMemory: FrameMemory = (bytes) => Buffer.allocUnsafeSlow(bytes);

export class FrameSplitter {
  readonly #sink: FrameSink;
  readonly #takeMemory: FrameMemory;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  /** The frame that crosses chunks, once its size is known. */
  #frame: Buffer | undefined;
  /** What it lies in. */
  #memory: Buffer | undefined;
  /** How many of its bytes are here, in #frame or, before that, in #prefix. */
  #held = 0;

  /** @param memory asked for every frame that crosses chunks. @default new memory for each */
  constructor(sink: FrameSink, memory: FrameMemory = ownMemory) {
    this.#sink = sink;
    this.#takeMemory = memory;
  }

  /** Whether the stream is between two frames. */
  get atBoundary(): boolean {
    return this.#held === 0;
  }

  /** Where the rest of the frame that crosses chunks belongs, if that is much; bytes read into it are not copied. */
  get place(): Buffer | undefined {
    const frame = this.#frame;
    return frame !== undefined && frame.length - this.#held >= SHORTEST_PLACE_BYTES
      ? frame.subarray(this.#held)
      : undefined;
  }

  /**
   * @returns the memory of the frame that ended in this chunk, if one crossed into it: the splitter has done with
   * it, and it is free when whatever the sink made of the frame is
   * @throws FrameFault when the bytes cannot be frames, and whatever the sink throws
   */
  push(chunk: Buffer): Buffer | undefined {
    const memory = this.#memory;
    const start = this.#held === 0 ? 0 : this.#continueFrame(chunk);
    const ended = this.#memory === undefined ? memory : undefined;
    if (start === chunk.length) return ended;
    const stop = this.#sink(chunk, start, chunk.length);
    if (stop < chunk.length) this.#hold(chunk, stop);
    return ended;
  }

  #hold(chunk: Buffer, from: number): void {
    const size = frameSize(chunk, from, chunk.length);
    if (size === 0) chunk.copy(this.#prefix, 0, from);
    else this.#beginFrame(size, alignment(chunk, from)).set(chunk.subarray(from));
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
      this.#beginFrame(size, 0).set(this.#prefix);
    }
    const frame = this.#frame as Buffer | undefined;
    if (frame === undefined) return used;
    const isInPlace = chunk.buffer === frame.buffer && chunk.byteOffset === frame.byteOffset + this.#held;
    const copied = isInPlace ? chunk.length : chunk.copy(frame, this.#held, used);
    this.#held += copied;
    if (this.#held === frame.length) this.#endFrame(frame);
    return used + copied;
  }

  #beginFrame(size: number, offset: number): Buffer {
    this.#memory = this.#takeMemory(size + offset);
    this.#frame = this.#memory.subarray(offset, offset + size);
    return this.#frame;
  }

  #endFrame(frame: Buffer): void {
    this.#frame = undefined;
    this.#memory = undefined;
    this.#held = 0;
    if (this.#sink(frame, 0, frame.length) !== frame.length) {
      throw new FrameFault('a frame did not end where its length field says');
    }
  }
}

/** How far from a multiple of 8 the frame has to begin for the content of a long byte string to lie on one. */
function alignment(bytes: Buffer, at: number): number {
  if (bytes.length - at < At.subject) return 0;
  const content =
    At.subject + readU16(bytes, at + At.subjectLength) + NO_OPTIONS_BYTES + LONG_STRING_HEAD_BYTES;
  return -content & 7;
}
