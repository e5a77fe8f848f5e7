// The bytes that the bench sends: a 4-byte running number, then filler. Both ends use it, so that loss, doubling
// and disorder show as a wrong number. It knows nothing of how bytes travel.

/** Bytes of the running number at the start of every message; no message is shorter. */
export const STAMP_BYTES = 4;

export function makePayload(size) {
  return Buffer.alloc(size, 0x2e);
}

export function stamp(bytes, at, number) {
  bytes[at] = number;
  bytes[at + 1] = number >>> 8;
  bytes[at + 2] = number >>> 16;
  bytes[at + 3] = number >>> 24;
}

export function readStamp(bytes, at) {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** Milliseconds on the machine's monotonic clock, which is one for all its processes. */
export function machineTime() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * What one receiver has seen in one run. Messages are either noted whole (`noteMessage`) or, where
 * the system hands out a byte stream, chunk by chunk (`noteChunk`).
 */
export class Tally {
  #size;
  #received = 0;
  #target = 0;
  #partial = Buffer.alloc(0);
  #carried = 0;
  #endedAt;
  #brokenAt;
  #times = [];
  #finish = () => {};
  #keepsTimes;
  #about;

  /**
   * @param {{ keepsTimes?: boolean, about?: () => string }} options whether `noteChunk` keeps times as `noteTime` does,
   * default false; and what else to say about the link when a run never finishes
   */
  constructor({ keepsTimes = false, about = () => '' } = {}) {
    this.#keepsTimes = keepsTimes;
    this.#about = about;
  }

  /** Expects `count` messages of `size` bytes, numbered from 0; call it before the publisher starts. */
  arm(count, size) {
    this.#size = size;
    this.#target = count;
    this.#received = 0;
    this.#carried = 0;
    this.#endedAt = undefined;
    this.#times = [];
  }

  /**
   * Resolves when all expected messages are here, with the machine time of the last one, or at the first message
   * that is not the one expected (`brokenAt`, counted from 0).
   */
  async finished() {
    if (this.#endedAt === undefined) await new Promise((resolve) => (this.#finish = resolve));
    return { endedAt: this.#endedAt, brokenAt: this.#brokenAt };
  }

  /** How many messages are here by now; for the report about a run that never finished. */
  received() {
    return `${this.#received}${this.#about()}`;
  }

  noteMessage(data) {
    if (data.length !== this.#size || readStamp(data, 0) !== this.#received) this.#break(this.#received);
    this.#received += 1;
    if (this.#received === this.#target) this.#end();
  }

  /** The same, and keeps the machine time. */
  noteTime(data) {
    this.#times.push(machineTime());
    this.noteMessage(data);
  }

  /** The machine times of the messages of the last run, in order. */
  times() {
    return this.#times;
  }

  noteObject({ id, subject }) {
    if (id !== this.#received || typeof subject !== 'string') this.#break(this.#received);
    this.#received += 1;
    if (this.#received === this.#target) this.#end();
  }

  // Cuts the stream into messages and hands on each as bytes of its own, without copying: what the simplest program
  // on a byte stream would do, and the least that every other system does for its receiver.
  noteChunk(chunk) {
    let at = this.#finishCarried(chunk);
    for (; at + this.#size <= chunk.length; at += this.#size) this.#note(chunk.subarray(at, at + this.#size));
    if (at < chunk.length) this.#carry(chunk, at);
  }

  /** Ends the message that the last chunk began, if any; returns where the next one begins. */
  #finishCarried(chunk) {
    if (this.#carried === 0) return 0;
    const end = this.#size - this.#carried;
    this.#carry(chunk, 0, end);
    if (this.#carried < this.#size) return chunk.length;
    this.#carried = 0;
    this.#note(this.#partial);
    return end;
  }

  #carry(chunk, from, end = chunk.length) {
    if (this.#partial.length !== this.#size) this.#partial = Buffer.allocUnsafeSlow(this.#size);
    this.#carried += chunk.copy(this.#partial, this.#carried, from, end);
  }

  #note(data) {
    if (this.#keepsTimes) this.noteTime(data);
    else this.noteMessage(data);
  }

  #break(number) {
    this.#brokenAt ??= number;
    this.#end();
  }

  #end() {
    this.#endedAt = machineTime();
    this.#finish();
  }
}
