// One peer as the host sees it, from its link's handshake to its goodbye: what it registered, what is queued
// for it, and what it owes. It decides nothing; relay.ts and its parts do.
import type { Pipe } from '../transport/pipe.js';
import { PartQueue } from '../util/part-queue.js';
import { RecentMap } from '../util/recent-map.js';
import { controlFrame, type Join } from '../wire/control.js';
import { Flag, messageCount, readFlags } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import type { OpenQuery } from './query-table.js';
import type { Sender } from './sender.js';

/** A slot or responder that a peer registered. */
export interface Registration {
  readonly session: Session;
  readonly id: number;
  readonly role: 'slot' | 'responder';
  readonly pattern: string;
  /** Slots only: the group it is a member of. */
  readonly group?: string | undefined;
  /** Responders only: queries handed to it that it has not answered. */
  openQueries: number;
  /** Members of a group only: messages handed to it that it has not acknowledged. */
  openMessages: number;
  /** …and when the last one was, as a count. */
  lastHanded: number;
}

export class Session {
  /** Counts sessions of this host; also the order in which peers came. */
  readonly serial: number;
  readonly peerId: PeerId;
  readonly pipe: Pipe;
  /** ms, monotonic */
  lastHeard: number;
  /** ms, monotonic: when its queue was last seen to be empty, or shorter by something that it took. */
  lastProgress: number;
  /** {@link takenBytes} when that was looked at last. */
  takenBefore = 0;
  /** ms, monotonic */
  pingedAt: number;
  /** ms since 1970 */
  readonly connectedAt: number;
  /** `welcomed` until JOIN came, `joined` until it was sent OPEN, `gone` after its goodbye. */
  state: 'welcomed' | 'joined' | 'open' | 'gone' = 'welcomed';
  /** A stalled peer holds nobody back: frames for it are dropped and counted in {@link missed}. */
  stalled = false;
  /** Whether it is stalled because its queue does not move: then it is not any more when the queue does. */
  stuck = false;
  join: Join | undefined;
  readonly registrations = new Map<number, Registration>();
  /** Stands for the peer itself, which answers queries about it. */
  readonly itself: Registration;
  /** Whether it was announced as unresponsive, and was not heard since. */
  isSilent = false;
  /** Its own messages, if it published any. */
  sender: Sender | undefined;
  /** Those whose messages it was handed and has not acknowledged. */
  readonly owes = new Set<Sender>();
  /** Its own open queries by their id. */
  readonly asked = new RecentMap<OpenQuery>();
  askedBytes = 0;
  /** Open queries it was handed. */
  readonly answering = new RecentMap<OpenQuery>();
  /** Per slot, messages dropped while it was stalled; undefined where it may have had some of them. */
  readonly missed = new Map<number, number | undefined>();
  readonly #parts = new PartQueue();
  #sentBytes = 0;

  constructor(options: { serial: number; peerId: PeerId; pipe: Pipe; now: number; wallTime: number }) {
    this.serial = options.serial;
    this.peerId = options.peerId;
    this.pipe = options.pipe;
    this.lastHeard = options.now;
    this.lastProgress = options.now;
    this.pingedAt = options.now;
    this.connectedAt = options.wallTime;
    const counts = { openQueries: 0, openMessages: 0, lastHanded: 0 };
    this.itself = { session: this, id: 0, role: 'responder', pattern: '$slots', ...counts };
  }

  /** Bytes that have left this process for the peer since it came. */
  get takenBytes(): number {
    return this.#sentBytes - this.pipe.queuedBytes;
  }

  get backlogged(): boolean {
    return this.pipe.queuedBytes > 0;
  }

  /** So many more messages for this slot were dropped; undefined when it may have had some of them. */
  miss(slotId: number, count: number | undefined): void {
    const before = this.missed.has(slotId) ? this.missed.get(slotId) : 0;
    const isKnown = before !== undefined && count !== undefined;
    this.missed.set(slotId, isKnown ? before + count : undefined);
  }

  /** Adds a part to the next write; true when it is the first one. */
  queue(part: Uint8Array): boolean {
    const isFirst = this.#parts.isEmpty;
    this.#parts.push(part);
    return isFirst;
  }

  /** @param onWritten called once, when the write is done or cannot be done any more */
  flush(onWritten: (() => void) | undefined): void {
    if (this.state === 'gone' || this.#parts.isEmpty) return onWritten?.();
    this.#sentBytes += this.#parts.bytes;
    this.pipe.write(this.#parts.take(), onWritten);
  }
}

/** How many messages a slot misses without the frame at `at`; only its peer knows whether it had got one that is sent again. */
export function missedWith(bytes: Buffer, at: number): number | undefined {
  return readFlags(bytes, at) & Flag.resent ? undefined : messageCount(bytes, at);
}

/** Says that so many messages are missing in a slot; undefined when nobody knows how many. */
export function gapFrame(hostId: PeerId, id: number, missed: number | undefined): Buffer {
  return controlFrame('GAP', hostId.bytes, missed === undefined ? { id } : { id, missed });
}
