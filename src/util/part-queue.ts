// Collects byte parts for one write. Many short parts are joined into one buffer, because an entry of a vector
// write costs more than copying a short part.

/** Parts whose average is below this are joined; measured break-even of writev against one copy is near 1 KiB. */
const JOIN_BELOW_BYTES = 1_024;

export class PartQueue {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  /** Takes everything, in order. */
  take(): Uint8Array[] {
    const parts = this.#parts;
    const joined = parts.length > 1 && this.#bytes < parts.length * JOIN_BELOW_BYTES;
    this.#parts = [];
    this.#bytes = 0;
    return joined ? [Buffer.concat(parts)] : parts;
  }
}
