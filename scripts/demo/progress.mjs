// Shows how far the slowest consumer is: one line that redraws itself on a terminal, else a line per quarter.
export class Progress {
  #stream;
  #totalBytes;
  #seen = new Map();
  #shown = 0;

  constructor(stream, totalBytes) {
    this.#stream = stream;
    this.#totalBytes = totalBytes;
  }

  note(text) {
    this.#stream.write(`demo: ${text}\n`);
  }

  /** `name` has seen `bytes`; `expected` is how many consumers there are. */
  update(name, bytes, expected) {
    this.#seen.set(name, bytes);
    if (this.#seen.size < expected) return;
    const percent = Math.floor((100 * Math.min(...this.#seen.values())) / this.#totalBytes);
    const step = this.#stream.isTTY ? 1 : 25;
    if (percent < this.#shown + step) return;
    this.#shown = percent - (percent % step);
    this.#stream.write(this.#stream.isTTY ? `\r${bar(percent)} ${percent} %` : `demo: ${this.#shown} %\n`);
  }

  /** Removes the line from a terminal. */
  end() {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}

function bar(percent) {
  const width = 40;
  const full = Math.round((percent / 100) * width);
  return `[${'#'.repeat(full)}${'.'.repeat(width - full)}]`;
}
