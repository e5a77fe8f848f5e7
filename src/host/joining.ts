// How a peer comes in: WELCOME, its JOIN, and OPEN, at once or when the gate opens. What it says in JOIN goes to those
// whom it concerns. When the gate opens is not decided here (gate.ts), and what happens after OPEN is relay.ts's.
//
// Invariant: a peer that has read OPEN has read the gaps of before.
import { MAX_FRAME_BYTES, WINDOW_FRAMES } from '../limits.js';
import type { RosterEntry } from '../transport/roster.js';
import { controlFrame, PROTOCOL_MINOR, readControl } from '../wire/control.js';
import { FrameFault } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import type { Gate } from './gate.js';
import type { Orders } from './orders.js';
import type { Outlet } from './outlet.js';
import type { Presence } from './presence.js';
import type { Registrations } from './registrations.js';
import type { Retained } from './retained.js';
import type { Services } from './services.js';
import { gapFrame, type Session } from './session.js';
import type { Settling } from './settling.js';
import type { Standby } from './standby.js';

export interface JoiningOptions {
  epoch: number;
  hostId: PeerId;
  orders: Orders;
  outlet: Outlet;
  /** Says who may have missed messages; without it, those who were on the bus and come after {@link Joining.open}. */
  gate: Gate | undefined;
  presence: Presence;
  registrations: Registrations;
  retained: Retained;
  services: Services;
  settling: Settling;
  standby: Standby;
  onLetIn(): void;
}

export class Joining {
  readonly #options: JoiningOptions;
  /** The last epoch that opened before this one; undefined until this one has. */
  #previousEpoch: number | undefined;

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  /** The handshake of this peer's link is done. */
  welcome(session: Session): void {
    const { epoch, hostId, outlet, settling } = this.#options;
    const welcome = {
      minor: PROTOCOL_MINOR,
      epoch,
      windowBytes: settling.windowBytes,
      windowFrames: WINDOW_FRAMES,
      maxFrameBytes: MAX_FRAME_BYTES,
    };
    outlet.post(session, controlFrame('WELCOME', hostId.bytes, welcome));
  }

  /** JOIN came. @throws FrameFault */
  take(session: Session, bytes: Buffer, at: number, size: number): void {
    if (session.state !== 'welcomed') throw new FrameFault('JOIN came twice');
    const { orders, gate, presence, registrations, services, settling } = this.#options;
    const join = readControl('JOIN', bytes, at, size);
    session.join = join;
    session.state = 'joined';
    orders.raise(join.highestOrder);
    for (const { token } of join.claims ?? []) orders.raise(token);
    services.joined(session, join);
    settling.open(session, join.firstUnsettled);
    registrations.addAll(session, join.slots);
    gate?.joined(session.peerId, join);
    if (this.#previousEpoch === undefined) return;
    this.#letIn(session, join.lastEpoch > 0);
    presence.joined(session);
  }

  /** The gate opens: these have joined, those on the roster before were `absent`. */
  open(previousEpoch: number, joined: readonly Session[], absent: readonly RosterEntry[]): void {
    const { gate, presence, services } = this.#options;
    this.#previousEpoch = previousEpoch;
    services.opened(gate === undefined ? [] : gate.unaccounted);
    for (const session of joined) this.#letIn(session, gate?.isLate(session.peerId) ?? false);
    for (const entry of absent) presence.absent(entry);
    services.publishWillsOf(absent);
    // who is back was not away
    for (const session of joined) if (session.join?.lastEpoch === 0) presence.joined(session);
  }

  #letIn(session: Session, isLate: boolean): void {
    const { hostId, orders, outlet, retained, standby } = this.#options;
    session.state = 'open';
    // ahead of OPEN: a peer that has read that has read these as well, however soon the link ends
    if (isLate) this.#tellLate(session);
    const open = { previous: this.#previousEpoch ?? 0, order: orders.last };
    outlet.post(session, controlFrame('OPEN', hostId.bytes, open));
    // who went on without a gap has seen them
    const fresh = session.join?.slots.filter((slot) => isLate || slot.new !== false);
    retained.offer(session, fresh ?? []);
    standby.consider(session);
    this.#options.onLetIn();
  }

  /** A peer that was on the bus, and whom messages may have passed by: nobody knows how many. */
  #tellLate(session: Session): void {
    const { hostId, outlet } = this.#options;
    for (const { id, role, new: isNew } of session.join?.slots ?? []) {
      if (role !== 'slot' || isNew !== false) continue;
      outlet.post(session, gapFrame(hostId, id, undefined));
    }
  }
}
