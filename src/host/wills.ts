// The wills of this host's peers, in a store that outlives it: when peers die with their host, or before the next one
// opens, the next one finds there what to publish for them. Who that is it does not know; the gate does.
import { RETAINED_FILE_SLACK_BYTES } from '../limits.js';
import { At, FrameFault, frameSize } from '../wire/frame.js';
import { peerIdAt } from '../wire/peer-id.js';
import { checkWill } from '../wire/will.js';
import type { RetainedStore } from './retained.js';

export class Wills {
  /** Of those who are on the bus, by id. */
  readonly #wills = new Map<string, Uint8Array>();
  /** Of those whom an earlier host had, by id. */
  readonly #left = new Map<string, Uint8Array>();
  #store: RetainedStore | undefined;
  /** What is in the store may be torn. */
  #isTorn = false;

  /** @param left what earlier hosts wrote, the last one's behind that of the others */
  open(store: RetainedStore, left: Buffer): void {
    this.#store = store;
    for (const [id, frame] of willsIn(left)) this.#left.set(id, frame);
  }

  /** A peer came. */
  add(id: string, will: Uint8Array): void {
    this.#wills.set(id, will);
    try {
      if (this.#isTorn || this.#isTooLong(will.length)) this.#store?.rewrite([...this.#wills.values()]);
      else this.#store?.append([will]);
      this.#isTorn = false;
    } catch {
      // A full disk, or the folder is gone: what matters more than wills finds that out.
      this.#isTorn = true;
    }
  }

  /** A peer is gone, and everybody was told. */
  remove(id: string): void {
    this.#wills.delete(id);
  }

  /** The gate is open: the wills of these are due, of all others none. */
  takeLeft(absent: readonly { id: string }[]): Uint8Array[] {
    const due = absent.map(({ id }) => this.#left.get(id)).filter((will) => will !== undefined);
    this.#left.clear();
    return due;
  }

  /** @param isLast whether nobody is left on the bus */
  close(isLast: boolean): void {
    if (isLast) this.#store?.remove();
    else this.#store?.close();
    this.#store = undefined;
  }

  #isTooLong(added: number): boolean {
    let live = 0;
    for (const will of this.#wills.values()) live += will.length;
    return (this.#store?.size ?? 0) + added > 2 * live + RETAINED_FILE_SLACK_BYTES;
  }
}

/** Whole wills with their peers' ids; where a frame is none, the rest is nothing. */
function* willsIn(bytes: Buffer): Iterable<[string, Uint8Array]> {
  try {
    for (let at = 0; at < bytes.length; ) {
      const size = frameSize(bytes, at, bytes.length);
      if (size === 0 || size > bytes.length - at) return;
      const frame = Buffer.from(bytes.subarray(at, at + size));
      const peer = peerIdAt(frame, At.sender);
      checkWill(frame, peer);
      yield [peer.hex, frame];
      at += size;
    }
  } catch (error) {
    if (!(error instanceof FrameFault)) throw error;
  }
}
