// The hot path of the host: walks the frames of one chunk, admits each message, and hands every run of consecutive
// ones with the same receivers on as one slice of that chunk. What is not a message it gives to somebody else, and
// who has taken what it leaves to settling.ts.
//
// Invariant: the data of a message is never decoded here.
import { MAX_FRAME_BYTES, WINDOW_BYTES_MAX, WINDOW_FRAMES } from '../limits.js';
import { messageSize } from '../wire/file-reference.js';
import { At, Flag, FrameFault, Kind, toPosition } from '../wire/frame.js';
import { FrameWalker } from '../wire/frame-walker.js';
import { isPeerIdAt } from '../wire/peer-id.js';
import { assignMembers, type Groups } from './groups.js';
import type { Orders } from './orders.js';
import type { Outlet } from './outlet.js';
import { plainReceivers } from './receipts.js';
import { type Retained, refuseRetained } from './retained.js';
import { type Routes, Targets } from './routes.js';
import type { Sender } from './sender.js';
import type { Session } from './session.js';
import type { Settling } from './settling.js';
import type { Stalls } from './stalls.js';
import type { Taps } from './taps.js';

export interface ForwardingOptions {
  orders: Orders;
  outlet: Outlet;
  routes: Routes;
  groups: Groups;
  retained: Retained;
  settling: Settling;
  stalls: Stalls;
  taps: Taps;
  /** The peer whose id lies there. */
  peerAt(bytes: Uint8Array, at: number): Session | undefined;
  /** Takes a frame that is not a message. @throws FrameFault */
  takeOther(session: Session, kind: number, bytes: Buffer, at: number, size: number): void;
}

const NOBODY = new Targets([]);
/** Slices at least this long are kept as they are while they wait; shorter ones are copied out of their chunk. */
const COPY_QUEUED_BELOW_BYTES = 32 * 1024;

export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #walker = new FrameWalker();
  // what every message needs is one step away
  readonly #orders: Orders;
  readonly #outlet: Outlet;
  readonly #routes: Routes;

  constructor(options: ForwardingOptions) {
    this.#options = options;
    this.#orders = options.orders;
    this.#outlet = options.outlet;
    this.#routes = options.routes;
  }

  /**
   * Takes the whole frames between `start` and `end`; returns where the first incomplete one begins.
   * @throws FrameFault when something in them ends the link
   */
  takeFrames(session: Session, bytes: Buffer, start: number, end: number): number {
    const walker = this.#walker;
    walker.begin(bytes, start, end);
    let runStart = start;
    let runFirst = 0;
    let runTargets = NOBODY;
    let isPlain = false;
    let published = false;
    while (walker.next()) {
      if (isPlain && walker.alike && this.#admitAlike(session.sender!, walker)) continue;
      const { kind, at } = walker;
      const isMessage = kind === Kind.publish || (kind >= 16 && kind < 20);
      isPlain = isMessage && (walker.flags & ~Flag.batch) === 0;
      published ||= isMessage;
      // admitting counts this message, which the run before it does not hold
      const runLast = session.sender?.relayed ?? 0;
      const targets = isMessage ? this.#admitMessage(session, walker) : NOBODY;
      if (targets !== runTargets) {
        this.#forward(session, runTargets, { first: runFirst, last: runLast }, bytes.subarray(runStart, at));
        runTargets = targets;
        runStart = at;
        runFirst = walker.sequence;
        if (targets.grouping !== undefined) {
          // a message by itself: the next one is for other members
          this.#options.groups.hand(session.sender!, targets, bytes.subarray(at, at + walker.size));
          isPlain = false;
          runTargets = NOBODY;
        }
      }
      if (!isMessage) this.#options.takeOther(session, kind, bytes, at, walker.size);
      if (session.state === 'gone') {
        this.#showTaps(session, bytes, start, at);
        return end;
      }
    }
    const runLast = session.sender?.relayed ?? 0;
    this.#forward(
      session,
      runTargets,
      { first: runFirst, last: runLast },
      bytes.subarray(runStart, walker.at),
    );
    if (published) this.#account(session);
    this.#showTaps(session, bytes, start, walker.at);
    return walker.at;
  }

  #showTaps(session: Session, bytes: Buffer, start: number, end: number): void {
    if (this.#options.taps.isActive) this.#options.taps.copy(session, bytes, start, end);
  }

  /** Admits a message that goes where the one before it went; false when something is wrong with it. */
  #admitAlike(sender: Sender, walker: FrameWalker): boolean {
    const { sequence, count } = walker;
    const last = sequence + count - 1;
    if (sequence <= sender.relayed || last - sender.told > WINDOW_FRAMES) return false;
    walker.stampOrder(this.#orders.last + 1);
    this.#orders.last += count;
    sender.relayed = last;
    sender.relayedBytes += walker.size;
    return true;
  }

  /** Checks, stamps and counts one message; returns who gets it. */
  #admitMessage(session: Session, walker: FrameWalker): Targets {
    const { bytes, at, size, flags, count } = walker;
    const first = walker.sequence;
    const sequence = first + count - 1;
    const sender = session.sender;
    if (sender === undefined) throw new FrameFault('a message came before JOIN');
    if (first <= sender.relayed) {
      if (first === 0 || !(flags & Flag.resent))
        throw new FrameFault(`message ${first} came after message ${sender.relayed}`);
      // of a batch that was settled in part the rest is still due
      if (sequence <= sender.relayed) return this.#dropRepeated(sender, sequence, flags);
    }
    if (!isPeerIdAt(session.peerId, bytes, at + At.sender))
      throw new FrameFault('a message names another sender');
    if (flags & Flag.retain && flags & Flag.file)
      throw new FrameFault(`message ${sequence} is to be kept, and its data is in a file`);
    if (sequence - sender.told > WINDOW_FRAMES)
      throw new FrameFault(`message ${sequence} came when only those up to ${sender.told} were settled`);
    let targets = this.#routes.targets(bytes, at + At.subject, walker.subjectLength);
    walker.stampOrder(this.#orders.last + 1);
    this.#orders.last += count;
    sender.relayed = sequence;
    // with what is in its file: that is what its receivers have to hold
    sender.relayedBytes += flags & Flag.file ? messageSize(bytes, at, size) : size;
    // many of them fit into one chunk, which is looked at when all of it has gone out
    if (flags & Flag.file) checkUnsettled(sender);
    if (flags & (Flag.noEcho | Flag.hasTo)) targets = this.#narrow(targets, session, flags, bytes, at);
    if (flags & Flag.retain && !this.#options.retained.keep(sender, bytes.subarray(at, at + size))) {
      refuseRetained(sender, this.#orders.last);
      return NOBODY;
    }
    if (targets.grouping !== undefined) targets = assignMembers(targets.grouping);
    if (flags & (Flag.confirm | Flag.ackSoon | Flag.hasTo))
      this.#noteRequests(sender, targets, flags, bytes, at);
    return targets;
  }

  #dropRepeated(sender: Sender, sequence: number, flags: number): Targets {
    if (flags & Flag.confirm) sender.repeatReceipt(sequence);
    return NOBODY;
  }

  #narrow(targets: Targets, session: Session, flags: number, bytes: Buffer, at: number): Targets {
    const others = flags & Flag.noEcho ? targets.without(session) : targets;
    return flags & Flag.hasTo ? others.only(this.#options.peerAt(bytes, toPosition(bytes, at))) : others;
  }

  #noteRequests(sender: Sender, targets: Targets, flags: number, bytes: Buffer, at: number): void {
    const { relayed: sequence } = sender;
    const absent = flags & Flag.hasTo && this.#options.peerAt(bytes, toPosition(bytes, at)) === undefined;
    if (flags & Flag.confirm || absent) {
      const code = absent ? { code: 'MAILSLOT_NO_SUCH_PEER' } : {};
      sender.expectReceipt({ sequence, order: this.#orders.last, handed: plainReceivers(targets), ...code });
    }
    if (flags & Flag.ackSoon || absent) sender.markUrgent(sequence);
  }

  #forward(from: Session, targets: Targets, run: { first: number; last: number }, slice: Buffer): void {
    const { sessions } = targets;
    const { sender } = from;
    if (sessions.length === 0 || sender === undefined) return;
    let copy: Buffer | undefined;
    for (const session of sessions) {
      if (session.stalled) {
        this.#options.stalls.countMissed(session, slice);
        continue;
      }
      sender.handed(session, run.first, run.last);
      // a short slice that waits would keep its whole chunk in memory
      const mustCopy = slice.length < COPY_QUEUED_BELOW_BYTES && session.backlogged;
      if (mustCopy) copy ??= Buffer.from(slice);
      this.#outlet.post(session, mustCopy ? copy! : slice);
    }
  }

  #account(session: Session): void {
    const { sender } = session;
    if (sender === undefined) return;
    this.#options.settling.relayed(sender);
    checkUnsettled(sender);
  }
}

function checkUnsettled({ unsettledBytes }: Sender): void {
  if (unsettledBytes <= WINDOW_BYTES_MAX + MAX_FRAME_BYTES) return;
  throw new FrameFault(`${unsettledBytes} bytes are unsettled; a window is ${WINDOW_BYTES_MAX} at most`);
}
