// The gate of a new host: nothing is relayed before everybody who was on the bus is back, or dead, or the time is
// up. It knows the roster of the epoch before, keeps the one of its own epoch, and says who may have missed
// messages. It relays nothing and reads no files: roster, clock and the look at processes are given to it.
//
// Invariant: a peer that may have missed messages without a count is late, and nobody else is.
import {
  BLIND_GATE_TIMEOUT,
  GATE_FIRST_LOOK,
  GATE_LOOK_INTERVAL,
  GATE_LOOK_SHARE,
  GATE_TIMEOUT,
  STALL_THRESHOLD,
} from '../limits.js';
import { oncePerProcess } from '../transport/process-liveness.js';
import type { Roster, RosterEntry, RosterLog } from '../transport/roster.js';
import type { Clock, Timer } from '../util/clock.js';
import type { Join } from '../wire/control.js';
import type { PeerId } from '../wire/peer-id.js';

export interface GateOptions {
  clock: Clock;
  /** Of the last epoch that opened; undefined when there is none, or none that can be read. */
  last: Roster | undefined;
  /** The last epoch that the peer in this host's process was on; 0 if none. */
  lastEpoch: number;
  /** The process of the host before, if it answers nobody: its own peer is not waited for. */
  hung?: number | undefined;
  roster: RosterLog;
  /** Whether it is certain that this process has ended. */
  isGone(pid: number, pidNamespace: string | undefined): boolean;
  /**
   * @param previous the last epoch that opened before this one; 0 if there was none
   * @param absent who was on the bus then and has not come back
   */
  onOpen(previous: number, absent: readonly RosterEntry[]): void;
}

interface Attendant {
  readonly peer: PeerId;
  readonly join: Join;
  late: boolean;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #last: Roster | undefined;
  /** Those on the last roster that are not back… */
  readonly #missing: Map<string, RosterEntry>;
  /** …and those of them that nobody waits for, since they hang. */
  readonly #hung: Map<string, RosterEntry>;
  readonly #present = new Map<string, Attendant>();
  #previous: number | undefined;
  #timer: Timer | undefined;
  #delay = 0;
  #lookedAt = 0;
  #giveUpAt = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    const { last, lastEpoch, hung } = options;
    // a roster older than what our own peer has seen is not the last one
    this.#last = last !== undefined && last.epoch >= lastEpoch ? last : undefined;
    this.#missing = new Map(this.#last?.entries);
    this.#hung = takeProcess(this.#missing, hung);
    if (this.order > 0) options.roster.reached(this.order);
  }

  /** Every order from now on is higher than this one, as far as the last roster tells. */
  get order(): number {
    return this.#options.last?.order ?? 0;
  }

  /** This order is about to be told to one peer alone. */
  reached(order: number): void {
    this.#options.roster.reached(order);
  }

  get isOpen(): boolean {
    return this.#previous !== undefined;
  }

  /** Begins to wait; opens at once where there is nobody to wait for. */
  start(): void {
    const now = this.#options.clock.now();
    this.#lookedAt = now;
    this.#giveUpAt = now + this.#timeout;
    this.#look();
  }

  /** Ends it, open or not: from now on nothing is noted. What the roster says stays. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#present.clear();
  }

  /** JOIN came; to be called before it is answered. */
  joined(peer: PeerId, join: Join): void {
    const attendant = { peer, join, late: this.isOpen && join.lastEpoch > 0 };
    this.#present.set(peer.hex, attendant);
    this.#missing.delete(peer.hex);
    this.#hung.delete(peer.hex);
    if (this.isOpen) this.#options.roster.joined(entryOf(attendant));
    // behind the present frame: whoever joins in the same turn is let in with it
    else if (this.#isComplete) this.#options.clock.defer(() => this.#openIfComplete());
  }

  /** The link of a peer ended. It may come back, but what it has missed until then nobody knows. */
  left(peer: PeerId): void {
    if (!this.#present.delete(peer.hex)) return;
    if (this.isOpen) return this.#options.roster.left(peer.hex);
    const entry = this.#last?.entries.get(peer.hex);
    if (entry !== undefined) this.#missing.set(peer.hex, entry);
  }

  /** Whether messages may have passed this peer by that nobody has counted; known once the gate is open. */
  isLate(peer: PeerId): boolean {
    return this.#present.get(peer.hex)?.late ?? false;
  }

  /** Those that are neither back nor known to be dead; undefined when nobody can say who they are. */
  get unaccounted(): readonly RosterEntry[] | undefined {
    if (this.#last === undefined && this.#options.lastEpoch > 0) return undefined;
    return [...this.#missing.values(), ...this.#hung.values()];
  }

  get #timeout(): number {
    return this.#last === undefined ? BLIND_GATE_TIMEOUT : GATE_TIMEOUT;
  }

  get #isComplete(): boolean {
    if (this.#last !== undefined) return this.#missing.size === 0;
    // nobody can say who was there; with a newcomer it was most likely nobody
    return this.#options.lastEpoch === 0;
  }

  #openIfComplete(): void {
    if (this.#timer !== undefined && this.#isComplete) this.#open();
  }

  #look(): void {
    const { clock } = this.#options;
    const now = clock.now();
    const overslept = now - this.#lookedAt - this.#delay;
    // who was suspended itself has no right to judge who is late
    if (overslept > STALL_THRESHOLD) this.#giveUpAt = now + this.#timeout;
    this.#lookedAt = now;
    this.#forgetTheDead();
    if (this.#isComplete || now >= this.#giveUpAt) return this.#open();
    const next = Math.min(Math.max(2 * this.#delay, GATE_FIRST_LOOK), GATE_LOOK_INTERVAL);
    // looking at many processes takes from a busy machine what they need to come back
    const took = clock.now() - now;
    this.#delay = Math.min(Math.max(next, GATE_LOOK_SHARE * took), Math.max(0, this.#giveUpAt - now - took));
    this.#timer = clock.setTimer(this.#delay, () => this.#look());
  }

  #forgetTheDead(): void {
    const isGone = oncePerProcess(this.#options.isGone);
    for (const { id, pid, pidNamespace } of [...this.#missing.values(), ...this.#hung.values()])
      if (isGone(pid, pidNamespace) && !this.#missing.delete(id)) this.#hung.delete(id);
  }

  #open(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const present = [...this.#present.values()];
    const seen = Math.max(this.#last?.epoch ?? 0, this.#options.lastEpoch);
    const previous = present.reduce((epoch, { join }) => Math.max(epoch, join.lastEpoch), seen);
    this.#previous = previous;
    for (const attendant of present) attendant.late = this.#hasMissed(attendant, previous);
    this.#options.roster.opened(present.map(entryOf));
    const known = [...(this.#last?.entries.values() ?? [])];
    this.#options.onOpen(
      previous,
      known.filter(({ id }) => !this.#present.has(id)),
    );
  }

  #hasMissed({ peer, join }: Attendant, previous: number): boolean {
    const { lastEpoch, late = false } = join;
    if (lastEpoch === 0) return false;
    if (late) return true;
    if (this.#last === undefined || this.#last.epoch < previous) return lastEpoch < previous;
    const entry = this.#last.entries.get(peer.hex);
    // not listed: its link had ended before its host did
    if (entry === undefined) return true;
    // it joined in that epoch's gate, and had not read OPEN when its host died: nothing was settled without it
    return lastEpoch < previous && !entry.whole;
  }
}

/**
 * Takes the peers of a process out of `entries`. Of several namespaces, which is its own cannot be told: then nobody is
 * taken.
 */
function takeProcess(entries: Map<string, RosterEntry>, pid: number | undefined): Map<string, RosterEntry> {
  const own = [...entries.values()].filter((entry) => entry.pid === pid);
  if (new Set(own.map(({ pidNamespace }) => pidNamespace)).size > 1) return new Map();
  for (const { id } of own) entries.delete(id);
  return new Map(own.map((entry) => [entry.id, entry]));
}

function entryOf({ peer, join, late }: Attendant): RosterEntry {
  const { pid, pidNamespace, mayHost } = join;
  return { id: peer.hex, pid, pidNamespace, mayHost, whole: !late };
}
