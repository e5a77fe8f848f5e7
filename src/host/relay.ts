// The relay: takes frames from sessions and hands them to others. It is a state machine without I/O: pipes and
// clock are given to it. The hot path is #takeFrames, which walks the frames of one chunk and forwards every run
// of consecutive frames with the same receivers as one slice of that chunk.
//
// Invariant: the data of a message is never decoded here.
// Invariant: whatever a session registered, asked, answers or owes is gone after #goodbye.
import {
  MAX_FRAME_BYTES,
  MAX_SUBSCRIPTIONS_PER_PEER,
  PEER_STALL_TIMEOUT,
  PING_INTERVAL,
  SILENCE_TIMEOUT,
  SPARE_FRAME_BYTES,
  STALL_THRESHOLD,
  WINDOW_BYTES_MAX,
  WINDOW_FRAMES,
} from '../limits.js';
import type { Pipe } from '../transport/pipe.js';
import type { RosterEntry } from '../transport/roster.js';
import type { Clock, Timer } from '../util/clock.js';
import { SpareBuffers } from '../util/spare-buffers.js';
import { controlFrame, PROTOCOL_MINOR, readControl, readPing, type SlotSpec } from '../wire/control.js';
import {
  At,
  Flag,
  FrameFault,
  frameSize,
  Kind,
  messageCount,
  readFlags,
  readSubject,
  toPosition,
  writeU64,
} from '../wire/frame.js';
import { FrameSplitter } from '../wire/frame-splitter.js';
import { FrameWalker } from '../wire/frame-walker.js';
import { isPeerIdAt, type PeerId, peerKey, peerKeyAt } from '../wire/peer-id.js';
import type { LeaveCause } from '../wire/presence.js';
import { endPipes } from './farewell.js';
import type { Gate } from './gate.js';
import { assignMembers, Groups } from './groups.js';
import { Outlet } from './outlet.js';
import { Presence } from './presence.js';
import { Queries } from './queries.js';
import { Retained, type RetainedStore, refuseRetained } from './retained.js';
import { Routes, Targets } from './routes.js';
import type { Sender } from './sender.js';
import { Services } from './services.js';
import { type Registration, Session } from './session.js';
import { Settling } from './settling.js';
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
  /** Whether it is certain that this process has ended; without it nobody's is. */
  isGone?: (pid: number, pidNamespace: string | undefined) => boolean;
  /** Called when a session was opened or has gone. */
  onPeersChanged?: (count: number) => void;
}

const NOBODY = new Targets([]);
/** Slices at least this long are kept as they are while they wait; shorter ones are copied out of their chunk. */
const COPY_QUEUED_BELOW_BYTES = 32 * 1024;
const SWEEP_INTERVAL = 1_000;
/** Each second sweep finds silence of nearly an interval: the answer to the last PING took its time. */
const PING_AFTER = PING_INTERVAL - SWEEP_INTERVAL / 2;
/** A program that is busy for a moment is not unresponsive: a PING must have gone unanswered for nearly its interval. */
const UNANSWERED_AFTER = PING_INTERVAL - SWEEP_INTERVAL / 2;

export class Relay {
  readonly #clock: Clock;
  readonly #epoch: number;
  readonly #hostId: PeerId;
  readonly #outlet: Outlet;
  readonly #routes: Routes;
  readonly #settling: Settling;
  readonly #queries: Queries;
  readonly #groups: Groups;
  readonly #retained: Retained;
  readonly #presence: Presence;
  readonly #standby: Standby;
  readonly #services: Services;
  readonly #sessions = new Map<string, Session>();
  readonly #walker = new FrameWalker();
  /** For frames that cross chunks. */
  readonly #frameMemory = new SpareBuffers(SPARE_FRAME_BYTES);
  readonly #gate: Gate | undefined;
  readonly #onPeersChanged: ((count: number) => void) | undefined;
  readonly #pingFrame: Buffer;
  #serial = 0;
  #order: number;
  #previousEpoch: number | undefined;
  #sweepTimer: Timer;
  #sweptAt: number;

  constructor(options: RelayOptions) {
    const { clock, epoch, hostId, ownerId } = options;
    this.#clock = clock;
    this.#epoch = epoch;
    this.#hostId = hostId;
    this.#outlet = new Outlet(options.stillReigns);
    this.#pingFrame = controlFrame('PING', hostId.bytes, 'ping');
    this.#gate = options.gate;
    this.#onPeersChanged = options.onPeersChanged;
    this.#order = clock.wallTime() * 1_000;
    this.#routes = new Routes(clock.randomBytes(4).readUInt32LE());
    this.#settling = new Settling({ clock, outlet: this.#outlet, hostId });
    this.#presence = new Presence({
      hostId,
      ownerId,
      outlet: this.#outlet,
      sessions: () => this.#sessions.values(),
      receiversOf: (subject) => this.#routes.targetsOf(subject).sessions,
      nextOrder: () => ++this.#order,
      wallTime: () => clock.wallTime(),
      onSaid: (frame) => this.#services.taps.say(frame),
    });
    this.#services = new Services({
      clock,
      hostId,
      outlet: this.#outlet,
      nextOrder: () => ++this.#order,
      isGone: options.isGone ?? (() => false),
      relay: (frame) => this.#relayWill(frame),
      flush: () => this.#endTurn(),
    });
    this.#standby = new Standby({
      clock,
      hostId,
      ownerId,
      outlet: this.#outlet,
      sessions: () => this.#sessions.values(),
    });
    this.#queries = new Queries({
      hostId,
      outlet: this.#outlet,
      answerers: (bytes, at, length) => this.#routes.answerers(bytes, at, length),
      everybody: () => this.#presence.present().map(({ itself }) => itself),
      peerAt: (bytes, at) => this.#sessions.get(peerKeyAt(bytes, at)),
      answerSystemQuery: (subject) => this.#presence.answer(subject),
      takeSystemQuery: (query) => this.#services.ask(query),
      cancelSystemQuery: (asker, id) => this.#services.cancel(asker, id),
      onAnswer: (frame) => this.#services.taps.say(frame),
    });
    this.#groups = new Groups({
      clock,
      hostId,
      outlet: this.#outlet,
      membersOf: (subject, group) => this.#routes.membersOf(subject, group),
      touch: (sender) => this.#settling.touch(sender),
    });
    this.#retained = new Retained({
      clock,
      hostId,
      outlet: this.#outlet,
      touch: (sender) => this.#settling.touch(sender),
    });
    this.#sweptAt = clock.now();
    this.#sweepTimer = clock.setTimer(SWEEP_INTERVAL, () => this.#sweep());
  }

  get peers(): number {
    return this.#sessions.size;
  }

  /** Keeps last values in this store from now on, and those that an earlier host has left. To be called once, at first. */
  retainIn(store: RetainedStore, left: Buffer): void {
    this.#order = Math.max(this.#order, this.#retained.open(store, left));
  }

  /** Takes over a pipe whose handshake is done. */
  admit(pipe: Pipe, peerId: PeerId): void {
    const replaced = this.#sessions.get(peerKey(peerId));
    if (replaced !== undefined) {
      this.#goodbye(replaced, this.#isSilent(replaced) ? 'unresponsive' : undefined);
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
      (bytes, start, end) => this.#takeFrames(session, bytes, start, end),
      (size) => this.#frameMemory.take(size),
    );
    pipe.handlers = {
      data: (chunk) => this.#receive(session, splitter, chunk),
      place: () => splitter.place,
      drained: () => {
        session.lastProgress = this.#clock.now();
        if (!session.stuck) return;
        this.#revive(session);
        this.#endTurn();
      },
      closed: () => {
        this.#goodbye(session, this.#isSilent(session) ? 'unresponsive' : 'crashed');
        this.#endTurn();
      },
    };
    this.#welcome(session);
    this.#endTurn();
  }

  /** Keeps wills in a store, and publishes those in `left` whose peers are not back when the gate opens. */
  keepWillsIn(store: RetainedStore, left: Buffer): void {
    this.#services.keepWillsIn(store, left);
  }

  /** Lets everybody in: from now on frames are relayed. */
  openGate(previousEpoch: number, absent: readonly RosterEntry[] = []): void {
    this.#previousEpoch = previousEpoch;
    this.#services.opened(this.#gate === undefined ? [] : this.#gate.unaccounted);
    const joined = [...this.#sessions.values()].filter(({ state }) => state === 'joined');
    for (const session of joined) this.#letIn(session, this.#gate?.isLate(session.peerId) ?? false);
    for (const entry of absent) this.#presence.absent(entry);
    this.#services.publishWillsOf(absent);
    // who is back was not away
    for (const session of joined) if (session.join?.lastEpoch === 0) this.#presence.joined(session);
    this.#endTurn();
  }

  /** Resolves when no query is open, or none has been for `timeout` ms: peers are served meanwhile. */
  whenQueriesEnd(timeout: number): Promise<void> {
    return this.#queries.whenIdle(this.#clock, timeout);
  }

  /**
   * Tells every peer that this host ends, and why; from here on nothing is taken from them. Resolves when what is
   * queued for them was written, at most after {@link HOST_FLUSH_GRACE}.
   */
  close(code: string, reason: string): Promise<void> {
    this.#stop();
    const leaving = [...this.#sessions.values()];
    for (const session of leaving) {
      // what it was not sent is counted here only
      if (session.stalled) this.#revive(session);
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
    this.#sweepTimer.cancel();
    this.#settling.stop();
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
    if (session.isSilent) this.#hear(session);
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

  // — the hot path —

  #takeFrames(session: Session, bytes: Buffer, start: number, end: number): number {
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
          this.#groups.hand(session.sender!, targets, bytes.subarray(at, at + walker.size));
          isPlain = false;
          runTargets = NOBODY;
        }
      }
      if (!isMessage) this.#takeOther(session, kind, bytes, at, walker.size);
      if (session.state === 'gone') return end;
    }
    const runLast = session.sender?.relayed ?? 0;
    this.#forward(
      session,
      runTargets,
      { first: runFirst, last: runLast },
      bytes.subarray(runStart, walker.at),
    );
    if (published) this.#account(session);
    if (this.#services.taps.isActive) this.#services.taps.copy(session, bytes, start, walker.at);
    return walker.at;
  }

  /** Admits a message that goes where the one before it went; false when something is wrong with it. */
  #admitAlike(sender: Sender, walker: FrameWalker): boolean {
    const { sequence, count } = walker;
    const last = sequence + count - 1;
    if (sequence <= sender.relayed || last - sender.told > WINDOW_FRAMES) return false;
    walker.stampOrder(this.#order + 1);
    this.#order += count;
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
    if (sender === undefined) throw new FrameFault('a message came before OPEN');
    if (first <= sender.relayed) {
      if (first === 0 || !(flags & Flag.resent))
        throw new FrameFault(`message ${first} came after message ${sender.relayed}`);
      // of a batch that was settled in part the rest is still due
      if (sequence <= sender.relayed) return this.#dropRepeated(sender, sequence, flags);
    }
    if (!isPeerIdAt(session.peerId, bytes, at + At.sender))
      throw new FrameFault('a message names another sender');
    if (sequence - sender.told > WINDOW_FRAMES)
      throw new FrameFault(`message ${sequence} came when only those up to ${sender.told} were settled`);
    let targets = this.#routes.targets(bytes, at + At.subject, walker.subjectLength);
    walker.stampOrder(this.#order + 1);
    this.#order += count;
    sender.relayed = sequence;
    sender.relayedBytes += size;
    if (flags & (Flag.noEcho | Flag.hasTo)) targets = this.#narrow(targets, session, flags, bytes, at);
    if (flags & Flag.retain && !this.#retained.keep(sender, bytes.subarray(at, at + size))) {
      refuseRetained(sender, this.#order);
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
    return flags & Flag.hasTo
      ? others.only(this.#sessions.get(peerKeyAt(bytes, toPosition(bytes, at))))
      : others;
  }

  #noteRequests(sender: Sender, targets: Targets, flags: number, bytes: Buffer, at: number): void {
    const { relayed: sequence } = sender;
    const absent = flags & Flag.hasTo && !this.#sessions.has(peerKeyAt(bytes, toPosition(bytes, at)));
    if (flags & Flag.confirm || absent) {
      const receivers = targets.sessions.reduce((count, target) => count + (target.stalled ? 0 : 1), 0);
      const code = absent ? { code: 'MAILSLOT_NO_SUCH_PEER' } : {};
      sender.expectReceipt({ sequence, receivers, order: this.#order, ...code });
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
        this.#countMissed(session, slice);
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
    this.#settling.relayed(sender);
    if (sender.unsettledBytes > WINDOW_BYTES_MAX + MAX_FRAME_BYTES) {
      throw new FrameFault(
        `${sender.unsettledBytes} bytes are unsettled; a window is ${WINDOW_BYTES_MAX} at most`,
      );
    }
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
        writeU64(bytes, at + At.order, ++this.#order);
        return this.#queries.ask(session, bytes, at, size);
      case Kind.reply:
        writeU64(bytes, at + At.order, ++this.#order);
        return this.#queries.reply(session, bytes, at, size);
      case Kind.credit:
        return this.#queries.credit(session, bytes, at, size);
      case Kind.cancel:
        return this.#queries.cancel(session, bytes, at);
      case Kind.ack:
        return this.#acknowledge(session, bytes, at, size);
      case Kind.join:
        return this.#join(session, bytes, at, size);
      case Kind.slot:
        return this.#slotRequest(session, bytes, at, size);
      case Kind.ping:
        return this.#ping(session, bytes, at, size);
      case Kind.goaway:
        return this.#takeGoAway(session);
      default:
        throw new FrameFault(`a peer does not send frames of kind ${kind}`);
    }
  }

  #welcome(session: Session): void {
    const welcome = {
      minor: PROTOCOL_MINOR,
      epoch: this.#epoch,
      windowBytes: this.#settling.windowBytes,
      windowFrames: WINDOW_FRAMES,
      maxFrameBytes: MAX_FRAME_BYTES,
    };
    this.#outlet.post(session, controlFrame('WELCOME', this.#hostId.bytes, welcome));
  }

  #join(session: Session, bytes: Buffer, at: number, size: number): void {
    if (session.state !== 'welcomed') throw new FrameFault('JOIN came twice');
    const join = readControl('JOIN', bytes, at, size);
    session.join = join;
    session.state = 'joined';
    this.#order = Math.max(this.#order, join.highestOrder);
    for (const { token } of join.claims ?? []) this.#order = Math.max(this.#order, token);
    this.#services.joined(session, join);
    this.#settling.open(session, join.firstUnsettled);
    for (const spec of join.slots) {
      const refusal = this.#register(session, spec);
      if (refusal !== undefined) throw new FrameFault(refusal.message);
    }
    this.#gate?.joined(session.peerId, join);
    if (this.#previousEpoch === undefined) return;
    this.#letIn(session, join.lastEpoch > 0);
    this.#presence.joined(session);
  }

  #letIn(session: Session, isLate: boolean): void {
    session.state = 'open';
    // ahead of OPEN: a peer that has read that has read these as well, however soon the link ends
    if (isLate) this.#tellLate(session);
    const open = { previous: this.#previousEpoch ?? 0, order: this.#order };
    this.#outlet.post(session, controlFrame('OPEN', this.#hostId.bytes, open));
    // who went on without a gap has seen them
    const fresh = session.join?.slots.filter((slot) => isLate || slot.new !== false);
    this.#retained.offer(session, fresh ?? []);
    this.#standby.consider(session);
    this.#onPeersChanged?.(this.#sessions.size);
  }

  /** A peer that was on the bus, and whom messages may have passed by: nobody knows how many. */
  #tellLate(session: Session): void {
    for (const { id, role, new: isNew } of session.join?.slots ?? []) {
      if (role !== 'slot' || isNew !== false) continue;
      this.#outlet.post(session, controlFrame('GAP', this.#hostId.bytes, { id }));
    }
  }

  #slotRequest(session: Session, bytes: Buffer, at: number, size: number): void {
    const request = readControl('SLOT request', bytes, at, size);
    if (request.do === 'close') return this.#unregister(session, request.id);
    const refusal = this.#register(session, request);
    const answer =
      refusal === undefined
        ? ({ do: 'opened', id: request.id, order: this.#order } as const)
        : ({ do: 'refused', id: request.id, ...refusal } as const);
    this.#outlet.post(session, controlFrame('SLOT answer', this.#hostId.bytes, answer));
    if (refusal === undefined) this.#retained.offer(session, [request]);
  }

  #register(session: Session, spec: SlotSpec): { code: string; message: string } | undefined {
    const { id, role, pattern, group } = spec;
    if (session.registrations.has(id)) throw new FrameFault(`slot ${id} is open already`);
    if (session.registrations.size >= MAX_SUBSCRIPTIONS_PER_PEER) {
      const call = role === 'slot' ? 'subscribe' : 'respond';
      const message = `${call}: ${MAX_SUBSCRIPTIONS_PER_PEER} slots and responders are open in this peer; close some, or use patterns`;
      return { code: 'MAILSLOT_QUOTA_EXCEEDED', message };
    }
    if (role === 'responder' && pattern.startsWith('$')) {
      return { code: 'MAILSLOT_NOT_PERMITTED', message: `only the host responds to "${pattern}"` };
    }
    const registration: Registration = {
      session,
      id,
      role,
      pattern,
      group,
      openQueries: 0,
      openMessages: 0,
      lastHanded: 0,
    };
    session.registrations.set(id, registration);
    this.#routes.add(registration);
    return undefined;
  }

  #unregister(session: Session, id: number): void {
    const registration = session.registrations.get(id);
    if (registration === undefined) return;
    session.registrations.delete(id);
    this.#routes.remove(registration);
    this.#groups.leave(session, registration);
    if (registration.role === 'responder') this.#queries.dropResponder(registration);
  }

  #acknowledge(session: Session, bytes: Buffer, at: number, size: number): void {
    const acknowledgements = readControl('ACK', bytes, at, size);
    this.#groups.acknowledge(session, acknowledgements);
    this.#settling.acknowledge(session, acknowledgements);
    if (readFlags(bytes, at) & Flag.ackSoon && session.sender !== undefined)
      this.#settling.hasten(session.sender);
    if (session.stalled) this.#revive(session);
  }

  #ping(session: Session, bytes: Buffer, at: number, size: number): void {
    if (readPing(bytes, at, size) === 'pong') return;
    this.#outlet.post(session, controlFrame('PING', this.#hostId.bytes, 'pong'));
  }

  #takeGoAway(session: Session): void {
    this.#goodbye(session, 'closed');
    session.pipe.end();
  }

  // — silence and stalls —

  #sweep(): void {
    const now = this.#clock.now();
    const suspended = now - this.#sweptAt > SWEEP_INTERVAL + STALL_THRESHOLD;
    this.#sweptAt = now;
    for (const session of [...this.#sessions.values()]) {
      // who was suspended itself has no right to judge: everybody gets a new start
      if (suspended) session.lastHeard = session.lastProgress = now;
      else this.#judge(session, now);
    }
    this.#settling.sweep();
    this.#retained.retry();
    this.#endTurn();
    this.#sweepTimer = this.#clock.setTimer(SWEEP_INTERVAL, () => this.#sweep());
  }

  #judge(session: Session, now: number): void {
    const silence = now - session.lastHeard;
    if (!session.backlogged) session.lastProgress = now;
    const stuck = now - session.lastProgress;
    const unanswered = session.pingedAt > session.lastHeard ? now - session.pingedAt : 0;
    if (silence > SILENCE_TIMEOUT && unanswered > UNANSWERED_AFTER) this.#announceSilence(session);
    if (silence > PING_AFTER && now - session.pingedAt > PING_AFTER) {
      session.pingedAt = now;
      this.#outlet.post(session, this.#pingFrame);
    }
    if (session.state === 'welcomed' && silence > SILENCE_TIMEOUT) {
      // it may have been suspended at that very moment: no reason to end its Bus
      this.#refuse(session, 'closed', 'JOIN did not come');
    }
    const owesInSilence = session.owes.size > 0 && silence > PEER_STALL_TIMEOUT;
    session.stuck = stuck > PEER_STALL_TIMEOUT;
    if (!session.stalled && (owesInSilence || session.stuck)) this.#stall(session);
  }

  #isSilent(session: Session): boolean {
    return this.#clock.now() - session.lastHeard > SILENCE_TIMEOUT;
  }

  /** Others are told that it is gone; its link stays, so that it misses nothing if it comes to itself in time. */
  #announceSilence(session: Session): void {
    if (session.isSilent || session.state !== 'open') return;
    session.isSilent = true;
    this.#services.silent(session);
    this.#presence.left(session, 'unresponsive');
    this.#services.publishWill(session);
  }

  #hear(session: Session): void {
    session.isSilent = false;
    this.#services.heard(session);
    this.#presence.joined(session);
  }

  #stall(session: Session): void {
    session.stalled = true;
    this.#groups.leave(session);
    this.#settling.release(session);
    this.#standby.dismiss(session);
  }

  #revive(session: Session): void {
    session.stalled = false;
    session.stuck = false;
    for (const [id, missed] of session.missed) {
      const notice = missed === undefined ? { id } : { id, missed };
      this.#outlet.post(session, controlFrame('GAP', this.#hostId.bytes, notice));
    }
    session.missed.clear();
    this.#standby.consider(session);
  }

  /** Counts, slot by slot, what a stalled peer does not get. */
  #countMissed(session: Session, run: Buffer): void {
    for (let at = 0; at < run.length; at += frameSize(run, at, run.length)) {
      // only the peer knows whether it had got this one from the host before
      const count = readFlags(run, at) & Flag.resent ? undefined : messageCount(run, at);
      for (const slot of this.#routes.slotsOf(readSubject(run, at), session)) session.miss(slot.id, count);
    }
  }

  // — what is not from a peer's present link, or not for its receivers —

  #relayWill(frame: Buffer): void {
    if (readFlags(frame, 0) & Flag.retain) this.#retained.keepWill(frame);
    const { grouping, sessions } = this.#routes.targetsOf(readSubject(frame, 0));
    if (grouping !== undefined) this.#groups.tell(assignMembers(grouping), frame);
    else {
      for (const session of sessions) {
        if (session.stalled) this.#countMissed(session, frame);
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
    for (const registration of session.registrations.values()) this.#routes.remove(registration);
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
