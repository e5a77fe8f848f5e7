// Messages whose data lies in a file: read when they come, so that from there on they are like all others.
import { SPARE_BATCH_BYTES } from '../limits.js';
import { type MessageFiles, readWholeFrame } from '../transport/message-files.js';
import { SpareBuffers } from '../util/spare-buffers.js';
import { readFileReference, wholeSize } from '../wire/file-reference.js';
import { Flag } from '../wire/frame.js';
import { FrameWalker } from '../wire/frame-walker.js';
import { ChunkHold } from './chunk-hold.js';
import { tooLong } from './message-fault.js';

/** A frame with the data of its file. */
export interface WholeFrame {
  readonly walker: FrameWalker;
  /** Of its memory. */
  readonly hold: ChunkHold;
}

export class FileMessages {
  readonly #files: MessageFiles | undefined;
  readonly #maxMessageBytes: number;

  /** For batches; the data of a large message is the only one in its memory, and stays with whoever reads it. */
  readonly #spare = new SpareBuffers(SPARE_BATCH_BYTES);

  constructor(files: MessageFiles | undefined, maxMessageBytes: number) {
    this.#files = files;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** The frame that the one at which the walker stands is for; undefined when its file cannot be read. */
  read(walker: FrameWalker): WholeFrame | undefined {
    if (this.#files === undefined) return undefined;
    const isBatch = (walker.flags & Flag.batch) !== 0;
    let memory: Buffer | undefined;
    const take = (size: number): Buffer => {
      memory = this.#spare.take(size);
      return memory;
    };
    const frame = readWholeFrame(this.#files, walker, this.#maxMessageBytes, isBatch ? take : undefined);
    if (frame === undefined) return undefined;
    const spare = memory;
    const hold =
      spare === undefined ? new ChunkHold(frame) : new ChunkHold(frame, () => this.#spare.keep(spare));
    // not one for all: it would keep the last of them in memory
    const whole = new FrameWalker();
    whole.begin(frame, 0, frame.length);
    whole.next();
    return { walker: whole, hold };
  }
}

/** Why a message cannot be used whose file was not read. */
export function fileFault({ bytes, at, size }: FrameWalker, maxMessageBytes: number): string {
  const reference = readFileReference(bytes, at, size);
  if (reference === undefined) return 'it says that its data is in a file, and not in which';
  const whole = wholeSize(size, reference);
  // how long the messages of a batch are nobody knows
  if (reference.count === undefined && whole > maxMessageBytes) return tooLong(whole, maxMessageBytes);
  return `the file with its data of ${reference.size} bytes cannot be read`;
}
