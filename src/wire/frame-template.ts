// A frame's head that is written once and copied for all frames alike. What differs between them the caller writes
// into the copy: sequence, time, ttl, to, ref.
import { At, type FrameFields, headSize, PREFIX_BYTES, writeHead, writeU32 } from './frame.js';

export class FrameTemplate {
  readonly #head: Buffer;

  constructor(fields: Omit<FrameFields, 'data'>) {
    this.#head = Buffer.allocUnsafeSlow(headSize(fields));
    writeHead(this.#head, 0, this.#head.length, fields);
  }

  /** Bytes in front of the data. */
  get size(): number {
    return this.#head.length;
  }

  /** A frame of its own with a copy of `data`, which is one CBOR item. */
  frame(data: Uint8Array): Buffer {
    const head = this.#head;
    const frame = Buffer.allocUnsafe(head.length + data.length);
    frame.set(head);
    frame.set(data, head.length);
    writeU32(frame, At.length, frame.length - PREFIX_BYTES);
    return frame;
  }
}
