// Looks at every peer once a second, and when the answer to a PING is overdue: sends PING where it was quiet for long,
// announces who does not answer as unresponsive, and judges who is stalled. It ends the link only of one that never
// joined: who is silent may wake up.
import { PEER_STALL_TIMEOUT, PING_INTERVAL, SILENCE_TIMEOUT, STALL_THRESHOLD } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import { controlFrame } from '../wire/control.js';
import type { PeerId } from '../wire/peer-id.js';
import type { Outlet } from './outlet.js';
import type { Presence } from './presence.js';
import type { Services } from './services.js';
import type { Session } from './session.js';
import type { Stalls } from './stalls.js';

export interface HeartbeatOptions {
  clock: Clock;
  hostId: PeerId;
  outlet: Outlet;
  presence: Presence;
  services: Services;
  stalls: Stalls;
  sessions(): Iterable<Session>;
  /** Ends the link of a peer, saying why. */
  refuse(session: Session, code: string, reason: string): void;
  /** Every peer was looked at. */
  onSwept(): void;
}

const SWEEP_INTERVAL = 1_000;
/** Each second sweep finds silence of nearly an interval: the answer to the last PING took its time. */
const PING_AFTER = PING_INTERVAL - SWEEP_INTERVAL / 2;
/**
 * A program that is busy for a moment is not unresponsive: a PING must have gone unanswered for nearly its interval. With the
 * silence before it, of at most PING_AFTER and a sweep, that is never more than two intervals.
 */
const UNANSWERED_AFTER = PING_INTERVAL - SWEEP_INTERVAL / 2 - 100;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #pingFrame: Buffer;
  #timer: Timer;
  #sweptAt: number;
  /** ms from the last sweep to the next one. */
  #delay = SWEEP_INTERVAL;

  constructor(options: HeartbeatOptions) {
    const { clock, hostId } = options;
    this.#options = options;
    this.#pingFrame = controlFrame('PING', hostId.bytes, 'ping');
    this.#sweptAt = clock.now();
    this.#timer = this.#sweepLater();
  }

  stop(): void {
    this.#timer.cancel();
  }

  isSilent(session: Session): boolean {
    return this.#options.clock.now() - session.lastHeard > SILENCE_TIMEOUT;
  }

  /** One that was announced as unresponsive has said something. */
  hear(session: Session): void {
    session.isSilent = false;
    this.#options.services.heard(session);
    this.#options.presence.joined(session);
  }

  #sweepLater(): Timer {
    return this.#options.clock.setTimer(this.#delay, () => this.#sweep());
  }

  #sweep(): void {
    const now = this.#options.clock.now();
    const suspended = now - this.#sweptAt > this.#delay + STALL_THRESHOLD;
    this.#sweptAt = now;
    this.#delay = SWEEP_INTERVAL;
    for (const session of [...this.#options.sessions()]) {
      // who was suspended itself has no right to judge: everybody gets a new start
      if (suspended) session.lastHeard = session.lastProgress = now;
      else this.#judge(session, now);
      this.#delay = Math.min(this.#delay, this.#untilOverdue(session, now));
    }
    this.#options.onSwept();
    this.#timer = this.#sweepLater();
  }

  #judge(session: Session, now: number): void {
    const silence = now - session.lastHeard;
    this.#lookAtProgress(session, now);
    const unanswered = session.pingedAt > session.lastHeard ? now - session.pingedAt : 0;
    if (silence > SILENCE_TIMEOUT && unanswered >= UNANSWERED_AFTER) this.#announceSilence(session);
    if (silence > PING_AFTER && now - session.pingedAt > PING_AFTER) this.#ping(session, now);
    if (session.state === 'welcomed' && silence > SILENCE_TIMEOUT) {
      // it may have been suspended at that very moment: no reason to end its Bus
      this.#options.refuse(session, 'closed', 'JOIN did not come');
    }
    this.#judgeStall(session, now);
  }

  /** ms until the answer to a PING is overdue; infinite when none is awaited. */
  #untilOverdue({ pingedAt, lastHeard, isSilent }: Session, now: number): number {
    const left = pingedAt + UNANSWERED_AFTER - now;
    return pingedAt > lastHeard && !isSilent && left > 0 ? Math.ceil(left) : Number.POSITIVE_INFINITY;
  }

  /** A queue that never runs empty is no sign of a stall while the peer takes something of it: it is slow, and may be. */
  #lookAtProgress(session: Session, now: number): void {
    const { takenBytes } = session;
    if (session.backlogged && takenBytes === session.takenBefore) return;
    session.takenBefore = takenBytes;
    session.lastProgress = now;
    if (session.stuck) this.#options.stalls.revive(session);
  }

  #judgeStall(session: Session, now: number): void {
    session.stuck = now - session.lastProgress > PEER_STALL_TIMEOUT;
    const owesInSilence = this.#options.stalls.owes(session) && now - session.lastHeard > PEER_STALL_TIMEOUT;
    if (!session.stalled && (owesInSilence || session.stuck)) this.#options.stalls.stall(session);
  }

  #ping(session: Session, now: number): void {
    session.pingedAt = now;
    this.#options.outlet.post(session, this.#pingFrame);
  }

  /** Others are told that it is gone; its link stays, so that it misses nothing if it comes to itself in time. */
  #announceSilence(session: Session): void {
    if (session.isSilent || session.state !== 'open') return;
    session.isSilent = true;
    this.#options.services.silent(session);
    this.#options.presence.left(session, 'unresponsive');
    this.#options.services.publishWill(session);
  }
}
