// Pipes between two simulated threads, as unkind as sockets may be: bytes take their time, arrive in pieces cut
// anywhere, a write may take only a part of what it is given (the rest is queued, as after EAGAIN), and whoever dies
// takes along what was not read yet, from any byte on. Two things no socket does help to find bugs: a part that
// changes while it waits to be written is an error, and a chunk that is given back is overwritten at once.
import type { Pipe, PipeHandlers } from '../../src/transport/pipe.js';
import { PipeInbox } from '../../src/transport/pipe-inbox.js';
import { Rank } from './agenda.js';
import type { Dice } from './dice.js';
import type { Thread } from './thread.js';

/** What pipes of one run have in common. */
export interface PipeWeather {
  /** Longest time that bytes take, ms. */
  delay: number;
  /** What the system takes while nobody reads, bytes. */
  capacity: number;
  /** Probability that a write takes only a part. */
  partialWrites: number;
  /** Probability that what arrived is read in two pieces. */
  splits: number;
}

interface Queued {
  readonly part: Uint8Array;
  /** What the part held when it was written, while it waits. */
  readonly copy: Buffer;
  at: number;
  readonly onWritten: (() => void) | undefined;
}

/** Where they are. */
export interface PipeSite {
  readonly dice: Dice;
  readonly weather: PipeWeather;
  /** Notes that this happened once more. */
  count(what: string): void;
}

export type Sniff = (bytes: Buffer) => void;

/** Two ends of one pipe; `sniff` sees what each end is about to be given. */
export function simPipePair(
  site: PipeSite,
  ends: readonly [{ thread: Thread; sniff: Sniff }, { thread: Thread; sniff: Sniff }],
): [SimPipe, SimPipe] {
  const [a, b] = ends.map((end) => new SimPipe(site, end)) as [SimPipe, SimPipe];
  a.attach(b);
  b.attach(a);
  return [a, b];
}

export class SimPipe implements Pipe {
  readonly #site: PipeSite;
  readonly #dice: Dice;
  readonly #weather: PipeWeather;
  readonly #thread: Thread;
  readonly #sniff: Sniff;
  readonly #inbox: PipeInbox;
  #other: SimPipe | undefined;
  #state: 'open' | 'ending' | 'gone' = 'open';
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #owesDrained = false;
  #pumpPosted = false;
  /** Arrived or on the way: chunks that nobody has read. */
  #incoming: Buffer[] = [];
  #incomingBytes = 0;
  #incomingEnds = false;
  #readPosted = false;
  readonly #lent = new Set<Buffer>();

  constructor(site: PipeSite, { thread, sniff }: { thread: Thread; sniff: Sniff }) {
    this.#site = site;
    this.#dice = site.dice;
    this.#weather = site.weather;
    this.#thread = thread;
    this.#sniff = sniff;
    this.#inbox = new PipeInbox(thread.clock);
  }

  attach(other: SimPipe): void {
    this.#other = other;
  }

  get handlers(): PipeHandlers | undefined {
    return this.#inbox.handlers;
  }

  set handlers(handlers: PipeHandlers | undefined) {
    this.#inbox.handlers = handlers;
    if (this.#incomingBytes > 0 || this.#incomingEnds) this.#readLater();
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get gone(): boolean {
    return this.#state === 'gone';
  }

  write(parts: readonly Uint8Array[], onWritten?: () => void): void {
    if (this.#state !== 'open' || parts.length === 0) return onWritten?.();
    const wasIdle = this.#queue.length === 0;
    for (const [index, part] of parts.entries()) {
      const last = index === parts.length - 1;
      this.#queue.push({ part, copy: Buffer.from(part), at: 0, onWritten: last ? onWritten : undefined });
      this.#queuedBytes += part.length;
    }
    if (wasIdle) this.#pump();
    if (this.#queuedBytes > 0) this.#owesDrained = true;
  }

  unread(chunk: Buffer): void {
    this.#inbox.unread(chunk);
  }

  recycle(chunk: Buffer): void {
    if (this.#lent.delete(chunk)) chunk.fill(0xa5);
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    if (this.#queue.length === 0) this.#endNow();
  }

  destroy(cause?: Error): void {
    if (this.#state === 'gone') return;
    this.#inbox.discard();
    this.#leave(cause);
    this.#other!.#hearEnd();
  }

  /** Its process died: nothing is told here, and what the other end had not read may be lost from any byte on. */
  kill(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    const other = this.#other!;
    if (this.#dice.chance(0.5)) other.#loseIncoming();
    other.#hearEnd();
  }

  // — writing —

  #pump(): void {
    const other = this.#other!;
    if (this.#state === 'gone' || this.#queue.length === 0) return;
    let room = this.#weather.capacity - other.#incomingBytes;
    const isPartial = this.#dice.chance(this.#weather.partialWrites);
    if (isPartial) {
      this.#site.count('partial write');
      room = Math.min(room, this.#dice.between(0, this.#queuedBytes));
    }
    const accepted: Uint8Array[] = [];
    while (this.#queue.length > 0 && room > 0) room -= this.#writeSome(this.#queue[0]!, room, accepted);
    if (accepted.length > 0) other.#arrive(Buffer.concat(accepted));
    if (this.#queue.length > 0) {
      if (isPartial) this.#pumpLater(this.#dice.delay(0, 5));
      return;
    }
    if (this.#owesDrained) {
      this.#owesDrained = false;
      this.#thread.post(0, Rank.io, () => this.#inbox.drained());
    }
    if (this.#state === 'ending') this.#endNow();
  }

  #writeSome(queued: Queued, room: number, accepted: Uint8Array[]): number {
    const { part, copy, at, onWritten } = queued;
    const size = Math.min(room, part.length - at);
    if (!copy.equals(part)) throw new Error('bytes changed between write() and the end of the writing');
    accepted.push(copy.subarray(at, at + size));
    queued.at += size;
    this.#queuedBytes -= size;
    if (queued.at < part.length) return size;
    this.#queue.shift();
    if (onWritten !== undefined) this.#thread.post(0, Rank.io, onWritten);
    return size;
  }

  #pumpLater(delay: number): void {
    if (this.#pumpPosted) return;
    this.#pumpPosted = true;
    this.#thread.post(delay, Rank.io, () => {
      this.#pumpPosted = false;
      this.#pump();
    });
  }

  // — reading —

  #arrive(bytes: Buffer): void {
    if (this.#state === 'gone' || this.#incomingEnds) return;
    this.#incoming.push(bytes);
    this.#incomingBytes += bytes.length;
    this.#readLater();
  }

  #readLater(): void {
    if (this.#readPosted || this.#state === 'gone') return;
    this.#readPosted = true;
    this.#thread.post(this.#dice.delay(0.01, this.#weather.delay), Rank.io, () => {
      this.#readPosted = false;
      this.#read();
    });
  }

  #read(): void {
    if (this.#state === 'gone' || this.#inbox.handlers === undefined) return;
    // nobody else has what arrived, so that pieces of it may be given away
    const all = this.#incoming.length === 1 ? this.#incoming[0]! : Buffer.concat(this.#incoming);
    this.#incoming = [];
    const cut = all.length > 1 && this.#dice.chance(this.#weather.splits);
    const chunk = cut ? all.subarray(0, this.#dice.between(1, all.length - 1)) : all;
    if (cut) {
      this.#site.count('split');
      this.#incoming.push(all.subarray(chunk.length));
    }
    this.#incomingBytes = all.length - chunk.length;
    if (chunk.length > 0) this.#deliver(chunk);
    this.#other!.#pumpLater(this.#dice.delay(0, 0.2));
    if (cut || (this.#incomingEnds && chunk.length > 0)) this.#readLater();
    else if (this.#incomingEnds) this.#leave(undefined);
  }

  #deliver(chunk: Buffer): void {
    this.#sniff(chunk);
    this.#lent.add(chunk);
    this.#inbox.data(chunk);
  }

  // — ending —

  #endNow(): void {
    this.#leave(undefined);
    this.#other!.#hearEnd();
  }

  #hearEnd(): void {
    if (this.#state === 'gone') return;
    this.#incomingEnds = true;
    this.#readLater();
  }

  #loseIncoming(): void {
    const all = Buffer.concat(this.#incoming);
    const kept = all.subarray(0, this.#dice.between(0, all.length));
    this.#incoming = [kept];
    this.#incomingBytes = kept.length;
  }

  #leave(cause: Error | undefined): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    const unwritten = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const { onWritten } of unwritten) if (onWritten) this.#thread.post(0, Rank.io, onWritten);
    this.#thread.post(0, Rank.io, () => this.#inbox.closed(cause));
  }
}
