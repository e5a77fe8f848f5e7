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
  #bytes = 0;
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
    this.#bytes = 0;
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

  // Reads the number of every message that begins in the chunk, where it lies: the least that a receiver has to do to
  // know that nothing is lost or out of order.
  noteChunk(chunk) {
    const before = this.#bytes;
    const size = this.#size;
    const last = chunk.length - STAMP_BYTES;
    let at = (size - (before % size)) % size;
    for (let expected = (before + at) / size; at <= last; at += size, expected++) {
      if (readStamp(chunk, at) !== expected) this.#break(expected);
    }
    this.#bytes = before + chunk.length;
    this.#received = Math.floor(this.#bytes / size);
    while (this.#keepsTimes && this.#times.length < this.#received) this.#times.push(machineTime());
    if (this.#bytes === this.#target * size) this.#end();
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
