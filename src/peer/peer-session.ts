// One link as the peer sees it: WELCOME, JOIN, OPEN, then frames both ways until it ends. It takes the stream
// apart, hands each frame to whom it concerns, and keeps what is sent in order. Nothing here outlives the link.
import { isErrorCode, MailslotError } from '../errors.js';
import {
  PEER_PING_DELAY,
  PING_INTERVAL,
  PONG_TIMEOUT,
  STALL_THRESHOLD,
  STANDBY_PING_DELAY,
} from '../limits.js';
import type { Link } from '../transport/link.js';
import type { Clock, Timer } from '../util/clock.js';
import { PartQueue } from '../util/part-queue.js';
import {
  controlFrame,
  type GapNotice,
  type GoAway,
  type Join,
  type Note,
  type Open,
  readControl,
  readPing,
  type SlotAnswer,
  type StandbyNotice,
  type Welcome,
} from '../wire/control.js';
import { Flag, FrameFault, Kind } from '../wire/frame.js';
import { FrameSplitter } from '../wire/frame-splitter.js';
import { FrameWalker } from '../wire/frame-walker.js';
import { isPeerIdAt, type PeerId } from '../wire/peer-id.js';
import type { Asker } from './asker.js';
import { ChunkHold } from './chunk-hold.js';
import type { FileMessages } from './file-messages.js';
import type { Inbox } from './inbox.js';
import type { Outbox } from './outbox.js';
import { ReadingWatch } from './reading-watch.js';
import type { Responders } from './responder.js';
import type { SenderRecord } from './sender-records.js';

export interface PeerSessionOptions {
  clock: Clock;
  link: Link;
  peerId: PeerId;
  inbox: Inbox;
  outbox: Outbox;
  files: FileMessages;
  asker: Asker;
  responders: Responders;
  /** What this peer brings; asked for when WELCOME has come. */
  join(): Join;
  /** The gate is open: everything flows from here on. */
  onOpen(open: Open, welcome: Welcome): void;
  onSlotAnswer(answer: SlotAnswer): void;
  /** The host has named its standby: this peer or another one. */
  onStandby(isOwn: boolean): void;
  /** Called once. An error with a fatal code ends the Bus, any other end is followed by another link. */
  onEnd(cause: Error | undefined): void;
}

/** How often it is looked at whether messages may be missing, while that is not known. */
const DOUBT_INTERVAL = 1_000;
/** How long a goodbye may take to be read. */
const LEAVE_TIMEOUT = 1_000;

export class PeerSession {
  readonly #options: PeerSessionOptions;
  readonly #splitter: FrameSplitter;
  readonly #parts = new PartQueue();
  readonly #walker = new FrameWalker();
  #state: 'greeting' | 'joined' | 'open' | 'ended' = 'greeting';
  #welcome: Welcome | undefined;
  #flushing = false;
  #receiving = false;
  /** The chunk that is being taken apart. */
  #chunk: Buffer | undefined;
  #hold: ChunkHold | undefined;
  readonly #reading: ReadingWatch;
  /** Of before OPEN: what was missed is told when the bus is connected again. */
  #earlyGaps: GapNotice[] = [];
  /** What the host said of the next frame, when that was not here yet. */
  #note: Note | undefined;
  #lastHeard: number;
  /** When silence is looked at next. */
  #lookAt = 0;
  #lookTimer: Timer | undefined;
  /** When this peer asked a host of which it had heard nothing. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #isStandby = false;
  #pong: Buffer | undefined;
  #overdueSince: number | undefined;

  constructor(options: PeerSessionOptions) {
    this.#options = options;
    const { clock, link } = options;
    this.#splitter = new FrameSplitter((bytes, start, end) => this.#takeFrames(bytes, start, end));
    this.#lastHeard = clock.now();
    this.#reading = new ReadingWatch(this.#lastHeard);
    this.#lookAfter(this.#patience);
    link.pipe.handlers = {
      data: (chunk) => this.#receive(chunk),
      place: () => (this.#state === 'ended' ? undefined : this.#splitter.place),
      drained() {},
      closed: (cause) => this.end(cause),
    };
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether the host may have dropped messages for this peer without having told it. */
  get mayHaveMissed(): boolean {
    return this.#reading.mayHaveMissed;
  }

  /** When the host should have been heard, monotonic; undefined unless that is why the session has ended. */
  get overdueSince(): number | undefined {
    return this.#overdueSince;
  }

  /** Bytes on their way out of this process. */
  get queuedBytes(): number {
    return this.#options.link.pipe.queuedBytes;
  }

  /** Sends a frame behind everything published before it; false when the gate is not open. */
  send(frame: Uint8Array): boolean {
    if (this.#state !== 'open') return false;
    this.#options.outbox.take(this.#parts);
    this.#queue(frame);
    return true;
  }

  /** Sends what is pending soon; several calls in one tick make one write. */
  scheduleFlush(): void {
    if (this.#flushing || this.#state === 'ended') return;
    this.#flushing = true;
    // what a chunk makes this peer say goes out at its end
    if (this.#receiving) return;
    this.#options.clock.defer(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'open') this.#options.outbox.take(this.#parts);
    if (!this.#parts.isEmpty) this.#options.link.pipe.write(this.#parts.take());
  }

  /** Says goodbye, after everything that is pending; resolves when the host has read that, or does not in time. */
  leave(): Promise<void> {
    const { clock, link, peerId } = this.#options;
    if (this.#state === 'ended') return Promise.resolve();
    const goodbye = controlFrame('GOAWAY', peerId.bytes, { code: 'closed', reason: '' });
    if (!this.send(goodbye)) this.#queue(goodbye);
    this.flush();
    this.end(undefined);
    return new Promise((resolve) => {
      const timer = clock.setTimer(LEAVE_TIMEOUT, () => link.pipe.destroy());
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      // the host closes: if we did, what it just writes would fail there, and the goodbye be thrown away unread
      link.pipe.handlers = { data: (chunk) => link.pipe.recycle(chunk), drained() {}, closed: done };
    });
  }

  /** Ends the session; the link is closed if it is not yet. */
  end(cause: Error | undefined): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#reading.awake(this.#options.clock.now());
    this.#lookTimer?.cancel();
    if (cause !== undefined) this.#options.link.pipe.destroy();
    this.#options.onEnd(cause);
  }

  #queue(frame: Uint8Array): void {
    this.#parts.push(frame);
    this.scheduleFlush();
  }

  #receive(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    const { clock, link, inbox } = this.#options;
    this.#lastHeard = clock.now();
    this.#reading.awake(this.#lastHeard);
    const hold = new ChunkHold(chunk, () => link.pipe.recycle(chunk));
    // for the walk itself: messages may come and go while it lasts
    hold.messages += 1;
    this.#chunk = chunk;
    this.#hold = hold;
    this.#receiving = true;
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error;
      this.#violation(error.message);
    }
    this.#chunk = undefined;
    hold.letGo();
    inbox.flush();
    this.#receiving = false;
    if (!this.#flushing) return;
    this.#flushing = false;
    this.flush();
  }

  #takeFrames(bytes: Buffer, start: number, end: number): number {
    const { inbox } = this.#options;
    const hold = this.#holdOf(bytes);
    const walker = this.#walker;
    walker.begin(bytes, start, end);
    if (this.#note !== undefined) this.#takeNoted(this.#note);
    while (walker.next()) {
      if (walker.kind === Kind.publish) {
        const from = walker.flags & Flag.file ? this.#takeFile() : inbox.take(walker, hold);
        if (walker.flags & Flag.ackSoon) inbox.hasten(from);
      } else {
        this.#takeOther(walker.kind, bytes, walker.at, walker.size);
      }
      if (this.#state === 'ended') return end;
    }
    return walker.at;
  }

  /** Takes the message at which the walker stands, whose data is in a file. */
  #takeFile(): SenderRecord {
    const { inbox, files } = this.#options;
    const walker = this.#walker;
    // what came before may have no file any more, and needs none
    const whole = inbox.hasRead(walker) ? undefined : files.read(walker);
    if (whole === undefined) return inbox.take(walker, this.#holdOf(walker.bytes));
    // for the taking itself, as with a chunk
    whole.hold.messages += 1;
    const from = inbox.take(whole.walker, whole.hold);
    whole.hold.letGo();
    return from;
  }

  #holdOf(bytes: Buffer): ChunkHold | undefined {
    return bytes === this.#chunk ? this.#hold : new ChunkHold(bytes);
  }

  /** Takes the frame behind a NOTE, or remembers the NOTE until that comes. */
  #takeNoted(note: Note): void {
    const { inbox } = this.#options;
    const walker = this.#walker;
    this.#note = note;
    if (!walker.next()) return;
    this.#note = undefined;
    const { kind } = walker;
    if ((kind !== Kind.publish && (kind < 16 || kind > 19)) || walker.flags & Flag.batch)
      throw new FrameFault(`a NOTE came before a frame of kind ${kind} with the flags ${walker.flags}`);
    const whole = walker.flags & Flag.file ? this.#options.files.read(walker) : undefined;
    const from = inbox.takeNoted(note, whole?.walker ?? walker, whole?.hold ?? this.#holdOf(walker.bytes));
    if (walker.flags & Flag.ackSoon && note.retained !== true) inbox.hasten(from);
    // the next one may be alike, but not for the same slots
    walker.forget();
  }

  #takeOther(kind: number, bytes: Buffer, at: number, size: number): void {
    const { inbox, outbox, asker, responders } = this.#options;
    switch (kind) {
      case Kind.reply:
        return asker.takeReply(bytes, at, size);
      case Kind.query:
        return responders.takeQuery(bytes, at, size);
      case Kind.credit:
        return responders.takeCredit(bytes, at, size);
      case Kind.cancel:
        return responders.cancel(bytes, at);
      case Kind.ack:
        return inbox.hastenAll(readControl('ACKNOW', bytes, at, size));
      case Kind.settled:
        return outbox.settle(readControl('SETTLED', bytes, at, size));
      case Kind.note:
        return this.#takeNoted(readControl('NOTE', bytes, at, size));
      case Kind.gap:
        return this.#takeGap(readControl('GAP', bytes, at, size));
      case Kind.welcome:
        return this.#takeWelcome(readControl('WELCOME', bytes, at, size));
      case Kind.open:
        return this.#takeOpen(readControl('OPEN', bytes, at, size));
      case Kind.slot:
        return this.#options.onSlotAnswer(readControl('SLOT answer', bytes, at, size));
      case Kind.standby:
        return this.#takeStandby(readControl('STANDBY', bytes, at, size));
      case Kind.ping:
        return this.#takePing(readPing(bytes, at, size));
      case Kind.goaway:
        return this.#takeGoAway(readControl('GOAWAY', bytes, at, size));
      default:
        if (kind < 16 || kind > 23) throw new FrameFault(`a host does not send frames of kind ${kind}`);
        // messages of a kind that a later minor version adds; those above are for peers to take or leave
        if (kind < 20) inbox.skip(bytes, at);
    }
  }

  #takeWelcome(welcome: Welcome): void {
    if (this.#state !== 'greeting' || this.#welcome !== undefined) throw new FrameFault('WELCOME came twice');
    this.#welcome = welcome;
    this.#state = 'joined';
    this.#queue(controlFrame('JOIN', this.#options.peerId.bytes, this.#options.join()));
  }

  #takeOpen(open: Open): void {
    if (this.#state !== 'joined' || this.#welcome === undefined)
      throw new FrameFault('OPEN came before WELCOME, or twice');
    this.#state = 'open';
    this.#options.onOpen(open, this.#welcome);
    for (const gap of this.#earlyGaps.splice(0)) this.#options.inbox.takeGap(gap);
  }

  #takeGap(gap: GapNotice): void {
    if (this.#state === 'open') this.#options.inbox.takeGap(gap);
    else this.#earlyGaps.push(gap);
  }

  #takeStandby({ id }: StandbyNotice): void {
    const wasStandby = this.#isStandby;
    this.#isStandby = id !== undefined && isPeerIdAt(this.#options.peerId, id, 0);
    if (this.#isStandby && !wasStandby) this.#lookAfter(STANDBY_PING_DELAY);
    this.#options.onStandby(this.#isStandby);
  }

  #takePing(word: 'ping' | 'pong'): void {
    if (word === 'pong') return this.#reading.ponged();
    this.#pong ??= controlFrame('PING', this.#options.peerId.bytes, 'pong');
    this.#queue(this.#pong);
  }

  #takeGoAway({ code, reason }: GoAway): void {
    if (!isErrorCode(code)) {
      this.end(undefined);
      return this.#options.link.pipe.destroy();
    }
    this.end(new MailslotError(code, `the host ended the link: ${reason}`));
  }

  #violation(reason: string): void {
    const data = { code: 'MAILSLOT_PROTOCOL_VIOLATION', reason };
    this.#queue(controlFrame('GOAWAY', this.#options.peerId.bytes, data));
    this.flush();
    this.end(new MailslotError('MAILSLOT_PROTOCOL_VIOLATION', `the host broke the protocol: ${reason}`));
  }

  /** Notices a host that says nothing any more. */
  #look(): void {
    const { clock, peerId } = this.#options;
    const now = clock.now();
    this.#reading.awake(now);
    // who was suspended itself has no right to judge
    if (now - this.#lookAt > STALL_THRESHOLD) this.#lastHeard = now;
    const silence = now - this.#lastHeard;
    if (this.#askedAt > this.#lastHeard && now - this.#askedAt >= PONG_TIMEOUT) {
      this.#overdueSince = this.#lastHeard + PING_INTERVAL;
      const message = `the host has said nothing for ${Math.round(silence)} ms`;
      return this.end(new MailslotError('MAILSLOT_UNREACHABLE', message));
    }
    const isEven = this.#options.inbox.isEven;
    const patience = this.#patience;
    const isQuiet = silence >= patience;
    if (isQuiet) this.#askedAt = now;
    if (isQuiet || this.#reading.wantsPing(isEven)) {
      this.#queue(controlFrame('PING', peerId.bytes, 'ping'));
      this.#reading.pinged(isEven);
    }
    const next = isQuiet ? PONG_TIMEOUT : patience - silence;
    this.#lookAfter(this.#reading.mayHaveMissed ? Math.min(next, DOUBT_INTERVAL) : next);
  }

  /** Silence after which this peer asks. While a bus comes together, everybody is as quick as the standby. */
  get #patience(): number {
    return this.#isStandby || this.#state !== 'open' ? STANDBY_PING_DELAY : PEER_PING_DELAY;
  }

  #lookAfter(delay: number): void {
    const { clock } = this.#options;
    // a timer of Node fires up to 1 ms early
    this.#lookAt = clock.now() + delay + 1;
    this.#lookTimer?.cancel();
    this.#lookTimer = clock.setTimer(delay + 1, () => this.#look());
  }
}
