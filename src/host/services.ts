// What the host does for peers beside relaying: claims, taps and wills. Claims and taps are queries to the host that
// stay open, so they begin with a QUERY and end with a CANCEL or the link.
import type { MessageFiles } from '../transport/message-files.js';
import type { Clock } from '../util/clock.js';
import { type ClaimGrant, controlFrame, type ErrorReply, type Join, readControl } from '../wire/control.js';
import { Flag } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import type { LeaveCause } from '../wire/presence.js';
import { checkWill, stampWill } from '../wire/will.js';
import { type Absentee, Claims } from './claims.js';
import type { Outlet } from './outlet.js';
import type { RetainedStore } from './retained.js';
import type { Session } from './session.js';
import { Taps } from './taps.js';
import { Wills } from './wills.js';

export interface ServicesOptions {
  clock: Clock;
  hostId: PeerId;
  outlet: Outlet;
  /** Where the data of large messages is. */
  files: MessageFiles | undefined;
  nextOrder(): number;
  /** An order that no message carries, and that no host may ever give again. */
  nextToken(): number;
  /** Whether it is certain that this process has ended. */
  isGone(pid: number, pidNamespace: string | undefined): boolean;
  /** Relays a message that is nobody's present one. */
  relay(frame: Buffer): void;
  /** Writes what was said outside of any peer's turn. */
  flush(): void;
}

/** A query on a subject that begins with `$`, as it lies in its chunk. */
export interface SystemQuery {
  readonly asker: Session;
  readonly id: number;
  readonly subject: string;
  readonly bytes: Buffer;
  readonly at: number;
  readonly size: number;
}

export class Services {
  readonly taps: Taps;
  readonly #wills = new Wills();
  readonly #claims: Claims;
  readonly #options: ServicesOptions;

  constructor(options: ServicesOptions) {
    const { clock, hostId, outlet, files } = options;
    this.#options = options;
    this.taps = new Taps({ outlet, hostId, files });
    this.#claims = new Claims({
      clock,
      nextToken: () => options.nextToken(),
      isGone: (pid, pidNamespace) => options.isGone(pid, pidNamespace),
      grant: (session, query, grant) => this.#grant(session, query, grant),
      fail: (session, query, error) => this.#fail(session, query, error),
      flush: () => options.flush(),
    });
  }

  /** Returns whether the query is for one of these services; then it is answered, or stays open. */
  ask({ asker, id, subject, bytes, at, size }: SystemQuery): boolean {
    if (subject === '$claim') this.#claims.ask(asker, id, readControl('claim QUERY', bytes, at, size));
    else if (subject === '$tap') this.taps.open(asker, id, readControl('tap QUERY', bytes, at, size));
    else return false;
    return true;
  }

  cancel(asker: Session, id: number): void {
    if (!this.#claims.cancel(asker, id)) this.taps.cancel(asker, id);
  }

  /** JOIN came. @throws FrameFault when the will in it is none */
  joined(session: Session, { will, claims = [] }: Join): void {
    if (will !== undefined) {
      checkWill(will, session.peerId);
      this.#wills.add(session.peerId.hex, will);
    }
    this.#claims.joined(session, claims);
  }

  /** Where wills outlive this host, and what is there from the hosts before it. */
  keepWillsIn(store: RetainedStore, left: Buffer): void {
    this.#wills.open(store, left);
  }

  /** The gate is open; these may be alive, undefined where nobody knows who. */
  opened(absent: readonly Absentee[] | undefined): void {
    this.#claims.opened(absent);
  }

  /** Those who were on the bus and have not come back are announced as gone: their wills are due. */
  publishWillsOf(absent: readonly { id: string }[]): void {
    for (const will of this.#wills.takeLeft(absent)) this.#publish(will);
  }

  /** The link of a peer ended. */
  left(session: Session, cause: LeaveCause | undefined): void {
    this.taps.left(session);
    this.#claims.left(session, cause);
    if (cause !== undefined) this.#wills.remove(session.peerId.hex);
  }

  silent(session: Session): void {
    this.#claims.silent(session);
  }

  heard(session: Session): void {
    this.#claims.heard(session);
  }

  /** The peer is gone as far as others are concerned, and did not say goodbye. */
  publishWill({ join }: Session): void {
    if (join?.will !== undefined) this.#publish(join.will);
  }

  /** @param isLast whether nobody is left on the bus */
  stop(isLast: boolean): void {
    this.#claims.stop();
    this.#wills.close(isLast);
  }

  #publish(will: Uint8Array): void {
    const { clock, nextOrder, relay } = this.#options;
    relay(stampWill(will, { order: nextOrder(), time: clock.wallTime() }));
  }

  #grant(session: Session, query: number, grant: ClaimGrant): void {
    const fields = { to: session.peerId.bytes, ref: query, flags: Flag.more };
    this.#say(session, controlFrame('claim REPLY', this.#options.hostId.bytes, grant, fields));
  }

  #fail(session: Session, query: number, error: ErrorReply): void {
    const fields = { to: session.peerId.bytes, ref: query, flags: Flag.error };
    this.#say(session, controlFrame('error REPLY', this.#options.hostId.bytes, error, fields));
  }

  #say(session: Session, frame: Buffer): void {
    this.#options.outlet.post(session, frame);
    this.taps.say(frame);
  }
}
