// Puts the file together again from the messages of a slot, without keeping it: a count, a hash and a time.
import { createHash } from 'node:crypto';

// Lines may be told from the end by this header of the last message.
export const endHeader = 'end';

export class Rebuild {
  #hash = createHash('sha256');
  #messages = 0;
  #bytes = 0;
  #begin;

  /** Takes lines from the slot, which yields gaps as well, until the last message; calls `onLine` with each line and the bytes so far. */
  async readAll(slot, onLine) {
    for await (const message of slot) {
      if ('gap' in message)
        throw new Error(`${message.gap.missed ?? 'an unknown number of'} lines are missing`);
      this.#begin ??= performance.now();
      if (endHeader in message.headers) return this.#finish();
      this.#messages++;
      this.#bytes += message.data.length;
      this.#hash.update(message.data);
      onLine(message.data, this.#bytes);
    }
    throw new Error('the slot was closed before the last line');
  }

  #finish() {
    const seconds = (performance.now() - this.#begin) / 1000;
    return { messages: this.#messages, bytes: this.#bytes, seconds, sha256: this.#hash.digest('hex') };
  }
}
