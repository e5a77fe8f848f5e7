// Walks over the whole frames of a piece of memory, checking each one. What makes it fast is that frames come in
// runs: a frame whose kind, flags, sender, subject and lack of options are those of the frame before it has been
// checked already, and `alike` says so, which spares its user the same look-ups as well.
import { MAX_FRAME_BYTES } from '../limits.js';
import {
  At,
  checkBatch,
  checkFrame,
  countOffset,
  Flag,
  FrameFault,
  frameSize,
  MIN_FRAME_BYTES,
  PREFIX_BYTES,
} from './frame.js';

const TWO_32 = 0x1_0000_0000;
const PREFIX = 0xd8185a;

/** The number whose halves were read as 32-bit integers. */
export function joinHalves(high: number, low: number): number {
  return (high >>> 0) * TWO_32 + (low >>> 0);
}

export class FrameWalker {
  bytes: Buffer = Buffer.alloc(0);
  /** Where the present frame begins. */
  at = 0;
  /** Its bytes; 0 before the first call of {@link next}. */
  size = 0;
  kind = 0;
  flags = 0;
  subjectLength = 0;
  /** Whether the frame before had the same kind, flags, sender and subject, and neither has options. */
  alike = false;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #end = 0;
  #hasOptions = true;

  /** Starts over with the frames from `start` to `end`. */
  begin(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#end = end;
    this.at = start;
    this.size = 0;
    this.alike = false;
    this.#hasOptions = true;
  }

  /**
   * Goes to the next frame; false when it is not whole, and {@link at} is then where it begins.
   * @throws FrameFault
   */
  next(): boolean {
    const previous = this.at;
    const at = previous + this.size;
    const room = this.#end - at;
    this.at = at;
    if (room < MIN_FRAME_BYTES) return this.#nextSmall(room);
    const view = this.#view;
    const size = view.getUint32(at + At.length) + PREFIX_BYTES;
    if (view.getUint32(at) >>> 8 !== PREFIX || size < MIN_FRAME_BYTES || size > MAX_FRAME_BYTES) {
      // it says what is wrong
      frameSize(this.bytes, at, this.#end);
    }
    if (size > room) return this.#stop();
    this.alike = !this.#hasOptions && this.#isLike(at, previous, size);
    this.size = size;
    if (!this.alike) this.#read(at, size);
    else if (this.flags & Flag.batch) checkBatch(this.bytes, at, size);
    return true;
  }

  /** The next frame shall not count as {@link alike}. */
  forget(): void {
    this.#hasOptions = true;
  }

  get sequence(): number {
    const at = this.at + At.sequence;
    const high = this.#view.getUint32(at);
    const low = this.#view.getUint32(at + 4);
    // a small integer as long as it can be one: a double would be an object of its own
    return high === 0 ? low : high * TWO_32 + low;
  }

  /** How many messages the frame holds; their sequences and orders follow on one another. */
  get count(): number {
    const { flags } = this;
    if (!(flags & Flag.batch)) return 1;
    // behind the subject: the options map, which is empty, and the array
    return this.#view.getUint32(this.at + At.subject + this.subjectLength + 2 + countOffset(flags));
  }

  /** The halves of the order, as 32-bit integers that {@link joinHalves} puts together. */
  get orderHigh(): number {
    return this.#view.getInt32(this.at + At.order);
  }

  get orderLow(): number {
    return this.#view.getInt32(this.at + At.order + 4);
  }

  /** The halves of the time, likewise. */
  get timeHigh(): number {
    return this.#view.getInt32(this.at + At.time);
  }

  get timeLow(): number {
    return this.#view.getInt32(this.at + At.time + 4);
  }

  /** Stamps the order into the frame. */
  stampOrder(order: number): void {
    const at = this.at + At.order;
    const low = order >>> 0;
    this.#view.setUint32(at, (order - low) / TWO_32);
    this.#view.setUint32(at + 4, low);
  }

  /** Whether the frame has flagged options or headers. */
  get hasOptions(): boolean {
    return this.#hasOptions;
  }

  #nextSmall(room: number): boolean {
    const size = frameSize(this.bytes, this.at, this.#end);
    if (size > 0 && size <= room) throw new FrameFault(`a frame of ${size} bytes is too small to be one`);
    return this.#stop();
  }

  #stop(): false {
    this.size = 0;
    return false;
  }

  #read(at: number, size: number): void {
    const { bytes } = this;
    checkFrame(bytes, at, size);
    this.kind = bytes[at + At.kind]!;
    this.flags = this.#view.getUint16(at + At.flags);
    this.subjectLength = this.#view.getUint16(at + At.subjectLength);
    this.#hasOptions = bytes[at + At.subject + this.subjectLength + 1] !== 0;
  }

  /** Compares everything but length, sequence, order, time and data; words overlap where that saves a byte loop. */
  #isLike(at: number, other: number, size: number): boolean {
    const view = this.#view;
    const { bytes, subjectLength } = this;
    if (
      size < At.subject + subjectLength + 3 ||
      view.getInt32(at + 7) !== view.getInt32(other + 7) ||
      view.getInt32(at + 11) !== view.getInt32(other + 11) ||
      view.getInt32(at + 15) !== view.getInt32(other + 15) ||
      view.getInt32(at + 18) !== view.getInt32(other + 18) ||
      view.getInt32(at + 48) !== view.getInt32(other + 48) ||
      bytes[at + 30] !== 0x1b ||
      bytes[at + 39] !== 0x1b
    ) {
      return false;
    }
    const options = At.subject + subjectLength;
    if (view.getUint16(at + options) !== view.getUint16(other + options)) return false;
    // bytes 48 to 51 were compared: from the second letter of the subject on
    for (let offset = At.subject + 1; offset < options; offset += 4) {
      // the last word may reach into the options and the data's first byte, which need not be equal
      if (offset + 4 > options) return this.#sameBytes(at, other, offset, options);
      if (view.getInt32(at + offset) !== view.getInt32(other + offset)) return false;
    }
    return true;
  }

  #sameBytes(at: number, other: number, from: number, to: number): boolean {
    const { bytes } = this;
    for (let offset = from; offset < to; offset += 1) {
      if (bytes[at + offset] !== bytes[other + offset]) return false;
    }
    return true;
  }
}
