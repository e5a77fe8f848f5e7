// Messages whose data lies in a file: read when they come, so that from there on they are like all others.
import { type MessageFiles, readWholeFrame } from '../transport/message-files.js';
import { readFileReference, wholeSize } from '../wire/file-reference.js';
import { FrameWalker } from '../wire/frame-walker.js';
import { tooLong } from './message-fault.js';

export class FileMessages {
  readonly #files: MessageFiles | undefined;
  readonly #maxMessageBytes: number;

  constructor(files: MessageFiles | undefined, maxMessageBytes: number) {
    this.#files = files;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** A walker at the frame that this one stands for, in memory of its own; undefined when its file cannot be read. */
  read(walker: FrameWalker): FrameWalker | undefined {
    const frame = this.#files && readWholeFrame(this.#files, walker, this.#maxMessageBytes);
    if (frame === undefined) return undefined;
    // not one for all: it would keep the last of them in memory
    const whole = new FrameWalker();
    whole.begin(frame, 0, frame.length);
    whole.next();
    return whole;
  }
}

/** Why a message cannot be used whose file was not read. */
export function fileFault({ bytes, at, size }: FrameWalker, maxMessageBytes: number): string {
  const reference = readFileReference(bytes, at, size);
  if (reference === undefined) return 'it says that its data is in a file, and not in which';
  const whole = wholeSize(size, reference);
  if (whole > maxMessageBytes) return tooLong(whole, maxMessageBytes);
  return `the file with its data of ${reference.size} bytes cannot be read`;
}
