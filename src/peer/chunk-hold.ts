// The memory that messages lie in: the chunk that they arrived in, which is read into again when nobody needs it any more,
// unless a program was given some of it; or a copy of some of them for one reader.
import { markAsUntransferable } from 'node:worker_threads';

/** Shorter byte strings are copied: that costs little, and each would keep a whole chunk alive. */
export const SHORTEST_GIVEN_BYTES = 1_024;
/** Nor does a message keep more alive than so many times its own size: one of 1 KiB what a batch was read into from its file. */
export const LARGEST_SHARE = 520;

export class ChunkHold {
  /** How many messages still need it; who walks over it counts as one. */
  messages = 0;
  /** Whether nobody reads into this memory again anyway: then the last message may have all of it. */
  readonly isDisposable: boolean;
  private readonly memory: Uint8Array;
  private readonly recycle: (() => void) | undefined;
  private readonly isOwn: boolean;
  private isGiven = false;
  private leastGiven = 0;

  /** @param recycle called when nobody needs the memory any more; without it nobody has to know */
  constructor(memory: Uint8Array, recycle?: () => void, isOwn = false) {
    this.memory = memory;
    this.recycle = recycle;
    this.isDisposable = recycle === undefined;
    this.isOwn = isOwn;
  }

  /** For memory that was made for the messages of one reader: short ones are given, too. */
  static ofCopies(memory: Uint8Array): ChunkHold {
    const hold = new ChunkHold(memory, undefined, true);
    // none of them is ever the last one
    hold.messages = 1;
    return hold;
  }

  letGo(): void {
    this.messages -= 1;
    if (this.messages === 0 && !this.isGiven) this.recycle?.();
  }

  /**
   * Whether a program may be given so many bytes of it, in place of a copy.
   * @param isShared whether several slots were offered them
   */
  mayGive(length: number, isShared: boolean): boolean {
    if (!this.isOwn && (isShared || length < SHORTEST_GIVEN_BYTES)) return false;
    // looked up once: `buffer` is a call out of compiled code
    if (this.leastGiven === 0) this.leastGiven = this.memory.buffer.byteLength / LARGEST_SHARE;
    return length >= this.leastGiven;
  }

  /** A program gets some of it: from now on it belongs to those who look at it. */
  give(): void {
    if (this.isGiven) return;
    this.isGiven = true;
    // the rest may hold messages that nobody has read
    markAsUntransferable(this.memory.buffer);
  }
}
