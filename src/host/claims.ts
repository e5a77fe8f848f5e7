// Who owns which name: grants each to one peer at a time, in the order in which they asked, with a token that rises.
// It knows no files: whom the roster names, and whether a process has ended, it is told.
//
// An owner that is away (its link ended without a goodbye, or it is silent) keeps its names until it is back, its
// process is gone, or its grace is over. After a take-over the same holds for peers that are not back: while one of
// them may own a name that nobody has heard of, only names are granted whose owner is known.
//
// Invariant: a name has one owner, who was told so with the highest token the name ever had.
import {
  CLAIM_FIRST_LOOK,
  CLAIM_GRACE,
  CLAIM_LOOK_INTERVAL,
  MAX_CLAIMS_PER_PEER,
  STALL_THRESHOLD,
} from '../limits.js';
import { oncePerProcess } from '../transport/process-liveness.js';
import type { Clock, Timer } from '../util/clock.js';
import type { ClaimGrant, ErrorReply, HeldClaim } from '../wire/control.js';
import { FrameFault } from '../wire/frame.js';
import type { LeaveCause } from '../wire/presence.js';
import type { Session } from './session.js';

/** A peer whose process may live although it is not here. */
export interface Absentee {
  /** 16 hex digits */
  readonly id: string;
  readonly pid: number;
  readonly pidNamespace: string | undefined;
}

export interface ClaimsOptions {
  clock: Clock;
  nextToken(): number;
  /** Whether it is certain that this process has ended. */
  isGone(pid: number, pidNamespace: string | undefined): boolean;
  /** The name is this peer's, says the answer to its query. */
  grant(session: Session, query: number, grant: ClaimGrant): void;
  /** Ends the query. */
  fail(session: Session, query: number, error: ErrorReply): void;
  /** Writes what was said outside of any peer's turn. */
  flush(): void;
}

interface Hold {
  readonly peer: string;
  readonly token: number;
  /** Undefined while the owner has no link. */
  session: Session | undefined;
  /** The owner's query on its present link; it ends when the claim does. */
  query: number | undefined;
}

interface Name {
  readonly name: string;
  hold: Hold | undefined;
  /** Whether it has had an owner since this host began: then no absent peer takes it for its own. */
  isKnown: boolean;
  readonly waiting: { session: Session; query: number }[];
}

interface Absence extends Absentee {
  since: number;
  /** Whether it may own names that this host has not heard of. */
  readonly isUnheard: boolean;
}

/** Stands for peers that no roster names. */
const SOMEBODY: Absentee = { id: 'somebody', pid: 0, pidNamespace: undefined };

export class Claims {
  readonly #options: ClaimsOptions;
  readonly #names = new Map<string, Name>();
  /** By owner's id. */
  readonly #owned = new Map<string, Set<Name>>();
  /** Open queries: those that wait, and those of owners. */
  readonly #asked = new Map<Session, Map<number, Name>>();
  readonly #absent = new Map<string, Absence>();
  #isOpen = false;
  #isStopped = false;
  #timer: Timer | undefined;
  #delay = 0;
  #lookedAt = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Relaying begins; these peers may be alive, and may own what they have not said. Undefined: nobody knows who. */
  opened(absent: readonly Absentee[] | undefined): void {
    this.#isOpen = true;
    for (const peer of absent ?? [SOMEBODY]) this.#miss(peer, true);
  }

  /** From now on nothing is granted. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** A peer came and says what it owns; what it does not name it has given up. */
  joined(session: Session, claims: readonly HeldClaim[]): void {
    const peer = session.peerId.hex;
    const tokens = new Map(claims.map(({ name, token }) => [name, token]));
    for (const name of [...this.#ownedBy(peer)]) {
      if (tokens.get(name.name) !== name.hold?.token) this.#free(name);
    }
    for (const { name, token } of claims) this.#takeBack(session, name, token);
    this.#found(peer);
  }

  /** A QUERY on `$claim` came: it is answered when the name is this peer's. */
  ask(session: Session, query: number, { name, token }: { name: string; token?: number }): void {
    const asked = this.#askedBy(session);
    if (asked.has(query)) throw new FrameFault(`QUERY ${query} is open already`);
    if (asked.size >= MAX_CLAIMS_PER_PEER) return this.#options.fail(session, query, tooMany);
    if (token !== undefined) return this.#resume(session, query, name, token);
    const entry = this.#entry(name);
    entry.waiting.push({ session, query });
    asked.set(query, entry);
    this.#grantNext(entry);
  }

  /** The peer waits no longer, or releases what it was granted. Returns whether there was such a query. */
  cancel(session: Session, query: number): boolean {
    const entry = this.#asked.get(session)?.get(query);
    if (entry === undefined) return false;
    this.#forgetQuery(session, query);
    if (entry.hold?.session === session && entry.hold.query === query) this.#free(entry);
    else this.#stopWaiting(entry, session, query);
    return true;
  }

  /** The link of a peer ended. */
  left(session: Session, cause: LeaveCause | undefined): void {
    for (const [query, entry] of this.#asked.get(session) ?? []) this.#stopWaiting(entry, session, query);
    this.#asked.delete(session);
    const peer = session.peerId.hex;
    const owned = [...this.#ownedBy(peer)].filter(({ hold }) => hold?.session === session);
    // who said goodbye, or was sent away, has read that its claims are over
    const isOver = cause === 'closed' || cause === 'refused';
    for (const name of owned) {
      if (isOver) this.#free(name);
      else if (name.hold !== undefined) name.hold.session = name.hold.query = undefined;
    }
    if (owned.length > 0 && !isOver) this.#miss(absenteeOf(session), false);
  }

  /** A peer says nothing any more: its grace begins. */
  silent(session: Session): void {
    if (this.#ownedBy(session.peerId.hex).size > 0) this.#miss(absenteeOf(session), false);
  }

  /** … or says something again. */
  heard(session: Session): void {
    this.#absent.delete(session.peerId.hex);
  }

  #takeBack(session: Session, name: string, token: number): void {
    const entry = this.#entry(name);
    const { hold } = entry;
    const peer = session.peerId.hex;
    if (hold !== undefined && hold.peer === peer) {
      hold.session = session;
      hold.query = undefined;
      return;
    }
    // later than that its grace is over, and others may have had the name
    const isInTime = !this.#isOpen || this.#absent.get(peer)?.isUnheard === true;
    const isLower = hold !== undefined && (this.#isOpen || hold.token > token);
    if (!isInTime || isLower) return this.#tidy(entry);
    this.#drop(entry);
    this.#own(entry, { peer, token, session, query: undefined });
  }

  #resume(session: Session, query: number, name: string, token: number): void {
    const entry = this.#names.get(name);
    const hold = entry?.hold;
    if (
      entry === undefined ||
      hold?.session !== session ||
      hold.token !== token ||
      hold.query !== undefined
    ) {
      return this.#options.fail(session, query, lost(name));
    }
    hold.query = query;
    this.#askedBy(session).set(query, entry);
    this.#options.grant(session, query, { token });
  }

  #grantNext(entry: Name): void {
    if (this.#isStopped || entry.hold !== undefined) return;
    if (!entry.isKnown && this.#mayBeOwnedUnheard) return;
    const next = entry.waiting.shift();
    if (next === undefined) return this.#tidy(entry);
    const { session, query } = next;
    const token = this.#options.nextToken();
    this.#own(entry, { peer: session.peerId.hex, token, session, query });
    this.#options.grant(session, query, { token });
  }

  get #mayBeOwnedUnheard(): boolean {
    for (const { isUnheard } of this.#absent.values()) if (isUnheard) return true;
    return false;
  }

  #own(entry: Name, hold: Hold): void {
    entry.hold = hold;
    entry.isKnown = true;
    const owned = this.#ownedBy(hold.peer);
    this.#owned.set(hold.peer, owned.add(entry));
  }

  /** The claim is over: an owner that has a link is told, and then the next one is granted it. */
  #free(entry: Name): void {
    this.#drop(entry);
    this.#grantNext(entry);
  }

  #drop(entry: Name): void {
    const { hold } = entry;
    if (hold === undefined) return;
    entry.hold = undefined;
    const owned = this.#ownedBy(hold.peer);
    owned.delete(entry);
    if (owned.size === 0) this.#owned.delete(hold.peer);
    const { session, query } = hold;
    if (session === undefined || query === undefined || !this.#forgetQuery(session, query)) return;
    this.#options.fail(session, query, lost(entry.name));
  }

  // — who is away —

  #miss(peer: Absentee, isUnheard: boolean): void {
    const { clock } = this.#options;
    this.#absent.set(peer.id, { ...peer, isUnheard, since: clock.now() });
    this.#delay = CLAIM_FIRST_LOOK;
    this.#lookLater();
  }

  #found(peer: string): void {
    const absence = this.#absent.get(peer);
    this.#absent.delete(peer);
    if (absence?.isUnheard) this.#grantWaiting();
  }

  #look(): void {
    const now = this.#options.clock.now();
    const overslept = now - this.#lookedAt - this.#delay > STALL_THRESHOLD;
    const isGone = oncePerProcess(this.#options.isGone);
    for (const absence of [...this.#absent.values()]) {
      // while this host was suspended, the absent could not come back to it
      if (overslept) absence.since = now;
      const { pid, pidNamespace, since } = absence;
      if (now - since >= CLAIM_GRACE || isGone(pid, pidNamespace)) this.#giveUp(absence);
    }
    this.#options.flush();
    this.#delay = Math.min(2 * this.#delay, CLAIM_LOOK_INTERVAL);
    this.#lookLater();
  }

  #lookLater(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#absent.size === 0 || this.#isStopped) return;
    const { clock } = this.#options;
    this.#lookedAt = clock.now();
    this.#timer = clock.setTimer(this.#delay, () => this.#look());
  }

  #giveUp({ id, isUnheard }: Absence): void {
    this.#absent.delete(id);
    for (const name of [...this.#ownedBy(id)]) this.#free(name);
    if (isUnheard) this.#grantWaiting();
  }

  #grantWaiting(): void {
    for (const entry of [...this.#names.values()]) this.#grantNext(entry);
  }

  // — bookkeeping —

  #entry(name: string): Name {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const entry: Name = { name, hold: undefined, isKnown: false, waiting: [] };
    this.#names.set(name, entry);
    return entry;
  }

  #tidy(entry: Name): void {
    if (entry.hold === undefined && entry.waiting.length === 0) this.#names.delete(entry.name);
  }

  #ownedBy(peer: string): Set<Name> {
    return this.#owned.get(peer) ?? new Set();
  }

  #askedBy(session: Session): Map<number, Name> {
    const known = this.#asked.get(session);
    if (known !== undefined) return known;
    const asked = new Map<number, Name>();
    this.#asked.set(session, asked);
    return asked;
  }

  #stopWaiting(entry: Name, session: Session, query: number): void {
    const at = entry.waiting.findIndex((one) => one.session === session && one.query === query);
    if (at >= 0) entry.waiting.splice(at, 1);
    this.#tidy(entry);
  }

  #forgetQuery(session: Session, query: number): boolean {
    const asked = this.#asked.get(session);
    if (asked === undefined || !asked.delete(query)) return false;
    if (asked.size === 0) this.#asked.delete(session);
    return true;
  }
}

function absenteeOf({ peerId, join }: Session): Absentee {
  return { id: peerId.hex, pid: join?.pid ?? 0, pidNamespace: join?.pidNamespace };
}

const tooMany: ErrorReply = {
  code: 'MAILSLOT_QUOTA_EXCEEDED',
  message: `claim: ${MAX_CLAIMS_PER_PEER} names are owned or waited for by this peer; release some, or claim something coarser`,
};

function lost(name: string): ErrorReply {
  const message = `claim: "${name}" is not this peer's any more: it was away for too long; stop what needs it, and claim it again`;
  return { code: 'MAILSLOT_CLOSED', message };
}
