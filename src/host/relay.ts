// The relay: one state machine out of the parts of a host, and the life of each session in it, from admission to
// goodbye. It deals frames out to who knows what to do with them; messages take the hot path, forwarding.ts. It does
// no I/O: pipes and clock are given to it.
//
// Invariant: whatever a session registered, asked, answers or owes is gone after #goodbye.
import { SPARE_FRAME_BYTES } from '../limits.js';
import type { MessageFiles } from '../transport/message-files.js';
import type { Pipe } from '../transport/pipe.js';
import type { RosterEntry } from '../transport/roster.js';
import type { Clock } from '../util/clock.js';
import { SpareBuffers } from '../util/spare-buffers.js';
import { controlFrame, readControl, readPing } from '../wire/control.js';
import { At, Flag, FrameFault, Kind, readFlags, readSubject, writeU64 } from '../wire/frame.js';
import { FrameSplitter } from '../wire/frame-splitter.js';
import { isPeerIdAt, type PeerId, peerKey, peerKeyAt } from '../wire/peer-id.js';
import type { LeaveCause } from '../wire/presence.js';
import { endPipes } from './farewell.js';
import { Forwarding } from './forwarding.js';
import type { Gate } from './gate.js';
import { assignMembers, Groups } from './groups.js';
import { Heartbeat } from './heartbeat.js';
import { Joining } from './joining.js';
import { Orders } from './orders.js';
import { Outlet } from './outlet.js';
import { Presence } from './presence.js';
import { Queries } from './queries.js';
import { Registrations } from './registrations.js';
import { Retained, type RetainedStore } from './retained.js';
import { Routes } from './routes.js';
import type { Sender } from './sender.js';
import { Services } from './services.js';
import { Session } from './session.js';
import { Settling } from './settling.js';
import { Stalls } from './stalls.js';
import { Standby } from './standby.js';

export interface RelayOptions {
  clock: Clock;
  epoch: number;
  /** The host's own id: the sender of everything it says itself. */
  hostId: PeerId;
  /** The peer in whose process this host runs, if it has one. */
  ownerId?: PeerId | undefined;
  /** Asked before anything is written; when it says no, everything has ended already. @default always yes */
  stillReigns?: () => boolean;
  /** Says who may have missed messages; without it, those who were on the bus and come after {@link Relay.openGate}. */
  gate?: Gate | undefined;
  /** Where the data of large messages and long batches is; without it taps miss those, and groups such batches. */
  files?: MessageFiles | undefined;
  /** Whether it is certain that this process has ended; without it nobody's is. */
  isGone?: (pid: number, pidNamespace: string | undefined) => boolean;
  /** Called when a session was opened or has gone. */
  onPeersChanged?: (count: number) => void;
}

export class Relay {
  readonly #clock: Clock;
  readonly #hostId: PeerId;
  readonly #orders: Orders;
  readonly #outlet: Outlet;
  readonly #routes: Routes;
  readonly #settling: Settling;
  readonly #queries: Queries;
  readonly #groups: Groups;
  readonly #retained: Retained;
  readonly #presence: Presence;
  readonly #standby: Standby;
  readonly #services: Services;
  readonly #stalls: Stalls;
  readonly #registrations: Registrations;
  readonly #joining: Joining;
  readonly #heartbeat: Heartbeat;
  readonly #forwarding: Forwarding;
  readonly #sessions = new Map<string, Session>();
  /** For frames that cross chunks. */
  readonly #frameMemory = new SpareBuffers(SPARE_FRAME_BYTES);
  readonly #gate: Gate | undefined;
  readonly #stillReigns: () => boolean;
  readonly #onPeersChanged: ((count: number) => void) | undefined;
  #serial = 0;

  constructor(options: RelayOptions) {
    const { clock, epoch, hostId, ownerId, gate } = options;
    this.#clock = clock;
    this.#hostId = hostId;
    this.#gate = gate;
    this.#stillReigns = options.stillReigns ?? (() => true);
    this.#onPeersChanged = options.onPeersChanged;
    const sessions = (): Iterable<Session> => this.#sessions.values();
    const touch = (sender: Sender): void => this.#settling.touch(sender);
    const outlet = new Outlet(options.stillReigns);
    const orders = new Orders(clock.wallTime());
    if (gate !== undefined) orders.raise(gate.order);
    const routes = new Routes(clock.randomBytes(4).readUInt32LE());
    this.#outlet = outlet;
    this.#orders = orders;
    this.#routes = routes;
    this.#settling = new Settling({ clock, outlet, hostId });
    this.#presence = this.#makePresence(ownerId);
    this.#services = this.#makeServices(options);
    this.#standby = new Standby({ clock, hostId, ownerId, outlet, sessions });
    this.#queries = this.#makeQueries();
    this.#groups = new Groups({
      clock,
      hostId,
      outlet,
      files: options.files,
      membersOf: (subject, group) => routes.membersOf(subject, group),
      touch,
    });
    this.#retained = new Retained({ clock, hostId, outlet, touch });
    const parts = {
      clock,
      epoch,
      hostId,
      gate,
      orders,
      outlet,
      routes,
      sessions,
      settling: this.#settling,
      presence: this.#presence,
      services: this.#services,
      standby: this.#standby,
      queries: this.#queries,
      groups: this.#groups,
      retained: this.#retained,
    };
    this.#stalls = new Stalls(parts);
    this.#registrations = new Registrations(parts);
    this.#joining = new Joining({
      ...parts,
      registrations: this.#registrations,
      onLetIn: () => this.#onPeersChanged?.(this.#sessions.size),
    });
    this.#heartbeat = new Heartbeat({
      ...parts,
      stalls: this.#stalls,
      refuse: (session, code, reason) => this.#refuse(session, code, reason),
      onSwept: () => this.#afterSweep(),
    });
    this.#forwarding = new Forwarding({
      ...parts,
      stalls: this.#stalls,
      taps: this.#services.taps,
      peerAt: (bytes, at) => this.#peerAt(bytes, at),
      takeOther: (session, kind, bytes, at, size) => this.#takeOther(session, kind, bytes, at, size),
    });
  }

  #makePresence(ownerId: PeerId | undefined): Presence {
    return new Presence({
      hostId: this.#hostId,
      ownerId,
      outlet: this.#outlet,
      sessions: () => this.#sessions.values(),
      receiversOf: (subject) => this.#routes.targetsOf(subject).sessions,
      nextOrder: () => this.#orders.next(),
      wallTime: () => this.#clock.wallTime(),
      onSaid: (frame) => this.#services.taps.say(frame),
    });
  }

  #makeServices({ isGone, files }: RelayOptions): Services {
    return new Services({
      clock: this.#clock,
      hostId: this.#hostId,
      outlet: this.#outlet,
      files,
      nextOrder: () => this.#orders.next(),
      nextToken: () => this.#nextToken(),
      isGone: isGone ?? (() => false),
      relay: (frame) => this.#relayWill(frame),
      flush: () => this.#endTurn(),
    });
  }

  #nextToken(): number {
    const token = this.#orders.next();
    this.#gate?.reached(token);
    return token;
  }

  #makeQueries(): Queries {
    return new Queries({
      hostId: this.#hostId,
      outlet: this.#outlet,
      answerers: (bytes, at, length) => this.#routes.answerers(bytes, at, length),
      everybody: () => this.#presence.present().map(({ itself }) => itself),
      peerAt: (bytes, at) => this.#peerAt(bytes, at),
      answerSystemQuery: (subject) => this.#presence.answer(subject),
      takeSystemQuery: (query) => this.#services.ask(query),
      cancelSystemQuery: (asker, id) => this.#services.cancel(asker, id),
      onAnswer: (frame) => this.#services.taps.say(frame),
    });
  }

  get peers(): number {
    return this.#sessions.size;
  }

  /**
   * Whether somebody may need what the peer with this id has left in files: itself, or a member of a group. A host that was
   * replaced while it slept cannot know.
   */
  needsFilesOf(id: string): boolean {
    if (!this.#stillReigns()) return true;
    const key = peerKeyAt(Buffer.from(id, 'hex'), 0);
    return this.#sessions.has(key) || this.#groups.holdsOf(key);
  }

  /** Keeps last values in this store from now on, and those that an earlier host has left. To be called once, at first. */
  retainIn(store: RetainedStore, left: Buffer): void {
    this.#orders.raise(this.#retained.open(store, left));
  }

  /** Takes over a pipe whose handshake is done. */
  admit(pipe: Pipe, peerId: PeerId): void {
    const replaced = this.#sessions.get(peerKey(peerId));
    if (replaced !== undefined) {
      this.#goodbye(replaced, this.#heartbeat.isSilent(replaced) ? 'unresponsive' : undefined);
      replaced.pipe.destroy();
    }
    const session = new Session({
      serial: ++this.#serial,
      peerId,
      pipe,
      now: this.#clock.now(),
      wallTime: this.#clock.wallTime(),
    });
    this.#sessions.set(peerKey(peerId), session);
    const splitter = new FrameSplitter(
      (bytes, start, end) => this.#forwarding.takeFrames(session, bytes, start, end),
      (size) => this.#frameMemory.take(size),
    );
    pipe.handlers = {
      data: (chunk) => this.#receive(session, splitter, chunk),
      place: () => splitter.place,
      drained: () => {
        session.lastProgress = this.#clock.now();
        if (!session.stuck) return;
        this.#stalls.revive(session);
        this.#endTurn();
      },
      closed: () => {
        this.#goodbye(session, this.#heartbeat.isSilent(session) ? 'unresponsive' : 'crashed');
        this.#endTurn();
      },
    };
    this.#joining.welcome(session);
    this.#endTurn();
  }

  /** Keeps wills in a store, and publishes those in `left` whose peers are not back when the gate opens. */
  keepWillsIn(store: RetainedStore, left: Buffer): void {
    this.#services.keepWillsIn(store, left);
  }

  /** Lets everybody in: from now on frames are relayed. */
  openGate(previousEpoch: number, absent: readonly RosterEntry[] = []): void {
    const joined = [...this.#sessions.values()].filter(({ state }) => state === 'joined');
    this.#joining.open(previousEpoch, joined, absent);
    this.#endTurn();
  }

  /** Resolves when no query is open, or none has been for `timeout` ms: peers are served meanwhile. */
  whenQueriesEnd(timeout: number): Promise<void> {
    return this.#queries.whenIdle(this.#clock, timeout);
  }

  /** Resolves when all that was published so far is settled and its publishers know it, at most after `timeout` ms. */
  whenSettled(timeout: number): Promise<void> {
    const settled = this.#settling.whenSettled(timeout);
    this.#endTurn();
    return settled;
  }

  /**
   * Tells every peer that this host ends, and why; from here on nothing is taken from them. Resolves when what is
   * queued for them was written, at most after {@link HOST_FLUSH_GRACE}.
   */
  close(code: string, reason: string): Promise<void> {
    this.#settling.tellAll();
    this.#stop();
    const leaving = [...this.#sessions.values()];
    for (const session of leaving) {
      // what it was not sent is counted here only
      if (session.stalled) this.#stalls.revive(session);
      this.#dismiss(session, code, reason);
    }
    this.#endTurn();
    this.#retained.close(leaving.length === 0);
    for (const session of leaving) this.#goodbye(session, undefined);
    return endPipes(
      leaving.map(({ pipe }) => pipe),
      this.#clock,
    );
  }

  /** Ends everything at once, saying nothing: for a host that is not the host any more. */
  destroy(): void {
    this.#stop();
    this.#retained.close(false);
    for (const session of [...this.#sessions.values()]) {
      session.pipe.destroy();
      this.#goodbye(session, undefined);
    }
  }

  #stop(): void {
    this.#gate?.stop();
    this.#services.stop(this.#sessions.size === 0);
    this.#heartbeat.stop();
    this.#settling.stop();
  }

  #afterSweep(): void {
    this.#settling.sweep();
    this.#retained.retry();
    this.#endTurn();
  }

  #peerAt(bytes: Uint8Array, at: number): Session | undefined {
    return this.#sessions.get(peerKeyAt(bytes, at));
  }

  /** @param onWritten called when everything that this turn said has left the process */
  #endTurn(onWritten?: () => void): void {
    this.#retained.write();
    this.#settling.settle();
    this.#services.taps.flush();
    this.#outlet.flush(onWritten);
  }

  #receive(session: Session, splitter: FrameSplitter, chunk: Buffer): void {
    if (session.state === 'gone') return;
    session.lastHeard = this.#clock.now();
    if (session.isSilent) this.#heartbeat.hear(session);
    let memory: Buffer | undefined;
    try {
      memory = splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error;
      this.#refuse(session, 'MAILSLOT_PROTOCOL_VIOLATION', error.message);
      // the refusal was written ahead of the rest, and with it perhaps parts of this chunk: it is not recycled
      return this.#endTurn();
    }
    this.#endTurn(() => {
      session.pipe.recycle(chunk);
      if (memory !== undefined) this.#frameMemory.keep(memory);
    });
  }

  // — everything that is not a message —

  #takeOther(session: Session, kind: number, bytes: Buffer, at: number, size: number): void {
    if (kind >= 20 && kind <= 23) return;
    if (session.state === 'welcomed' && kind !== Kind.join && kind !== Kind.goaway && kind !== Kind.ping) {
      throw new FrameFault(`a frame of kind ${kind} came before JOIN`);
    }
    if (!isPeerIdAt(session.peerId, bytes, at + At.sender))
      throw new FrameFault(`a frame of kind ${kind} names another sender`);
    switch (kind) {
      case Kind.query:
        writeU64(bytes, at + At.order, this.#orders.next());
        return this.#queries.ask(session, bytes, at, size);
      case Kind.reply:
        writeU64(bytes, at + At.order, this.#orders.next());
        return this.#queries.reply(session, bytes, at, size);
      case Kind.credit:
        return this.#queries.credit(session, bytes, at, size);
      case Kind.cancel:
        return this.#queries.cancel(session, bytes, at);
      case Kind.ack:
        return this.#acknowledge(session, bytes, at, size);
      case Kind.join:
        return this.#joining.take(session, bytes, at, size);
      case Kind.slot:
        return this.#registrations.take(session, bytes, at, size);
      case Kind.ping:
        return this.#ping(session, bytes, at, size);
      case Kind.goaway:
        return this.#takeGoAway(session);
      default:
        throw new FrameFault(`a peer does not send frames of kind ${kind}`);
    }
  }

  #acknowledge(session: Session, bytes: Buffer, at: number, size: number): void {
    const acknowledgements = readControl('ACK', bytes, at, size);
    this.#groups.acknowledge(session, acknowledgements);
    this.#settling.acknowledge(session, acknowledgements);
    if (readFlags(bytes, at) & Flag.ackSoon && session.sender !== undefined)
      this.#settling.hasten(session.sender);
    if (session.stalled) this.#stalls.revive(session);
  }

  #ping(session: Session, bytes: Buffer, at: number, size: number): void {
    if (readPing(bytes, at, size) === 'pong') return;
    this.#outlet.post(session, controlFrame('PING', this.#hostId.bytes, 'pong'));
  }

  #takeGoAway(session: Session): void {
    this.#goodbye(session, 'closed');
    session.pipe.end();
  }

  // — what is not from a peer's present link, or not for its receivers —

  #relayWill(frame: Buffer): void {
    if (readFlags(frame, 0) & Flag.retain) this.#retained.keepWill(frame);
    const { grouping, sessions } = this.#routes.targetsOf(readSubject(frame, 0));
    if (grouping !== undefined) this.#groups.tell(assignMembers(grouping), frame);
    else {
      for (const session of sessions) {
        if (session.stalled) this.#stalls.countMissed(session, frame);
        else this.#outlet.post(session, frame);
      }
    }
    this.#services.taps.say(frame);
  }

  // — leaving —

  /** Says why, and ends the link after that was written. */
  #refuse(session: Session, code: string, reason: string): void {
    this.#dismiss(session, code, reason);
    this.#outlet.flush();
    this.#goodbye(session, 'refused');
    session.pipe.end();
  }

  #dismiss(session: Session, code: string, reason: string): void {
    this.#outlet.post(session, controlFrame('GOAWAY', this.#hostId.bytes, { code, reason }));
  }

  /** Removes every trace of a session, in this order, and answers everybody who waited for it. */
  #goodbye(session: Session, cause: LeaveCause | undefined): void {
    if (session.state === 'gone') return;
    const wasOpen = session.state === 'open';
    session.state = 'gone';
    this.#registrations.unroute(session);
    // before anything is settled without it
    this.#gate?.left(session.peerId);
    this.#queries.leave(session);
    this.#groups.leave(session);
    this.#settling.leave(session, cause !== 'closed');
    if (cause === 'closed') this.#retained.forgetSender(session.peerId);
    if (this.#sessions.get(peerKey(session.peerId)) === session)
      this.#sessions.delete(peerKey(session.peerId));
    // after its announcement: whoever is granted a name can know that its owner is gone
    if (wasOpen && cause !== undefined) this.#announceEnd(session, cause);
    this.#services.left(session, cause);
    this.#standby.dismiss(session);
    session.registrations.clear();
    this.#onPeersChanged?.(this.#sessions.size);
  }

  #announceEnd(session: Session, cause: LeaveCause): void {
    if (session.isSilent) return;
    this.#presence.left(session, cause);
    if (cause !== 'closed') this.#services.publishWill(session);
  }
}
