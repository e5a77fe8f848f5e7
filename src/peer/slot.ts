// A slot: a queue with its policy, and the ways to read it. Messages are offered by the inbox; what the slot
// does to acknowledgements, events and the host it asks of its owner.
import PQueue from 'p-queue';
import { MailslotError } from '../errors.js';
import { MAX_TIMEOUT } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import { type Inspect, inspected, show } from '../util/inspection.js';
import type { DropsByCause, Overflow, Slot, SlotInfo } from './api.js';
import { type Gap, isGap } from './gap.js';
import { type IncomingMessage, type Message, SpecialMessage } from './message.js';
import type { MessageBatch } from './message-batch.js';
import { checkHandler, checkNumber, checkOptions, checkSignal } from './options.js';
import { queueFor, SheddingQueue } from './overflow.js';
import type { SenderRecord } from './sender-records.js';
import type { Entry, SlotQueue } from './slot-queue.js';

/** What a slot needs of its Bus. */
export interface SlotOwner {
  /** Messages that had to wait were taken: acknowledgements may be due. */
  taken(): void;
  gap(slot: OpenSlot, missed: number | undefined, blame?: Blame): void;
  /** Messages began to wait for room. */
  full(slot: OpenSlot): void;
  slow(slot: OpenSlot): void;
  /** A member of its group is about to leave: what it has taken is to be acknowledged first. */
  leaving?(slot: OpenSlot): void;
  /** The slot wants no more messages. */
  left(slot: OpenSlot): void;
  closed(slot: OpenSlot, unread: number): void;
}

/** Whose message could not be read, and why. */
export interface Blame {
  sender: string;
  reason: string;
}

export interface OpenSlotOptions {
  id: number;
  pattern: string;
  group?: string | undefined;
  capacity: number;
  capacityBytes: number;
  overflow: Overflow;
  stallTimeout: number;
  gaps: boolean;
  maxMessageBytes: number;
  clock: Clock;
  owner: SlotOwner;
}

type Item = Message | Gap;
type Result = IteratorResult<Item, undefined>;

interface Reader {
  /** Gets the next item, or undefined when the slot closed. */
  take(item: Item | undefined): void;
}

/** A shorter backlog is acknowledged when it is gone, not half by half. */
const REPORT_STEP = 4_096;

const DONE: Result = { done: true, value: undefined };

export class OpenSlot implements Slot<unknown, Item> {
  readonly id: number;
  readonly pattern: string;
  readonly #options: OpenSlotOptions;
  readonly #queue: SlotQueue;
  /** Those who wait for a message; while there are any, the queue is empty. */
  readonly #readers: Reader[] = [];
  #state: 'opening' | 'open' | 'draining' | 'closed' = 'opening';
  #iterating = false;
  /** Settles when `consume` is over, if it was called; never rejects. */
  #consuming: Promise<void> | undefined;
  /** The last message handed out; it lets go of its chunk when the next one is. */
  #current: IncomingMessage | undefined;
  #dropped = 0;
  #expired = 0;
  /** Whether a message in the queue may have a time to live. */
  #mayExpire = false;
  #missed = 0;
  #unknownGaps = 0;
  /** Of those dropped, how many because nobody read for too long. */
  #droppedStalled = 0;
  /** What was dropped in front of the queue, for the next reader. */
  #gapInFront: Gap | undefined;
  /** Messages dropped of which no event has told yet. */
  #unannounced = 0;
  /** After so many reads acknowledgements are due again; at any rate when nothing waits any more. */
  #readsToReport = Number.POSITIVE_INFINITY;
  /** Full and unread for too long: until the program reads again, the oldest messages are dropped. */
  #stalled = false;
  /** Whether the owner knows that messages wait. */
  #toldFull = false;
  reads = 0;
  readonly #whenEmpty: (() => void)[] = [];

  constructor(options: OpenSlotOptions) {
    this.id = options.id;
    this.pattern = options.pattern;
    this.#options = options;
    this.#queue = queueFor(options, () => {
      if (this.#mayExpire) this.#dropExpired();
    });
  }

  get open(): boolean {
    return this.#state === 'open' || this.#state === 'draining';
  }

  get group(): string | undefined {
    return this.#options.group;
  }

  /** Whether the host's next messages are for it. */
  get accepting(): boolean {
    return this.#state === 'open';
  }

  get info(): SlotInfo {
    if (this.#mayExpire) this.#dropExpired();
    return {
      messageCount: this.#queue.length,
      nextBytes: this.#queue.peek()?.size,
      maxMessageBytes: this.#options.maxMessageBytes,
      capacity: this.#options.capacity,
      dropped: this.#dropped,
      missed: this.#missed,
      unknownGaps: this.#unknownGaps,
      expired: this.#expired,
    };
  }

  get bytes(): number {
    return this.#queue.bytes;
  }

  get drops(): DropsByCause {
    const [dropped, stalled] = [this.#dropped, this.#droppedStalled];
    return { overflow: dropped - stalled, stalled, expired: this.#expired, lost: this.#missed - dropped };
  }

  /** How many messages wait for room. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /** Whether somebody is reading, or about to. */
  get isRead(): boolean {
    return this.#iterating || this.#readers.length > 0;
  }

  // — the inbox's side —

  /** The host delivers to it from here on. */
  opened(): void {
    if (this.#state === 'opening') this.#state = 'open';
  }

  offer(message: IncomingMessage): void {
    const reader = this.#readers.length > 0 ? this.#readers.shift() : undefined;
    if (reader !== undefined) return reader.take(this.#handOut(message));
    this.#queue.push(message);
    if (this.#queue.isOver) this.#overflow();
  }

  offerBatch(batch: MessageBatch): void {
    // who waits is given his before anything is dropped: what he takes needs no room
    while (this.#readers.length > 0 && batch.length > 0)
      this.#readers.shift()!.take(this.#handOut(batch.shift()));
    if (batch.length === 0) return;
    this.#queue.pushBatch(batch);
    if (this.#queue.isOver) this.#overflow();
  }

  /** The same for a message that has a time to live, or was kept: a last value comes in whatever the capacity. */
  offerSpecial(message: SpecialMessage): void {
    if (message.hasExpired(this.#options.clock.wallTime())) {
      this.#expired += 1;
      return message.detach();
    }
    this.#mayExpire = true;
    if (!message.retained || this.#readers.length > 0) return this.offer(message);
    this.#queue.push(message);
    if (this.#queue instanceof SheddingQueue && this.#queue.isOver) this.#overflow();
  }

  /** Whose messages wait for room. */
  sendersUntaken(): Iterable<SenderRecord> {
    return this.#queue.sendersUntaken();
  }

  /** So many messages are missing here; undefined when nobody knows how many. */
  offerGap(missed: number | undefined, blame?: Blame): void {
    if (missed === undefined) this.#unknownGaps += 1;
    else this.#missed += missed;
    this.#options.owner.gap(this, missed, blame);
    if (!this.#options.gaps) return;
    const gap: Gap = { gap: { missed } };
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.take(gap);
    else this.#queue.pushGap(gap);
  }

  /**
   * A message that was read already is not fit to be shown: it counts as missing.
   * @returns the marker to put in its place, where markers are wanted
   */
  refuse(blame: Blame): Gap | undefined {
    this.#missed += 1;
    this.#options.owner.gap(this, 1, blame);
    return this.#options.gaps ? { gap: { missed: 1 } } : undefined;
  }

  firstUntaken(sender: IncomingMessage['from']): number | undefined {
    return this.#queue.firstUntaken(sender);
  }

  isLastUntaken(sender: IncomingMessage['from']): boolean {
    return this.#queue.isLastUntaken(sender);
  }

  /** Acknowledgements were sent; the next ones are due when half of what waits now was taken. */
  reported(): void {
    const { waiting } = this.#queue;
    // a read makes room for about one message
    this.#readsToReport = waiting > REPORT_STEP ? waiting - (waiting >> 1) : Number.POSITIVE_INFINITY;
  }

  #overflow(): void {
    if (this.#queue instanceof SheddingQueue) return this.#countDropped(this.#queue.takeShed());
    if (this.#mayExpire) this.#dropExpired();
    if (!this.#queue.isOver) return;
    if (this.#options.overflow === 'drop-oldest' || this.#stalled) return this.#dropOldest();
    if (this.#toldFull) return;
    this.#toldFull = true;
    this.#options.owner.full(this);
  }

  /** Drops from the front until everything is inside the capacity. */
  #dropOldest(): void {
    const queue = this.#queue;
    let dropped = 0;
    while (queue.isOver) {
      const entry = queue.shift()!;
      if (isGap(entry)) this.#noteInFront(entry.gap.missed);
      else {
        entry.detach();
        dropped += 1;
      }
    }
    if (dropped === 0) return;
    if (this.#stalled) this.#droppedStalled += dropped;
    this.#noteInFront(dropped);
    this.#countDropped(dropped);
    this.#options.owner.taken();
  }

  #countDropped(dropped: number): void {
    this.#dropped += dropped;
    this.#missed += dropped;
    this.#announce(dropped);
  }

  #noteInFront(missed: number | undefined): void {
    const before = this.#gapInFront === undefined ? 0 : this.#gapInFront.gap.missed;
    const known = before !== undefined && missed !== undefined;
    this.#gapInFront = { gap: { missed: known ? before + missed : undefined } };
  }

  /** Tells of dropped messages once per tick, not once per message. */
  #announce(dropped: number): void {
    if (this.#unannounced === 0) this.#options.clock.defer(() => this.#announceNow());
    this.#unannounced += dropped;
  }

  #announceNow(): void {
    const missed = this.#unannounced;
    this.#unannounced = 0;
    if (missed > 0) this.#options.owner.gap(this, missed);
  }

  get stallTimeout(): number {
    return this.#options.stallTimeout;
  }

  slow(): void {
    this.#options.owner.slow(this);
  }

  /** Full and unread for too long: publishers shall not wait for it any longer. */
  stall(): void {
    this.#stalled = true;
    this.#toldFull = false;
    this.#dropOldest();
  }

  // — reading —

  [Symbol.asyncIterator](): AsyncIterableIterator<Item> {
    this.#beginIteration('for await');
    const next = (): Promise<Result> => {
      const item = this.#tryTake();
      if (item !== undefined) return Promise.resolve({ done: false, value: item });
      if (this.#state === 'closed') return this.#endIteration();
      return new Promise((resolve) => {
        this.#readers.push({
          take: (arrived) => {
            if (arrived === undefined) resolve(this.#endIteration());
            else resolve({ done: false, value: arrived });
          },
        });
      });
    };
    const end = async (): Promise<Result> => {
      await this.#endIteration();
      await this.close();
      return DONE;
    };
    return { next, return: end, [Symbol.asyncIterator]: iteratorItself };
  }

  batches(): AsyncIterableIterator<Item[]> {
    this.#beginIteration('batches');
    let last: Item[] = [];
    const next = async (): Promise<IteratorResult<Item[], undefined>> => {
      for (const item of last) if (!isGap(item)) (item as IncomingMessage).detach();
      const here = this.#tryTake();
      const first = here ?? (this.#state === 'closed' ? undefined : await this.#nextItem(undefined));
      if (first === undefined) {
        await this.#endIteration();
        return DONE as IteratorResult<Item[], undefined>;
      }
      last = [first];
      this.#current = undefined;
      for (let item = this.#takeEntry(); item !== undefined; item = this.#takeEntry()) last.push(item);
      return { done: false, value: last };
    };
    const end = async (): Promise<IteratorResult<Item[], undefined>> => {
      for (const item of last) if (!isGap(item)) (item as IncomingMessage).detach();
      await this.#endIteration();
      await this.close();
      return DONE as IteratorResult<Item[], undefined>;
    };
    return { next, return: end, [Symbol.asyncIterator]: iteratorItself };
  }

  async read(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<Item | undefined> {
    checkOptions(options, 'read', ['timeout', 'signal']);
    const { timeout, signal } = options;
    if (timeout !== undefined)
      checkNumber(timeout, { call: 'read', option: 'timeout', min: 0, max: MAX_TIMEOUT });
    checkSignal(signal, 'read');
    signal?.throwIfAborted();
    const item = this.#tryTake();
    if (item !== undefined) {
      this.#current?.detach();
      return item;
    }
    if (this.#state === 'closed') throw closedError(this.pattern, 'read');
    if (timeout === 0) return undefined;
    const arrived = await this.#nextItem({ timeout, signal });
    // it need not be the current one any more
    if (arrived !== undefined && !isGap(arrived)) (arrived as IncomingMessage).detach();
    return arrived;
  }

  peek(): Message | undefined {
    if (this.#mayExpire) this.#dropExpired();
    return this.#queue.peek();
  }

  async consume(handler: (message: Item) => unknown, options: { concurrency?: number } = {}): Promise<void> {
    checkHandler(handler, 'consume');
    checkOptions(options, 'consume', ['concurrency']);
    const { concurrency = 1 } = options;
    checkNumber(concurrency, {
      call: 'consume',
      option: 'concurrency',
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
    });
    const consuming = this.#consume(this[Symbol.asyncIterator](), handler, concurrency);
    this.#consuming = consuming.catch(() => {});
    await consuming;
  }

  async #consume(
    items: AsyncIterable<Item>,
    handler: (message: Item) => unknown,
    concurrency: number,
  ): Promise<void> {
    const queue = new PQueue({ concurrency });
    const failure = new Failure();
    const fail = (error: unknown): void => {
      failure.note(error);
      // ends the loop where it waits for a message, which would be taken and shown to nobody
      void this.close();
    };
    for await (const item of items) {
      if (concurrency > 1 && !isGap(item)) (item as IncomingMessage).detach();
      void queue.add(async () => handler(item)).catch(fail);
      await (concurrency === 1 ? queue.onIdle() : queue.onSizeLessThan(1));
      if (failure.happened) break;
    }
    await queue.onIdle();
    failure.rethrow();
  }

  /** Resolves when no handler of `consume` runs any more. */
  async whenConsumed(): Promise<void> {
    await this.#consuming;
  }

  async drain(): Promise<void> {
    if (this.#state === 'open' || this.#state === 'opening') {
      if (this.group !== undefined) {
        // they are read here, so nobody else shall have them
        this.#queue.takeAll();
        this.#options.owner.leaving?.(this);
      }
      this.#state = 'draining';
      this.#options.owner.left(this);
    }
    if (this.#state === 'draining' && !this.#queue.isEmpty) {
      await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
    }
    await this.close();
  }

  async close(): Promise<{ unread: number }> {
    if (this.#state === 'closed') return { unread: 0 };
    const wasDraining = this.#state === 'draining';
    if (!wasDraining && this.group !== undefined) this.#options.owner.leaving?.(this);
    this.#state = 'closed';
    this.#announceNow();
    const unread = this.#discard();
    if (!wasDraining) this.#options.owner.left(this);
    this.#options.owner.closed(this, unread);
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
    for (const reader of this.#readers.splice(0)) reader.take(undefined);
    return { unread };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspected](...args: [number, object, Inspect]): string {
    const { pattern, open, group } = this;
    const counts = { messageCount: this.#queue.length, dropped: this.#dropped, missed: this.#missed };
    return show('Slot', { pattern, ...(group === undefined ? {} : { group }), open, ...counts }, args);
  }

  #discard(): number {
    const unread = this.#queue.clear();
    this.#current?.detach();
    this.#current = undefined;
    return unread;
  }

  #beginIteration(call: string): void {
    if (this.#iterating) {
      throw new MailslotError(
        'MAILSLOT_INVALID_OPTION',
        `${call}: slot "${this.pattern}" is being iterated already; use read() or consume() with concurrency, or subscribe again`,
      );
    }
    this.#iterating = true;
  }

  #endIteration(): Promise<Result> {
    this.#iterating = false;
    this.#current?.detach();
    this.#current = undefined;
    return Promise.resolve(DONE);
  }

  /** The next item of the queue, which becomes the current one. */
  #tryTake(): Item | undefined {
    const entry = this.#takeEntry();
    if (entry === undefined) this.#current?.detach();
    return entry === undefined || isGap(entry) ? entry : this.#handOut(entry);
  }

  #handOut(message: IncomingMessage): IncomingMessage {
    this.#current?.detach();
    this.#current = message;
    return message;
  }

  #takeEntry(): Entry | undefined {
    const gap = this.#gapInFront;
    if (gap !== undefined) {
      this.#gapInFront = undefined;
      if (this.#options.gaps) return gap;
    }
    if (this.#mayExpire) this.#dropExpired();
    const queue = this.#queue;
    const entry = queue.shift();
    this.reads += 1;
    this.#stalled = false;
    if (this.#toldFull) this.#afterTaking();
    if (this.#whenEmpty.length > 0) this.#tellEmpty();
    return entry;
  }

  /** Drops what has outlived its time, up to the first message that has not. */
  #dropExpired(): void {
    const queue = this.#queue;
    const now = this.#options.clock.wallTime();
    for (let first = queue.peek(); isExpired(first, now); first = queue.peek()) {
      let entry = queue.shift()!;
      for (; isGap(entry); entry = queue.shift()!) this.#noteInFront(entry.gap.missed);
      entry.detach();
      this.#expired += 1;
    }
    this.#mayExpire = queue.length > 0;
    if (this.#toldFull) this.#afterTaking();
    if (this.#whenEmpty.length > 0) this.#tellEmpty();
  }

  #tellEmpty(): void {
    if (this.#queue.isEmpty) for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  /** Messages that waited may be taken now. */
  #afterTaking(): void {
    this.#readsToReport -= 1;
    if (!this.#queue.isOver) this.#toldFull = false;
    else if (this.#readsToReport > 0) return;
    this.reported();
    this.#options.owner.taken();
  }

  #nextItem(
    options: { timeout?: number | undefined; signal?: AbortSignal | undefined } | undefined,
  ): Promise<Item | undefined> {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      let timer: Timer | undefined;
      const settle = (): void => {
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const leave = (): void => {
        settle();
        this.#readers.splice(this.#readers.indexOf(reader), 1);
      };
      const onAbort = (): void => {
        leave();
        reject(signal?.reason);
      };
      const reader: Reader = {
        take: (item) => {
          settle();
          if (item === undefined && options !== undefined) reject(closedError(this.pattern, 'read'));
          else resolve(item);
        },
      };
      this.#readers.push(reader);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (options?.timeout !== undefined) {
        timer = this.#options.clock.setTimer(options.timeout, () => {
          leave();
          resolve(undefined);
        });
      }
    });
  }
}

function isExpired(message: IncomingMessage | undefined, wallTime: number): boolean {
  return message instanceof SpecialMessage && message.hasExpired(wallTime);
}

/** The first error of handlers that run side by side. */
class Failure {
  happened = false;
  #error: unknown;

  note(error: unknown): void {
    if (this.happened) return;
    this.happened = true;
    this.#error = error;
  }

  rethrow(): void {
    if (this.happened) throw this.#error;
  }
}

function iteratorItself<T>(this: T): T {
  return this;
}

function closedError(pattern: string, call: string): MailslotError {
  return new MailslotError(
    'MAILSLOT_CLOSED',
    `${call}: slot "${pattern}" is closed; subscribe again for more`,
  );
}
