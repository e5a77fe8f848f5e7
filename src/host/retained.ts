// Last values: what was published with `retain`, one message per subject, for those who subscribe later. They are in
// memory and, before their publishers are told that they are settled, in a store that outlives the host. It does not
// look into data, but for the one byte that clears a value.
//
// Invariant: of one sender, a sequence at or below the highest that was kept changes nothing: it comes again after a
// take-over, and something newer may have taken its place meanwhile.
import {
  MAX_REMEMBERED_SENDERS,
  MAX_RETAINED_BYTES,
  MAX_RETAINED_VALUES,
  RETAINED_FILE_SLACK_BYTES,
} from '../limits.js';
import type { Clock } from '../util/clock.js';
import { controlFrame, type SlotSpec } from '../wire/control.js';
import { hasExpired } from '../wire/expiry.js';
import {
  At,
  checkFrame,
  encodeFrame,
  Flag,
  FrameFault,
  frameSize,
  Kind,
  readFlags,
  readSubject,
  readTail,
  readU64,
} from '../wire/frame.js';
import { isPeerIdAt, type PeerId, peerKey, peerKeyAt } from '../wire/peer-id.js';
import { isSubject, PatternTrie } from '../wire/subject.js';
import type { Outlet } from './outlet.js';
import type { Awaited, Sender } from './sender.js';
import type { Session } from './session.js';

/** Where frames outlive the host; the calls throw what the system says. */
export interface RetainedStore {
  /** Bytes of what was written. */
  readonly size: number;
  append(parts: readonly Uint8Array[]): void;
  /** Puts these in place of everything. */
  rewrite(parts: readonly Uint8Array[]): void;
  close(): void;
  /** Closes it, and nobody finds anything there again. */
  remove(): void;
}

export interface RetainedOptions {
  clock: Clock;
  hostId: PeerId;
  outlet: Outlet;
  /** The settled sequence of this sender may have risen. */
  touch(sender: Sender): void;
}

const UNDEFINED = 0xf7;

export class Retained {
  readonly #options: RetainedOptions;
  /** Frames by subject, the one published last at the end. */
  readonly #values = new Map<string, Buffer>();
  #bytes = 0;
  /** By sender, the highest sequence that was kept; who kept something last is at the end. */
  readonly #kept = new Map<string, number>();
  #store: RetainedStore | undefined;
  #unwritten: Buffer[] = [];
  /** Messages that settle when they are written. */
  #waiting: { sender: Sender; message: Awaited }[] = [];
  /** What is in the store may be torn: it has to be written anew. */
  #isTorn = false;

  constructor(options: RetainedOptions) {
    this.#options = options;
  }

  /** Begins with what an earlier host left; returns the highest order in it. */
  open(store: RetainedStore, left: Buffer): number {
    this.#store = store;
    let highest = 0;
    for (const frame of framesIn(left)) {
      highest = Math.max(highest, readU64(frame, At.order));
      this.#restore(frame);
    }
    this.#isTorn = this.#kept.size > 0 || this.#values.size > 0;
    this.retry();
    return highest;
  }

  /** Keeps a message, or clears what its subject has; false when there is no room. */
  keep(sender: Sender, slice: Buffer): boolean {
    const sequence = readU64(slice, At.sequence);
    if (
      readFlags(slice, 0) & (Flag.hasTo | Flag.batch) ||
      sequence <= (this.#kept.get(peerKey(sender.peerId)) ?? 0)
    )
      return true;
    if (!this.#hasRoom(slice) && !this.#hasRoomAfterPruning(slice)) return false;
    const frame = Buffer.from(slice);
    this.#set(frame);
    this.#note(peerKey(sender.peerId), sequence);
    const message = { sequence };
    sender.await(message);
    this.#waiting.push({ sender, message });
    this.#unwritten.push(frame);
    return true;
  }

  /** Keeps a message that its publisher will not send again, if there is room. */
  keepWill(frame: Buffer): void {
    if (!this.#hasRoom(frame) && !this.#hasRoomAfterPruning(frame)) return;
    this.#set(frame);
    this.#unwritten.push(frame);
  }

  /** Writes what was kept since the last call; what cannot be written goes on waiting. */
  write(): void {
    if (this.#unwritten.length === 0 || this.#isTorn) return;
    try {
      this.#writeNow();
    } catch {
      this.#isTorn = true;
    }
  }

  /** Tries again what could not be written. */
  retry(): void {
    if (!this.#isTorn) return;
    this.#isTorn = false;
    try {
      this.#store?.rewrite(this.#everything());
      this.#written();
    } catch {
      this.#isTorn = true;
    }
  }

  /** Sends these slots, as far as they want them, the values that they match. */
  offer(session: Session, slots: readonly SlotSpec[]): void {
    const wanting = slots.filter(
      ({ role, group, retained }) => role === 'slot' && group === undefined && retained === true,
    );
    if (wanting.length === 0 || this.#values.size === 0) return;
    const patterns = new PatternTrie<number>();
    for (const { pattern, id } of wanting) patterns.add(pattern, id);
    const now = this.#options.clock.wallTime();
    for (const [subject, frame] of this.#candidates(wanting)) {
      const ids = patterns.match(subject);
      if (ids.length === 0 || isForOthers(frame, session) || hasExpired(frame, 0, now)) continue;
      const note = { slots: ids, retained: true };
      this.#options.outlet.post(session, controlFrame('NOTE', this.#options.hostId.bytes, note));
      this.#options.outlet.post(session, frame);
    }
  }

  /** This peer is gone for good, and sends nothing again. */
  forgetSender(peerId: PeerId): void {
    this.#kept.delete(peerKey(peerId));
  }

  /** @param isLast whether nobody is left on the bus, for whom the values would be kept */
  close(isLast: boolean): void {
    if (isLast) this.#store?.remove();
    else this.#store?.close();
    this.#store = undefined;
  }

  #restore(frame: Buffer): void {
    const sequence = readU64(frame, At.sequence);
    if (sequence > 0) this.#note(peerKeyAt(frame, At.sender), sequence);
    if (readSubject(frame, 0) !== '') this.#set(frame);
  }

  #set(frame: Buffer): void {
    const subject = readSubject(frame, 0);
    this.#delete(subject);
    if (isClearing(frame)) return;
    this.#values.set(subject, frame);
    this.#bytes += frame.length;
  }

  #delete(subject: string): void {
    this.#bytes -= this.#values.get(subject)?.length ?? 0;
    this.#values.delete(subject);
  }

  #note(key: string, sequence: number): void {
    this.#kept.delete(key);
    this.#kept.set(key, sequence);
    if (this.#kept.size <= MAX_REMEMBERED_SENDERS) return;
    const [oldest] = this.#kept.keys();
    this.#kept.delete(oldest!);
  }

  #hasRoom(frame: Buffer): boolean {
    if (isClearing(frame)) return true;
    const replaced = this.#values.get(readSubject(frame, 0));
    const count = this.#values.size + (replaced === undefined ? 1 : 0);
    const bytes = this.#bytes + frame.length - (replaced?.length ?? 0);
    return count <= MAX_RETAINED_VALUES && bytes <= MAX_RETAINED_BYTES;
  }

  #hasRoomAfterPruning(frame: Buffer): boolean {
    const now = this.#options.clock.wallTime();
    for (const [subject, value] of this.#values) if (hasExpired(value, 0, now)) this.#delete(subject);
    return this.#hasRoom(frame);
  }

  #candidates(slots: readonly SlotSpec[]): Iterable<[string, Buffer]> {
    const [{ pattern }] = slots as [SlotSpec];
    if (slots.length > 1 || /[*>]/.test(pattern)) return this.#values;
    const frame = this.#values.get(pattern);
    return frame === undefined ? [] : [[pattern, frame]];
  }

  #writeNow(): void {
    const added = this.#unwritten.reduce((bytes, frame) => bytes + frame.length, 0);
    const size = (this.#store?.size ?? 0) + added;
    if (size > 2 * this.#bytes + RETAINED_FILE_SLACK_BYTES) this.#store?.rewrite(this.#everything());
    else this.#store?.append(this.#unwritten);
    this.#written();
  }

  #written(): void {
    this.#unwritten = [];
    for (const { sender, message } of this.#waiting.splice(0)) {
      sender.arrived(message);
      this.#options.touch(sender);
    }
  }

  /** The values, and how far each sender got: a message without subject says the latter. */
  #everything(): Buffer[] {
    const data = Uint8Array.of(UNDEFINED);
    const fields = { kind: Kind.publish, flags: Flag.retain, data };
    const counts = [...this.#kept].map(([key, sequence]) =>
      encodeFrame({ ...fields, sender: Buffer.from(key, 'latin1'), sequence }),
    );
    return [...this.#values.values(), ...counts];
  }
}

/** A message that could not be kept goes to nobody, and its receipt says why. */
export function refuseRetained(sender: Sender, order: number): void {
  const { relayed: sequence } = sender;
  sender.expectReceipt({ sequence, order, handed: [], code: 'MAILSLOT_QUOTA_EXCEEDED' });
  sender.markUrgent(sequence);
}

function isForOthers(frame: Buffer, session: Session): boolean {
  return (readFlags(frame, 0) & Flag.noEcho) !== 0 && isPeerIdAt(session.peerId, frame, At.sender);
}

/** Whether the data is `undefined`. */
function isClearing(frame: Buffer): boolean {
  if (frame[frame.length - 1] !== UNDEFINED) return false;
  try {
    return readTail(frame, 0, frame.length).data === frame.length - 1;
  } catch (error) {
    if (error instanceof FrameFault) return false;
    throw error;
  }
}

/** The whole frames of a store, each in memory of its own; it ends with half of one when its host was killed. */
function* framesIn(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const size = trySize(bytes, at);
    if (size === 0 || size > bytes.length - at) return;
    const frame = Buffer.from(bytes.subarray(at, at + size));
    if (!isKeptFrame(frame)) return;
    yield frame;
    at += size;
  }
}

function trySize(bytes: Buffer, at: number): number {
  try {
    return frameSize(bytes, at, bytes.length);
  } catch {
    return 0;
  }
}

function isKeptFrame(frame: Buffer): boolean {
  try {
    checkFrame(frame, 0, frame.length);
  } catch {
    return false;
  }
  const subject = readSubject(frame, 0);
  return (readFlags(frame, 0) & Flag.retain) !== 0 && (subject === '' || isSubject(subject));
}
