// What a peer knows of those it gets messages from: how far it has read each of them, which finds duplicates
// after a take-over, and how far it has acknowledged them. These records belong to the Bus, not to a link.
import { MAX_REMEMBERED_SENDERS, SENDER_SILENCE } from '../limits.js';
import { readU32 } from '../wire/frame.js';
import { peerIdAt, peerKeyAt } from '../wire/peer-id.js';

export interface SenderRecord {
  /** Peer id in hex. */
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly high: number;
  readonly low: number;
  /** Highest sequence read from a link. */
  read: number;
  /** What was last acknowledged on the present link. */
  acknowledged: number;
  /** Whether the sender is waiting for an acknowledgement. */
  urgent: boolean;
  /** ms, monotonic: when something of it was last read. */
  heardAt: number;
}

export class SenderRecords {
  readonly #records = new Map<string, SenderRecord>();
  #last: SenderRecord | undefined;

  get size(): number {
    return this.#records.size;
  }

  /** The record of the sender whose id lies there; made if it is new. */
  at(bytes: Uint8Array, at: number): SenderRecord {
    const last = this.#last;
    if (last !== undefined && last.low === readU32(bytes, at + 4) && last.high === readU32(bytes, at))
      return last;
    const key = peerKeyAt(bytes, at);
    let record = this.#records.get(key);
    if (record === undefined) {
      const { hex, bytes: own, high, low } = peerIdAt(bytes, at);
      record = { id: hex, bytes: own, high, low, read: 0, acknowledged: 0, urgent: false, heardAt: 0 };
      this.#records.set(key, record);
    }
    this.#last = record;
    return record;
  }

  find(id: Uint8Array): SenderRecord | undefined {
    return this.#records.get(peerKeyAt(id, 0));
  }

  values(): Iterable<SenderRecord> {
    return this.#records.values();
  }

  /** Forgets silent senders when there are too many, but none for which `isNeeded` holds. */
  prune(now: number, isNeeded: (record: SenderRecord) => boolean): void {
    if (this.#records.size <= MAX_REMEMBERED_SENDERS) return;
    for (const [key, record] of this.#records) {
      if (now - record.heardAt > SENDER_SILENCE && !isNeeded(record)) this.#records.delete(key);
    }
    this.#last = undefined;
  }
}
