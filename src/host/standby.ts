// Names the peer that is to stand for election first when this host is gone: the oldest that may host, is not
// stalled, and is not in the host's own process. It only names; what a peer makes of it is its own matter.
import type { Clock } from '../util/clock.js';
import { controlFrame } from '../wire/control.js';
import type { PeerId } from '../wire/peer-id.js';
import type { Outlet } from './outlet.js';
import type { Session } from './session.js';

export interface StandbyOptions {
  clock: Clock;
  hostId: PeerId;
  /** The peer in whose process the host runs. */
  ownerId: PeerId | undefined;
  outlet: Outlet;
  /** In the order in which they came. */
  sessions(): Iterable<Session>;
}

export class Standby {
  readonly #options: StandbyOptions;
  #named: Session | undefined;
  /** Those who have not heard who it is. */
  readonly #untold = new Set<Session>();
  #isDue = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** A peer was let in, or is not stalled any more. */
  consider(session: Session): void {
    if (session.join?.mayHost !== true) return;
    this.#untold.add(session);
    this.#nameSoon();
  }

  /** A peer left, or is stalled. */
  dismiss(session: Session): void {
    this.#untold.delete(session);
    if (session === this.#named) this.#nameSoon();
  }

  // Once for all who come or go together: after a take-over, that is everybody.
  #nameSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#options.clock.afterIo(() => {
      this.#isDue = false;
      this.#name();
    });
  }

  #name(): void {
    const { sessions, outlet } = this.#options;
    const candidates = [...sessions()].filter((session) => this.#isFit(session));
    const isNew = this.#named === undefined || !candidates.includes(this.#named);
    if (isNew) this.#named = candidates[0];
    const id = this.#named?.peerId.bytes;
    const frame = controlFrame('STANDBY', this.#options.hostId.bytes, id === undefined ? {} : { id });
    for (const session of isNew ? sessions() : this.#untold) {
      if (session.state === 'open' && session.join?.mayHost === true) outlet.post(session, frame);
    }
    this.#untold.clear();
    outlet.flush();
  }

  #isFit(session: Session): boolean {
    const { ownerId } = this.#options;
    const isOwner = session.peerId.hex === ownerId?.hex;
    return session.state === 'open' && session.join?.mayHost === true && !session.stalled && !isOwner;
  }
}
