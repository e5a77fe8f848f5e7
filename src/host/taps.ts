// Taps: peers that get a copy of what the host relays, as replies to a query of theirs that stays open. Copies go a
// way of their own: nobody waits for a tap, and what would have to wait too long for it is dropped and counted.
import { MAX_FRAME_BYTES, TAP_QUEUE_BYTES } from '../limits.js';
import { type MessageFiles, readWholeFrame } from '../transport/message-files.js';
import { controlFrame, type TapRequest } from '../wire/control.js';
import {
  At,
  Flag,
  FrameFault,
  frameSize,
  Kind,
  messageCount,
  readFlags,
  readSubject,
  readU64,
} from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import { matches } from '../wire/subject.js';
import type { Outlet } from './outlet.js';
import type { Session } from './session.js';

interface Tap {
  readonly session: Session;
  readonly query: number;
  readonly pattern: string | undefined;
  /** Since the last copy that was sent. */
  dropped: number;
}

export class Taps {
  readonly #outlet: Outlet;
  readonly #hostId: PeerId;
  readonly #files: MessageFiles | undefined;
  #taps: Tap[] = [];
  /** What the host said itself in this turn: it goes behind what it answers. */
  #said: Buffer[] = [];

  constructor(options: { outlet: Outlet; hostId: PeerId; files: MessageFiles | undefined }) {
    this.#outlet = options.outlet;
    this.#hostId = options.hostId;
    this.#files = options.files;
  }

  /** Whether anybody wants copies: to be asked before {@link copy}, once per chunk. */
  get isActive(): boolean {
    return this.#taps.length > 0;
  }

  open(session: Session, query: number, { pattern }: TapRequest): void {
    if (this.#find(session, query) !== undefined) throw new FrameFault(`QUERY ${query} is open already`);
    this.#taps.push({ session, query, pattern, dropped: 0 });
    // an empty one says that the tap is open
    this.#send(this.#taps.at(-1)!, []);
  }

  /** Returns whether there was such a tap. */
  cancel(session: Session, query: number): boolean {
    const tap = this.#find(session, query);
    this.#taps = this.#taps.filter((other) => other !== tap);
    return tap !== undefined;
  }

  left(session: Session): void {
    this.#taps = this.#taps.filter((tap) => tap.session !== session);
  }

  /** The host says this itself. */
  say(frame: Buffer): void {
    if (this.isActive) this.#said.push(frame);
  }

  /** The turn ends: what the host said is copied. */
  flush(): void {
    if (this.#said.length === 0) return;
    const said = Buffer.concat(this.#said.splice(0));
    this.copy(undefined, said, 0, said.length);
  }

  /** Copies what was relayed of these frames; a tap does not see its own. */
  copy(from: Session | undefined, bytes: Buffer, start: number, end: number): void {
    const frames: { subject: string; part: Buffer | undefined; count: number }[] = [];
    const others = this.#taps.filter((tap) => tap.session !== from);
    for (let at = start; at < end; ) {
      const size = frameSize(bytes, at, end);
      if (isRelayed(bytes, at)) {
        const subject = readSubject(bytes, at);
        // not what nobody wants: its data may have to be read from a file
        if (others.some((tap) => isWanted(tap, subject)))
          frames.push({ subject, part: this.#partOf(bytes, at, size), count: messageCount(bytes, at) });
      }
      at += size;
    }
    if (frames.length === 0) return;
    for (const tap of others) {
      const parts: Buffer[] = [];
      for (const { subject, part, count } of frames) {
        if (!isWanted(tap, subject)) continue;
        if (part === undefined) tap.dropped += count;
        else parts.push(part);
      }
      if (parts.length > 0) this.#send(tap, parts);
    }
  }

  /** The whole frame, also where its data is in a file: that may be gone when a tap comes to it. */
  #partOf(bytes: Buffer, at: number, size: number): Buffer | undefined {
    if (!(readFlags(bytes, at) & Flag.file)) return bytes.subarray(at, at + size);
    return this.#files && readWholeFrame(this.#files, { bytes, at, size }, MAX_FRAME_BYTES);
  }

  #send(tap: Tap, parts: readonly Buffer[]): void {
    const { session, query, dropped } = tap;
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (session.pipe.queuedBytes + size > TAP_QUEUE_BYTES) {
      for (const part of parts) tap.dropped += messageCount(part, 0);
      return;
    }
    tap.dropped = 0;
    const fields = { to: session.peerId.bytes, ref: query, flags: Flag.more };
    const copies = { frames: Buffer.concat(parts), dropped };
    this.#outlet.post(session, controlFrame('tap REPLY', this.#hostId.bytes, copies, fields));
  }

  #find(session: Session, query: number): Tap | undefined {
    return this.#taps.find((tap) => tap.session === session && tap.query === query);
  }
}

/** Replies name no subject: whoever reads the copies knows which query they belong to. */
function isWanted({ pattern }: Tap, subject: string): boolean {
  return pattern === undefined || subject === '' || matches(pattern, subject);
}

/** Whether it is for other peers. A message without an order came twice, and went to nobody the second time. */
function isRelayed(bytes: Buffer, at: number): boolean {
  const kind = bytes[at + At.kind]!;
  if (kind === Kind.publish || (kind >= 16 && kind < 20)) return readU64(bytes, at + At.order) > 0;
  return kind === Kind.query || kind === Kind.reply || kind === Kind.credit || kind === Kind.cancel;
}
