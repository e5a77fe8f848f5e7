// Stalled peers: what becomes of one that does not take what it is sent. Nobody waits for it, what it does not get is
// counted slot by slot, and it is told when it comes to itself. Who is stalled is for others to judge (heartbeat.ts).
import { frameSize, readSubject } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import type { Groups } from './groups.js';
import type { Outlet } from './outlet.js';
import type { Routes } from './routes.js';
import { gapFrame, missedWith, type Session } from './session.js';
import type { Settling } from './settling.js';
import type { Standby } from './standby.js';

export interface StallsOptions {
  hostId: PeerId;
  outlet: Outlet;
  routes: Routes;
  groups: Groups;
  settling: Settling;
  standby: Standby;
}

export class Stalls {
  readonly #options: StallsOptions;

  constructor(options: StallsOptions) {
    this.#options = options;
  }

  stall(session: Session): void {
    const { groups, settling, standby } = this.#options;
    session.stalled = true;
    groups.leave(session);
    settling.release(session);
    standby.dismiss(session);
  }

  /** Whether it has still to say that it has taken something. */
  owes(session: Session): boolean {
    return session.owes.size > 0 || this.#options.groups.awaits(session);
  }

  /** It takes what it is sent again. */
  revive(session: Session): void {
    const { hostId, outlet, standby } = this.#options;
    session.stalled = false;
    session.stuck = false;
    for (const [id, missed] of session.missed) {
      outlet.post(session, gapFrame(hostId, id, missed));
    }
    session.missed.clear();
    standby.consider(session);
  }

  /** Counts, slot by slot, what a stalled peer does not get. */
  countMissed(session: Session, run: Buffer): void {
    for (let at = 0; at < run.length; at += frameSize(run, at, run.length)) {
      const count = missedWith(run, at);
      const slots = this.#options.routes.slotsOf(readSubject(run, at), session);
      for (const slot of slots) session.miss(slot.id, count);
    }
  }
}
