// The queue of a slot that drops without ever making anybody wait: `drop-newest`, `drop-incoming` and `conflate`.
// Where messages were dropped a marker takes their place, if markers are wanted; two side by side become one, so that
// there are never many more markers than messages. `wait` and `drop-oldest` are the plain queue's, see slot.ts.
//
//   shift ←  [ message ⇄ marker ⇄ message ⇄ … ]  ← push
import type { Overflow } from './api.js';
import type { Gap } from './gap.js';
import type { IncomingMessage } from './message.js';
import type { MessageBatch } from './message-batch.js';
import { type Capacity, type Entry, SlotQueue } from './slot-queue.js';

type Policy = Exclude<Overflow, 'wait' | 'drop-oldest'>;

export interface QueueOptions {
  overflow: Overflow;
  capacity: number;
  capacityBytes: number;
  /** Whether markers are wanted. */
  gaps: boolean;
}

/**
 * The queue that a slot with these options needs.
 * @param expire takes out what has outlived its time; called before something else is dropped
 */
export function queueFor(options: QueueOptions, expire: () => void): SlotQueue {
  const { overflow, capacity, capacityBytes, gaps } = options;
  const limits = { messages: capacity, bytes: capacityBytes };
  if (overflow === 'wait' || overflow === 'drop-oldest') return new SlotQueue(limits);
  return new SheddingQueue(limits, { policy: overflow, gaps, expire });
}

/** A message, or a marker for so many. */
interface Link {
  message: IncomingMessage | undefined;
  missed: number | undefined;
  before: Link;
  after: Link;
}

export class SheddingQueue extends SlotQueue {
  readonly #limits: Capacity;
  readonly #policy: Policy;
  readonly #gaps: boolean;
  readonly #expire: () => void;
  /** Stands behind the last link and before the first. */
  readonly #ends: Link;
  /** `conflate` only: the message of each subject. */
  readonly #newest = new Map<string, Link>();
  #shed = 0;

  constructor(limits: Capacity, options: { policy: Policy; gaps: boolean; expire(): void }) {
    super(limits);
    this.#limits = limits;
    this.#policy = options.policy;
    this.#gaps = options.gaps;
    this.#expire = options.expire;
    this.#ends = endless();
  }

  override get isEmpty(): boolean {
    return this.#ends.after === this.#ends;
  }

  /** Whether messages were dropped that {@link takeShed} has not told of; none ever waits for room. */
  override get isOver(): boolean {
    return this.#shed > 0;
  }

  override get waiting(): number {
    return 0;
  }

  /** How many messages were dropped since the last call. */
  takeShed(): number {
    const shed = this.#shed;
    this.#shed = 0;
    return shed;
  }

  override push(message: IncomingMessage): void {
    // its neighbours may be dropped, and it must not keep the memory of all of them
    message.copyOut();
    if (this.length > 0 && !this.#hasRoom(message.size)) this.#expire();
    if (this.#policy === 'drop-incoming') this.#pushIfFitting(message);
    else if (this.#policy === 'drop-newest') this.#pushOverNewest(message);
    else this.#pushOverOlder(message);
  }

  override pushBatch(batch: MessageBatch): void {
    while (batch.length > 0) this.push(batch.shift());
  }

  override pushGap({ gap }: Gap): void {
    this.#mark(this.#ends.before, gap.missed);
  }

  override shift(): Entry | undefined {
    const first = this.#ends.after;
    if (first === this.#ends) return undefined;
    const { message } = first;
    this.#unlink(first);
    if (message === undefined) return { gap: { missed: first.missed } };
    this.#leaves(first, message);
    return message;
  }

  override peek(): IncomingMessage | undefined {
    let link = this.#ends.after;
    while (link.message === undefined && link !== this.#ends) link = link.after;
    return link.message;
  }

  override firstUntaken(): undefined {
    return undefined;
  }

  override clear(): number {
    const { length } = this;
    this.#ends.before = this.#ends.after = this.#ends;
    this.#newest.clear();
    this.length = 0;
    this.bytes = 0;
    return length;
  }

  #pushIfFitting(message: IncomingMessage): void {
    if (this.length === 0 || message.retained || this.#hasRoom(message.size)) this.#append(message);
    else this.#countShed(this.#ends.before);
  }

  #pushOverNewest(message: IncomingMessage): void {
    const link = this.#append(message);
    // a last value that was kept comes in whatever the capacity
    if (message.retained) return;
    while (this.#isTooFull) this.#drop(lastMessage(link.before));
  }

  #pushOverOlder(message: IncomingMessage): void {
    const older = this.#newest.get(message.subject);
    if (older !== undefined) this.#drop(older);
    this.#newest.set(message.subject, this.#append(message));
    if (message.retained) return;
    while (this.#isTooFull) this.#drop(firstMessage(this.#ends.after));
  }

  #hasRoom(size: number): boolean {
    return this.length < this.#limits.messages && this.bytes + size <= this.#limits.bytes;
  }

  get #isTooFull(): boolean {
    const { messages, bytes } = this.#limits;
    return (this.length > messages || this.bytes > bytes) && this.length > 1;
  }

  #append(message: IncomingMessage): Link {
    this.length += 1;
    this.bytes += message.size;
    return insert(message, undefined, this.#ends.before);
  }

  #drop(link: Link): void {
    this.#leaves(link, link.message!);
    this.#unlink(link);
    this.#countShed(link.before);
  }

  #countShed(before: Link): void {
    this.#shed += 1;
    if (this.#gaps) this.#mark(before, 1);
  }

  /** Puts a marker behind `before`, or into the one that is there on either side. */
  #mark(before: Link, missed: number | undefined): void {
    if (this.#joins(before, missed)) {
      join(before, missed);
      this.#joinNext(before);
    } else {
      this.#joinNext(insert(undefined, missed, before));
    }
  }

  #joinNext(marker: Link): void {
    const { after } = marker;
    if (!this.#joins(after, marker.missed)) return;
    join(marker, after.missed);
    this.#unlink(after);
  }

  /** An exact number is not lost in one that nobody knows: these two stay side by side. */
  #joins(link: Link, missed: number | undefined): boolean {
    const isMarker = link.message === undefined && link !== this.#ends;
    return isMarker && (link.missed === undefined) === (missed === undefined);
  }

  #leaves(link: Link, message: IncomingMessage): void {
    this.length -= 1;
    this.bytes -= message.size;
    if (this.#newest.get(message.subject) === link) this.#newest.delete(message.subject);
  }

  #unlink({ before, after }: Link): void {
    before.after = after;
    after.before = before;
  }
}

/** A list without anything in it: the link between its end and its beginning. */
function endless(): Link {
  const nobody = undefined as unknown as Link;
  const ends: Link = { message: undefined, missed: undefined, before: nobody, after: nobody };
  ends.before = ends.after = ends;
  return ends;
}

// a link is made for every message: written out, all links have one hidden class
function insert(message: Link['message'], missed: Link['missed'], before: Link): Link {
  const { after } = before;
  const link = { message, missed, before, after };
  before.after = link;
  after.before = link;
  return link;
}

function join(marker: Link, missed: number | undefined): void {
  marker.missed = marker.missed === undefined || missed === undefined ? undefined : marker.missed + missed;
}

/** From here backwards; there must be one. */
function lastMessage(link: Link): Link {
  let last = link;
  while (last.message === undefined) last = last.before;
  return last;
}

/** From here on; there must be one. */
function firstMessage(link: Link): Link {
  let first = link;
  while (first.message === undefined) first = first.after;
  return first;
}
