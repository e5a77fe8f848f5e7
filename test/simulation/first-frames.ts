// Looks at the frames of a stream up to the first of one kind, and at none behind it.

const KIND_AT = 8;

export class FirstFrames {
  readonly #kind: number;
  readonly #found: (frame: Buffer, size: number) => void;
  #bytes: Buffer | undefined = Buffer.alloc(0);

  constructor(kind: number, found: (frame: Buffer, size: number) => void) {
    this.#kind = kind;
    this.#found = found;
  }

  take(chunk: Buffer): void {
    if (this.#bytes === undefined) return;
    let bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const size = bytes.length > KIND_AT ? 7 + bytes.readUInt32BE(3) : Number.POSITIVE_INFINITY;
      if (bytes.length < size) break;
      if (bytes[KIND_AT] === this.#kind) {
        this.#bytes = undefined;
        return this.#found(bytes, size);
      }
      bytes = bytes.subarray(size);
    }
    this.#bytes = bytes;
  }
}
