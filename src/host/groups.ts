// Groups: each message goes to one member of each, and is kept until that member has taken it, so that another one
// can have it when the member leaves. It does not know which subjects a group wants (routes.ts) and settles nothing
// by itself (settling.ts); a message that is handed out again holds its publisher's account back on its own.
//
// Invariant: every message that is kept here is held by exactly one member, which is on the bus and not stalled.
import { MAX_FRAME_BYTES } from '../limits.js';
import { type MessageFiles, readWholeFrame } from '../transport/message-files.js';
import type { Clock } from '../util/clock.js';
import { Ring } from '../util/ring.js';
import { splitBatch } from '../wire/batch.js';
import {
  type Acknowledgement,
  controlFrame,
  isSingle,
  type Note,
  type SingleAcknowledgement,
} from '../wire/control.js';
import { hasExpired } from '../wire/expiry.js';
import { At, Flag, readFlags, readSubject, readU64 } from '../wire/frame.js';
import { type PeerId, peerKey, peerKeyAt } from '../wire/peer-id.js';
import type { Outlet } from './outlet.js';
import { type Grouping, Targets } from './routes.js';
import type { Sender } from './sender.js';
import { gapFrame, missedWith, type Registration, type Session } from './session.js';

export interface GroupsOptions {
  clock: Clock;
  hostId: PeerId;
  outlet: Outlet;
  /** Where the messages of some batches are; without it they are lost. */
  files: MessageFiles | undefined;
  membersOf(subject: string, group: string): readonly Registration[];
  /** The settled sequence of this sender may have risen. */
  touch(sender: Sender): void;
}

/** A message in the hands of a member. */
interface Held {
  readonly sender: Sender;
  readonly sequence: number;
  readonly order: number;
  readonly frame: Buffer;
  readonly member: Registration;
}

/** What the members of one peer hold. */
class Holdings {
  /** Handed out for the first time, by sender: acknowledged together with everything else of that sender. */
  readonly first = new Map<string, Ring<Held>>();
  /** Handed out again, by order: acknowledged one by one. */
  readonly again = new Map<number, Held[]>();
}

export class Groups {
  readonly #options: GroupsOptions;
  readonly #holdings = new Map<Session, Holdings>();
  readonly #notes = new WeakMap<Registration, Uint8Array>();
  /** Counts what was handed to members. */
  #handed = 0;

  constructor(options: GroupsOptions) {
    this.#options = options;
  }

  /**
   * Hands a message to the peers that {@link assignMembers} found for it. The messages of a batch go their own ways.
   * @throws FrameFault when a batch cannot be taken apart
   */
  hand(sender: Sender, targets: Targets, slice: Buffer): void {
    // it may stay here for long, and its chunk is read into again
    if (!(readFlags(slice, 0) & Flag.batch)) return this.#handOne(sender, targets, Buffer.from(slice));
    const batch = this.#wholeBatch(slice);
    if (batch === undefined) return this.#lose(targets, slice);
    for (const frame of splitBatch(batch, 0, batch.length)) {
      // a batch that comes again may have been settled in part
      if (readU64(frame, At.sequence) > sender.told)
        this.#handOne(sender, assignMembers(targets.grouping!), frame);
    }
  }

  /** Hands out a message without a publisher who could have it back: what a member does not take is lost with it. */
  tell(targets: Targets, frame: Buffer): void {
    const { plain, chosen = [] } = targets.grouping!;
    for (const session of targets.sessions) {
      const slots = [...chosen, ...plain].filter((slot) => slot.session === session);
      if (session.stalled) {
        countMissed(session, slots, frame);
        continue;
      }
      this.#options.outlet.post(session, this.#encode({ slots: idsOf(slots) }));
      this.#options.outlet.post(session, frame);
    }
  }

  #wholeBatch(slice: Buffer): Buffer | undefined {
    const { files } = this.#options;
    if (!(readFlags(slice, 0) & Flag.file)) return slice;
    return files && readWholeFrame(files, { bytes: slice, at: 0, size: slice.length }, MAX_FRAME_BYTES);
  }

  /** Nobody can read the file of this batch any more. */
  #lose({ grouping }: Targets, batch: Buffer): void {
    const { plain, chosen = [] } = grouping!;
    const missed = missedWith(batch, 0);
    for (const { id, session } of [...chosen, ...plain]) {
      if (session.stalled) session.miss(id, missed);
      else this.#options.outlet.post(session, gapFrame(this.#options.hostId, id, missed));
    }
  }

  #handOne(sender: Sender, targets: Targets, frame: Buffer): void {
    const { plain, chosen = [] } = targets.grouping!;
    for (const session of targets.sessions) {
      const own = chosen.filter((member) => member.session === session);
      const beside = plain.filter((slot) => slot.session === session);
      if (session.stalled) countMissed(session, [...own, ...beside], frame);
      else this.#handTo(session, { sender, frame, own, beside });
    }
  }

  /** Lets go of what this peer says it has taken. */
  acknowledge(
    session: Session,
    acknowledgements: readonly (Acknowledgement | SingleAcknowledgement)[],
  ): void {
    const holdings = this.#holdings.get(session);
    if (holdings === undefined) return;
    for (const acknowledgement of acknowledgements) {
      if (isSingle(acknowledgement)) {
        for (const held of holdings.again.get(acknowledgement.order) ?? []) this.#taken(held);
        holdings.again.delete(acknowledgement.order);
        continue;
      }
      const key = peerKeyAt(acknowledgement.sender, 0);
      const first = holdings.first.get(key);
      if (first === undefined) continue;
      while ((first.at(0)?.sequence ?? Number.POSITIVE_INFINITY) <= acknowledgement.upTo)
        this.#taken(first.shift()!);
      // publishers come and go, and a member stays
      if (first.length === 0) holdings.first.delete(key);
    }
  }

  /** Whether this peer has still to take messages that were handed to it after somebody else, or once more. */
  awaits(session: Session): boolean {
    return (this.#holdings.get(session)?.again.size ?? 0) > 0;
  }

  /** Whether a message of this sender may still have to go to another member. */
  holdsOf(key: string): boolean {
    for (const { first, again } of this.#holdings.values()) {
      if ((first.get(key)?.length ?? 0) > 0) return true;
      for (const held of again.values())
        if (held.some(({ sender }) => peerKey(sender.peerId) === key)) return true;
    }
    return false;
  }

  /** A peer, or one slot of it, takes nothing any more: what it has not taken goes to other members, oldest first. */
  leave(session: Session, slot?: Registration): void {
    const holdings = this.#holdings.get(session);
    if (holdings === undefined) return;
    const left: Held[] = [];
    const stays = (held: Held): boolean => {
      if (slot !== undefined && held.member !== slot) return true;
      left.push(held);
      return false;
    };
    for (const [key, first] of holdings.first)
      setOrDelete(holdings.first, key, ringOf([...first].filter(stays)));
    for (const [order, again] of holdings.again) setOrDelete(holdings.again, order, again.filter(stays));
    if (slot === undefined) this.#holdings.delete(session);
    for (const held of left.sort((a, b) => a.order - b.order)) {
      this.#release(held);
      this.#handOn(held);
    }
  }

  #handTo(
    session: Session,
    message: {
      sender: Sender;
      frame: Buffer;
      own: readonly Registration[];
      beside: readonly Registration[];
    },
  ): void {
    const { sender, frame, own, beside } = message;
    const { outlet } = this.#options;
    const sequence = readU64(frame, At.sequence);
    // what an earlier host may have handed out already is acknowledged by itself
    const isAgain = (readFlags(frame, 0) & Flag.resent) !== 0;
    if (beside.length > 0 || !isAgain) sender.handed(session, sequence, sequence);
    if (own.length > 0) outlet.post(session, this.#note(own, beside));
    outlet.post(session, frame);
    const order = readU64(frame, At.order);
    for (const member of own) this.#hold({ sender, sequence, order, frame, member }, isAgain);
  }

  #note(own: readonly Registration[], beside: readonly Registration[]): Uint8Array {
    const [member] = own;
    if (own.length > 1 || beside.length > 0) return this.#encode({ slots: idsOf([...own, ...beside]) });
    let note = this.#notes.get(member!);
    if (note === undefined) {
      note = this.#encode({ slots: [member!.id] });
      this.#notes.set(member!, note);
    }
    return note;
  }

  #encode(note: Note): Buffer {
    return controlFrame('NOTE', this.#options.hostId.bytes, note);
  }

  #hold(held: Held, isAgain: boolean): void {
    const { sender, member, order } = held;
    member.openMessages += 1;
    member.lastHanded = ++this.#handed;
    const holdings = this.#holdings.get(member.session) ?? new Holdings();
    this.#holdings.set(member.session, holdings);
    if (isAgain) {
      sender.await(held);
      holdings.again.set(order, [...(holdings.again.get(order) ?? []), held]);
      return;
    }
    const key = peerKey(sender.peerId);
    const first = holdings.first.get(key) ?? new Ring<Held>();
    holdings.first.set(key, first);
    first.push(held);
  }

  #taken(held: Held): void {
    const { sender, sequence, frame, member } = held;
    if (readFlags(frame, 0) & Flag.confirm) sender.takenByMember(sequence, member.session);
    this.#release(held);
  }

  #release(held: Held): void {
    held.member.openMessages -= 1;
    held.sender.arrived(held);
    this.#options.touch(held.sender);
  }

  /** Gives a message to another member; without one, nobody has to take it any more. */
  #handOn(held: Held): void {
    const { frame, member: previous } = held;
    const flags = readFlags(frame, 0);
    if (flags & Flag.hasTo || hasExpired(frame, 0, this.#options.clock.wallTime())) return;
    const others = this.#options.membersOf(readSubject(frame, 0), previous.group!);
    const member = leastBusy(others.filter((other) => canHave(other, held.sender, flags)));
    if (member === undefined) return;
    this.#options.outlet.post(member.session, this.#encode({ slots: [member.id], redelivered: true }));
    this.#options.outlet.post(member.session, frame);
    this.#hold({ ...held, member }, true);
  }
}

/** Chooses the member of each group that gets the message: the one with the fewest unacknowledged, in turn. */
export function assignMembers({ groups, plain }: Grouping): Targets {
  const chosen = groups.map(({ members }) => {
    const awake = members.filter(({ session }) => !session.stalled);
    return leastBusy(awake.length > 0 ? awake : members)!;
  });
  const sessions = new Set([...plain, ...chosen].map(({ session }) => session));
  return new Targets([...sessions], { groups, plain, chosen });
}

function leastBusy(members: readonly Registration[]): Registration | undefined {
  let least = members[0];
  for (const member of members) if (isBefore(member, least!)) least = member;
  return least;
}

function isBefore(one: Registration, other: Registration): boolean {
  if (one.openMessages !== other.openMessages) return one.openMessages < other.openMessages;
  return one.lastHanded < other.lastHanded;
}

function canHave({ session }: Registration, sender: Sender, flags: number): boolean {
  return !session.stalled && session.state === 'open' && !(flags & Flag.noEcho && session === sender.session);
}

function countMissed(session: Session, slots: readonly Registration[], frame: Buffer): void {
  for (const { id } of slots) session.miss(id, missedWith(frame, 0));
}

function setOrDelete<Key, List extends { length: number }>(map: Map<Key, List>, key: Key, list: List): void {
  if (list.length > 0) map.set(key, list);
  else map.delete(key);
}

function idsOf(slots: readonly Registration[]): number[] {
  return slots.map(({ id }) => id);
}

function ringOf(items: readonly Held[]): Ring<Held> {
  const ring = new Ring<Held>();
  for (const item of items) ring.push(item);
  return ring;
}
