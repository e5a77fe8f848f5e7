// The receipts that one publisher waits for, and who has taken the messages that they are for. When a message settles
// is not decided here (sender.ts), nor who gets it (relay.ts, groups.ts).
//
// A peer is a receiver in one of two ways: it was handed the message for plain slots and acknowledged it, or a member
// of a group acknowledged it there. The first is known by what is missing: everybody acknowledges, but for those who
// were given up before. So a confirm costs nothing per receiver, and who leaves costs nothing per open receipt.
import type { SettledReceipt } from '../wire/control.js';
import type { Targets } from './routes.js';
import type { Session } from './session.js';

/** Receipts that are kept after they were sent, for a publisher that lost its link before it read them. */
const KEPT_RECEIPTS = 1_024;

export interface ReceiptRequest {
  readonly sequence: number;
  readonly order: number;
  readonly code?: string;
  /** The peers that are handed the message for plain slots. */
  readonly handed: readonly Session[];
}

interface OpenReceipt extends ReceiptRequest {
  /** Peers whose members of groups have taken the message. */
  members?: Set<Session>;
}

/** Of what a peer was handed, up to `handed`, it has acknowledged nothing above `taken`. */
interface Loss {
  taken: number;
  readonly handed: number;
}

export class Receipts {
  /** By sequence, rising. */
  readonly #open = new Map<number, OpenReceipt>();
  /** Of peers that were given up while receipts were open. */
  readonly #losses = new Map<Session, Loss>();
  readonly #sent = new Map<number, SettledReceipt>();
  /** Receipts that are to be sent once more. */
  readonly #repeated = new Map<number, SettledReceipt>();

  expect(request: ReceiptRequest): void {
    this.#open.set(request.sequence, { ...request });
  }

  /** Nobody waits any more for this peer to acknowledge what it was handed. */
  giveUp(session: Session, { taken, handed }: Readonly<Loss>): void {
    if (this.#open.size === 0) return;
    // it may have been given up before: then its acknowledgements since are counted there
    const before = this.#losses.get(session);
    this.#losses.set(session, { taken: before?.taken ?? taken, handed });
  }

  /** The acknowledgement of one that was given up comes after all, before the receipts were sent. */
  acknowledged(session: Session, upTo: number): void {
    const loss = this.#losses.get(session);
    if (loss !== undefined) loss.taken = Math.max(loss.taken, upTo);
  }

  /** A member of a group has taken this message. */
  takenByMember(sequence: number, session: Session): void {
    const receipt = this.#open.get(sequence);
    if (receipt === undefined) return;
    receipt.members ??= new Set();
    receipt.members.add(session);
  }

  /** Makes a receipt due again; false when it is so anyway. */
  repeat(sequence: number): boolean {
    if (this.#open.has(sequence) || this.#repeated.has(sequence)) return false;
    this.#repeated.set(sequence, this.#sent.get(sequence) ?? { sequence, receivers: 0, order: 0 });
    return true;
  }

  /** Whether one that is to be sent once more is due when everything up to `settled` is. */
  isRepeatDue(settled: number): boolean {
    for (const sequence of this.#repeated.keys()) if (sequence <= settled) return true;
    return false;
  }

  /** Takes those that are due when everything up to `settled` is, by rising sequence. */
  take(settled: number): SettledReceipt[] {
    if (this.#open.size === 0 && this.#repeated.size === 0) return [];
    const due = this.#takeRepeated(settled);
    for (const [sequence, receipt] of this.#open) {
      if (sequence > settled) break;
      this.#open.delete(sequence);
      due.push(this.#close(receipt));
    }
    this.#forgetLosses(settled);
    this.#keep(due);
    return due.sort((a, b) => a.sequence - b.sequence);
  }

  #takeRepeated(settled: number): SettledReceipt[] {
    const due = [...this.#repeated.values()].filter(({ sequence }) => sequence <= settled);
    for (const { sequence } of due) this.#repeated.delete(sequence);
    return due;
  }

  #keep(sent: readonly SettledReceipt[]): void {
    for (const receipt of sent) this.#sent.set(receipt.sequence, receipt);
    for (const sequence of this.#sent.keys()) {
      if (this.#sent.size <= KEPT_RECEIPTS) return;
      this.#sent.delete(sequence);
    }
  }

  #close({ sequence, order, code, handed, members }: OpenReceipt): SettledReceipt {
    const receivers = this.#takersAmong(handed, sequence, members) + (members?.size ?? 0);
    return code === undefined ? { sequence, receivers, order } : { sequence, receivers, order, code };
  }

  /** How many of these have taken the message, not counting `others`. */
  #takersAmong(handed: readonly Session[], sequence: number, others: Set<Session> | undefined): number {
    if (this.#losses.size === 0 && others === undefined) return handed.length;
    let count = 0;
    for (const session of handed) if (!others?.has(session) && !this.#isLost(session, sequence)) count += 1;
    return count;
  }

  #isLost(session: Session, sequence: number): boolean {
    const loss = this.#losses.get(session);
    return loss !== undefined && loss.taken < sequence;
  }

  #forgetLosses(settled: number): void {
    for (const [session, { handed }] of this.#losses) if (handed <= settled) this.#losses.delete(session);
  }
}

/** The peers among the receivers of a message that are handed it for plain slots. */
export function plainReceivers({ sessions, grouping }: Targets): readonly Session[] {
  const peers = grouping && new Set(grouping.plain.map(({ session }) => session));
  const isHanded = (session: Session): boolean => !session.stalled && (peers?.has(session) ?? true);
  return sessions.every(isHanded) ? sessions : sessions.filter(isHanded);
}
