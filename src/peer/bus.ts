// The Bus: what a program holds. It checks arguments, puts the parts together (outbox, inbox, asker, responders,
// connection) and turns what happens in them into events. It knows no frames and no sockets.
import { MailslotError } from '../errors.js';
import {
  DRAIN_TIMEOUT,
  QUERY_ALL_TIMEOUT,
  QUERY_TIMEOUT,
  RESPONDER_CONCURRENCY,
  SLOT_CAPACITY,
  SLOT_CAPACITY_BYTES,
  STALL_TIMEOUT,
  STALL_TIMEOUT_MAX,
} from '../limits.js';
import type { Link } from '../transport/link.js';
import type { Clock, KeepAlive } from '../util/clock.js';
import { controlFrame, type Join, type SlotAnswer, type SlotSpec } from '../wire/control.js';
import { Flag } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import type { PeerInfo, PeerLeft } from '../wire/presence.js';
import { checkPattern, checkSubject } from '../wire/subject.js';
import { encodeValue } from '../wire/values.js';
import type {
  Bus,
  BusEvent,
  BusState,
  BusStats,
  Peer,
  PublishOptions,
  QueryAllOptions,
  QueryHandler,
  QueryOptions,
  Receipt,
  Responder,
  RespondOptions,
  Slot,
  SubscribeOptions,
} from './api.js';
import { Asker, type Question } from './asker.js';
import { Connection } from './connection.js';
import { EventHub } from './event-hub.js';
import { Inbox } from './inbox.js';
import type { IncomingMessage, Message } from './message.js';
import { checkHandler, checkNumber, checkOptions, checkSignal, checkWord } from './options.js';
import { Outbox } from './outbox.js';
import { PeerSession } from './peer-session.js';
import { PublishPromise } from './publish-promise.js';
import { checkHeaders, checkPeer, Publisher, tooLarge } from './publisher.js';
import { ReplyStream } from './reply-stream.js';
import { Responders } from './responder.js';
import { type Blame, OpenSlot } from './slot.js';
import type { Gap } from './slot-queue.js';
import { SlotWatch } from './slot-watch.js';

export interface OpenBusOptions {
  name: string;
  directory: string;
  clock: Clock;
  peerId: PeerId;
  label: string;
  pid: number;
  mayHost: boolean;
  windowBytes: number;
  maxMessageBytes: number;
  openTimeout: number;
  reconnectTimeout: number;
  signal: AbortSignal | undefined;
  /** Resolves to a link with a host, which may be one that this process starts. */
  reach(context: { lastEpoch: number; signal: AbortSignal; onFailure(failure: Error): void }): Promise<Link>;
  /** The epoch of the host that this Bus started and that still runs. */
  hostedEpoch(): number | undefined;
  /** Ends that host, if there is one. */
  closeHost(): Promise<void>;
}

const ADMITTED = Promise.resolve();

/** Who waits for the host's answer to a SLOT request. */
interface Opening {
  resolve(): void;
  reject(reason: unknown): void;
}

export class OpenBus implements Bus {
  readonly id: string;
  readonly name: string;
  readonly directory: string;
  readonly closed: Promise<Error | undefined>;
  readonly #options: OpenBusOptions;
  readonly #clock: Clock;
  readonly #events = new EventHub();
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #publisher: Publisher;
  readonly #watch: SlotWatch;
  readonly #asker: Asker;
  readonly #responders: Responders;
  readonly #connection: Connection;
  readonly #keepAlive: KeepAlive;
  /** What the host is told of slots and responders, by id; said again to every new host. */
  readonly #specs = new Map<number, SlotSpec>();
  readonly #opening = new Map<number, Opening>();
  #lastSlotId = 0;
  #presence: OpenSlot | undefined;
  #reconnects = 0;
  #afterClosing: Promise<void> | undefined;
  #resolveClosed: (cause: Error | undefined) => void = () => {};

  constructor(options: OpenBusOptions) {
    const { clock, peerId, maxMessageBytes } = options;
    this.#options = options;
    this.#clock = clock;
    this.id = peerId.hex;
    this.name = options.name;
    this.directory = options.directory;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#keepAlive = clock.keepAlive();
    const send = (frame: Uint8Array): boolean => this.#connection.session?.send(frame) ?? false;
    this.#outbox = new Outbox({
      windowBytes: options.windowBytes,
      onPending: () => this.#connection.session?.scheduleFlush(),
      onFull: () => this.#flushSlab(),
      onStarving: () => void send(controlFrame('ACK', peerId.bytes, [], { flags: Flag.ackSoon })),
      onUndeliverable: (receipt) => this.#undeliverable(receipt.code),
    });
    this.#inbox = new Inbox({
      clock,
      maxMessageBytes,
      sendAck: (acknowledgements) => void send(controlFrame('ACK', peerId.bytes, acknowledgements)),
    });
    this.#watch = new SlotWatch(clock);
    this.#publisher = new Publisher({ clock, peerId, outbox: this.#outbox, maxMessageBytes });
    this.#asker = new Asker({ clock, peerId, send });
    this.#responders = new Responders({
      clock,
      peerId,
      maxMessageBytes,
      send,
      onClosed: (responder) => this.#forgetSpec(responder.id),
    });
    this.#connection = new Connection({
      clock,
      openTimeout: options.openTimeout,
      reconnectTimeout: options.reconnectTimeout,
      signal: options.signal,
      reach: options.reach,
      begin: (link, ends) => this.#beginSession(link, ends),
      onConnected: (epoch) => this.#onConnected(epoch),
      onDisconnected: (epoch, cause) => this.#onDisconnected(epoch, cause),
      onReconnecting: () => this.#events.emit({ type: 'reconnecting' }),
      onUnreachable: (error) => this.#rejectWaiting(error),
      onClosed: (cause, left) => this.#onClosed(cause, left),
    });
  }

  get epoch(): number {
    return this.#connection.epoch;
  }

  get hosting(): boolean {
    return this.#options.hostedEpoch() === this.#connection.epoch && this.#connection.epoch > 0;
  }

  get state(): BusState {
    return this.#connection.state;
  }

  /** Connects; to be called once, before anything else. */
  open(): Promise<void> {
    return this.#connection.open();
  }

  emit(event: BusEvent): void {
    this.#events.emit(event);
  }

  ref(): this {
    this.#keepAlive.ref();
    return this;
  }

  unref(): this {
    this.#keepAlive.unref();
    return this;
  }

  // — publishing —

  publish(subject: string, data: unknown, options: PublishOptions & { confirm: true }): Promise<Receipt>;
  publish(subject: string, data?: unknown, options?: PublishOptions): Promise<void>;
  publish(subject: string, data?: unknown, options?: PublishOptions): Promise<Receipt | void> {
    if (options === undefined && this.state !== 'closed') {
      try {
        if (this.#publisher.tryPublish(subject, data)) return ADMITTED;
      } catch {
        // told below, as a rejection
      }
    }
    const failed = (error: unknown): void => this.#events.emit({ type: 'publish-failed', subject, error });
    return PublishPromise.of(this.#publishChecked(subject, data, options ?? {}), failed);
  }

  async #publishChecked(
    subject: string,
    data: unknown,
    options: PublishOptions,
  ): Promise<Receipt | undefined> {
    this.#checkOpen('publish');
    checkOptions(options, 'publish');
    checkSignal(options.signal, 'publish');
    return this.#publisher.publish(subject, data, options);
  }

  // — slots —

  subscribe<T>(
    pattern: string,
    options: SubscribeOptions & { gaps: true },
  ): Promise<Slot<T, Message<T> | Gap>>;
  subscribe<T>(pattern: string, options?: SubscribeOptions): Promise<Slot<T>>;
  subscribe<T>(
    pattern: string,
    handler: (message: Message<T>) => unknown,
    options?: SubscribeOptions,
  ): Promise<Slot<T>>;
  async subscribe<T>(
    pattern: string,
    second: ((message: Message<T>) => unknown) | SubscribeOptions = {},
    third: SubscribeOptions = {},
  ): Promise<Slot<T>> {
    const options = typeof second === 'function' ? third : second;
    checkPattern(pattern, 'subscribe');
    const slot = await this.#openSlot(pattern, options);
    if (typeof second === 'function') this.#consume(slot, second as (message: unknown) => unknown);
    return slot as unknown as Slot<T>;
  }

  async #openSlot(pattern: string, options: SubscribeOptions): Promise<OpenSlot> {
    this.#checkOpen('subscribe');
    checkOptions(options, 'subscribe');
    const call = 'subscribe';
    const {
      capacity = SLOT_CAPACITY,
      capacityBytes = SLOT_CAPACITY_BYTES,
      overflow = 'wait',
      gaps = false,
    } = options;
    const { stallTimeout = STALL_TIMEOUT, signal } = options;
    checkNumber(capacity, { call, option: 'capacity', min: 1, max: Number.MAX_SAFE_INTEGER });
    checkNumber(capacityBytes, { call, option: 'capacityBytes', min: 1, max: Number.MAX_SAFE_INTEGER });
    checkNumber(stallTimeout, { call, option: 'stallTimeout', min: 1, max: STALL_TIMEOUT_MAX });
    checkWord(overflow, { call, option: 'overflow', words: ['wait', 'drop-oldest'] });
    checkSignal(signal, call);
    signal?.throwIfAborted();
    const slot = new OpenSlot({
      id: ++this.#lastSlotId,
      pattern,
      capacity,
      capacityBytes,
      overflow,
      stallTimeout,
      gaps,
      maxMessageBytes: this.#options.maxMessageBytes,
      clock: this.#clock,
      owner: this.#slotOwner,
    });
    this.#inbox.add(slot);
    await this.#register({ id: slot.id, role: 'slot', pattern }, () => slot.close(), signal);
    return slot;
  }

  readonly #slotOwner = {
    taken: (): void => this.#inbox.taken(),
    gap: (slot: OpenSlot, missed: number | undefined, blame?: Blame): void =>
      this.#events.emit({ type: 'gap', pattern: slot.pattern, missed, ...blame }),
    full: (slot: OpenSlot): void => this.#watch.full(slot),
    slow: (slot: OpenSlot): void =>
      this.#events.emit({ type: 'slow-slot', pattern: slot.pattern, waiting: slot.waiting }),
    left: (slot: OpenSlot): void => {
      this.#inbox.detach(slot);
      this.#forgetSpec(slot.id);
    },
    closed: (slot: OpenSlot, unread: number): void => {
      this.#inbox.remove(slot);
      this.#watch.forget(slot);
      this.#events.emit({ type: 'slot-closed', pattern: slot.pattern, unread });
    },
  };

  /** Runs a handler for as long as the slot is open, whatever it throws. */
  #consume(slot: OpenSlot, handler: (message: unknown) => unknown): void {
    const guarded = async (message: unknown): Promise<void> => {
      try {
        await handler(message);
      } catch (error) {
        this.#events.emit({ type: 'handler-failed', pattern: slot.pattern, error });
      }
    };
    void slot.consume(guarded);
  }

  // — queries —

  async query<T>(subject: string, data?: unknown, options: QueryOptions = {}): Promise<Message<T>> {
    const question = this.#question('query', subject, data, { timeout: QUERY_TIMEOUT, ...options }, false);
    return this.#ask<T>(question);
  }

  #ask<T>(question: Question): Promise<Message<T>> {
    return new Promise((resolve, reject) => {
      this.#asker.ask(question, {
        reply: (message: IncomingMessage) => {
          if (message.error !== undefined) reject(message.error);
          else resolve(message as Message as Message<T>);
        },
        end: (error) => reject(error),
      });
    });
  }

  queryAll<T>(
    subject: string,
    data?: unknown,
    options: QueryAllOptions = {},
  ): AsyncIterableIterator<Message<T>> {
    const { max = Number.POSITIVE_INFINITY } = options;
    const question = this.#question(
      'queryAll',
      subject,
      data,
      { timeout: QUERY_ALL_TIMEOUT, ...options },
      true,
    );
    if (max !== Number.POSITIVE_INFINITY) {
      checkNumber(max, { call: 'queryAll', option: 'max', min: 1, max: Number.MAX_SAFE_INTEGER });
    }
    const stream = new ReplyStream({
      start: (listener) => this.#asker.ask(question, listener),
      max,
      isOrdinaryEnd: (error) => MailslotError.is(error, 'MAILSLOT_TIMEOUT'),
    });
    return stream as AsyncIterableIterator<Message<T>>;
  }

  #question(
    call: string,
    subject: string,
    data: unknown,
    options: QueryOptions & { timeout: number },
    all: boolean,
  ): Question {
    this.#checkOpen(call);
    checkOptions(options, call);
    checkSubject(subject, call);
    const { timeout, signal, headers } = options;
    checkNumber(timeout, { call, option: 'timeout', min: 1, max: 0x7fff_ffff });
    checkSignal(signal, call);
    signal?.throwIfAborted();
    checkHeaders(headers, call);
    const body = Buffer.from(encodeValue(data, call));
    const { maxMessageBytes } = this.#options;
    if (body.length > maxMessageBytes) throw tooLarge(subject, body.length, maxMessageBytes);
    return { subject, data: body, headers, to: checkPeer(options.to, call), timeout, signal, all };
  }

  async respond<Q>(
    pattern: string,
    handler: QueryHandler<Q>,
    options: RespondOptions = {},
  ): Promise<Responder> {
    const call = 'respond';
    this.#checkOpen(call);
    checkOptions(options, call);
    checkPattern(pattern, call);
    checkHandler(handler, call);
    const { concurrency = RESPONDER_CONCURRENCY, signal } = options;
    checkNumber(concurrency, { call, option: 'concurrency', min: 1, max: Number.MAX_SAFE_INTEGER });
    checkSignal(signal, call);
    signal?.throwIfAborted();
    const id = ++this.#lastSlotId;
    const responder = this.#responders.add(id, pattern, handler as QueryHandler, concurrency);
    await this.#register({ id, role: 'responder', pattern }, () => responder.close(), signal);
    return responder;
  }

  /** Tells the host of a slot or responder, now or with the next JOIN; resolves when it delivers. */
  async #register(
    spec: SlotSpec,
    close: () => Promise<unknown>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    this.#specs.set(spec.id, { ...spec, new: true });
    const opened = new Promise<void>((resolve, reject) => this.#opening.set(spec.id, { resolve, reject }));
    const onAbort = (): void => {
      this.#opening.get(spec.id)?.reject(signal?.reason);
      void close();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#connection.session?.send(controlFrame('SLOT request', this.#peerId, { do: 'open', ...spec }));
    try {
      await opened;
    } catch (error) {
      signal?.removeEventListener('abort', onAbort);
      await close();
      throw error;
    } finally {
      this.#opening.delete(spec.id);
    }
  }

  #forgetSpec(id: number): void {
    if (!this.#specs.delete(id)) return;
    this.#connection.session?.send(controlFrame('SLOT request', this.#peerId, { do: 'close', id }));
  }

  #onSlotAnswer(answer: SlotAnswer): void {
    if (answer.do === 'opened') return this.#slotOpened(answer.id);
    const { id, code, message } = answer;
    this.#specs.delete(id);
    this.#opening
      .get(id)
      ?.reject(
        new MailslotError(code === 'MAILSLOT_NOT_PERMITTED' ? code : 'MAILSLOT_QUOTA_EXCEEDED', message),
      );
  }

  #slotOpened(id: number): void {
    const spec = this.#specs.get(id);
    if (spec !== undefined) this.#specs.set(id, { ...spec, new: false });
    this.#inbox.slot(id)?.opened();
    this.#inbox.refresh();
    this.#opening.get(id)?.resolve();
  }

  // — presence, events, figures —

  async peers(): Promise<Peer[]> {
    this.#checkOpen('peers');
    const question = {
      subject: '$peers',
      data: encodeValue(null).slice(),
      headers: undefined,
      to: undefined,
      timeout: QUERY_TIMEOUT,
      signal: undefined,
      all: false,
    };
    const { data } = await this.#ask<PeerInfo[]>(question);
    return data.map(toPeer);
  }

  events(options: { signal?: AbortSignal } = {}): AsyncIterableIterator<BusEvent> {
    checkSignal(options.signal, 'events');
    if (this.state !== 'closed') this.#watchPresence();
    return this.#events.listen(options.signal);
  }

  /** Subscribes to what the host says of peers coming and going, once somebody wants to know. */
  #watchPresence(): void {
    if (this.#presence !== undefined) return;
    const slot = new OpenSlot({
      id: ++this.#lastSlotId,
      pattern: '$presence.*',
      capacity: SLOT_CAPACITY,
      capacityBytes: SLOT_CAPACITY_BYTES,
      overflow: 'drop-oldest',
      stallTimeout: STALL_TIMEOUT,
      gaps: false,
      maxMessageBytes: this.#options.maxMessageBytes,
      clock: this.#clock,
      owner: { ...this.#slotOwner, gap: () => {}, closed: (gone) => this.#inbox.remove(gone) },
    });
    this.#presence = slot;
    this.#inbox.add(slot);
    this.#register({ id: slot.id, role: 'slot', pattern: slot.pattern }, () => slot.close(), undefined).catch(
      () => {},
    );
    void slot.consume((item) => this.#takePresence(item as Message));
  }

  #takePresence({ subject, data }: Message): void {
    const { cause, ...info } = data as PeerLeft;
    if (subject === '$presence.left') this.#events.emit({ type: 'peer-left', peer: toPeer(info), cause });
    else this.#events.emit({ type: 'peer-joined', peer: toPeer(info) });
  }

  stats(): BusStats {
    const { messages, bytes, duplicates } = this.#inbox;
    const slots = [...this.#inbox.slots()].filter((slot) => slot !== this.#presence);
    return {
      published: { messages: this.#publisher.messages, bytes: this.#publisher.bytes },
      received: { messages, bytes, duplicates },
      window: {
        messages: this.#outbox.unsettledFrames,
        bytes: this.#outbox.unsettledBytes,
        waiting: this.#outbox.waiting,
      },
      slots: slots.map((slot) => {
        const { messageCount, dropped, missed } = slot.info;
        return { pattern: slot.pattern, messages: messageCount, bytes: slot.bytes, dropped, missed };
      }),
      queries: { open: this.#asker.open, asked: this.#asker.asked, answered: this.#responders.answered },
      reconnects: this.#reconnects,
    };
  }

  // — ending —

  async drain(options: { timeout?: number } = {}): Promise<void> {
    const { timeout = DRAIN_TIMEOUT } = options;
    checkNumber(timeout, { call: 'drain', option: 'timeout', min: 0, max: 0x7fff_ffff });
    if (this.state === 'closed') return;
    if (this.state !== 'draining') this.#events.emit({ type: 'draining' });
    this.#connection.drain();
    let timer: { cancel(): void } | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = this.#clock.setTimer(timeout, resolve);
    });
    await Promise.race([this.#finishAccepted(), deadline]);
    timer?.cancel();
    await this.close();
  }

  /** Slots that somebody reads run empty, handlers finish, and what was published is taken everywhere. */
  async #finishAccepted(): Promise<void> {
    for (const responder of [...this.#responders.all()]) void responder.close();
    const read = [...this.#inbox.slots()].filter((slot) => slot.isRead);
    await Promise.all([...read.map((slot) => slot.drain()), this.#responders.whenIdle()]);
    await this.#outbox.whenIdle();
  }

  async close(): Promise<void> {
    await this.#connection.close(undefined);
    await this.#afterClosing;
  }

  async #leaveHost(left: Promise<void>): Promise<void> {
    await left;
    await this.#options.closeHost();
    this.#keepAlive.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  // — the connection's side —

  get #peerId(): Uint8Array {
    return this.#options.peerId.bytes;
  }

  #beginSession(
    link: Link,
    ends: { opened(epoch: number): void; ended(cause: Error | undefined): void },
  ): PeerSession {
    return new PeerSession({
      clock: this.#clock,
      link,
      peerId: this.#options.peerId,
      inbox: this.#inbox,
      outbox: this.#outbox,
      asker: this.#asker,
      responders: this.#responders,
      join: () => this.#join(),
      onOpen: (_open, welcome) => {
        this.#outbox.grant(welcome.windowBytes);
        ends.opened(welcome.epoch);
      },
      onSlotAnswer: (answer) => this.#onSlotAnswer(answer),
      onEnd: ends.ended,
    });
  }

  #join(): Join {
    this.#outbox.rewind();
    this.#inbox.relink();
    return {
      minor: 0,
      label: this.#options.label,
      pid: this.#options.pid,
      mayHost: this.#options.mayHost,
      lastEpoch: this.#connection.epoch,
      highestOrder: this.#inbox.highestOrder,
      firstUnsettled: this.#outbox.firstUnsettled,
      slots: [...this.#specs.values()],
    };
  }

  #onConnected(epoch: number): void {
    for (const id of [...this.#specs.keys()]) this.#slotOpened(id);
    this.#connection.session?.flush();
    this.#asker.sendWaiting();
    if (this.#options.hostedEpoch() === epoch && epoch > 0) this.#events.emit({ type: 'took-over', epoch });
    this.#events.emit({ type: 'connected', epoch, hosting: this.hosting });
  }

  #onDisconnected(epoch: number, cause: Error | undefined): void {
    this.#reconnects += 1;
    this.#asker.linkLost();
    this.#responders.linkLost();
    this.#events.emit({ type: 'disconnected', epoch, cause });
  }

  #rejectWaiting(error: MailslotError): void {
    this.#outbox.rejectWaiting(error);
    this.#asker.rejectUnsent(error);
    for (const { reject } of this.#opening.values()) reject(error);
  }

  #onClosed(cause: Error | undefined, left: Promise<void>): void {
    const error = new MailslotError('MAILSLOT_CLOSED', `bus "${this.name}" was closed`, { cause });
    this.#rejectWaiting(error);
    this.#asker.rejectAll(error);
    this.#responders.linkLost();
    for (const slot of [...this.#inbox.slots()]) void slot.close();
    for (const responder of [...this.#responders.all()]) void responder.close();
    this.#inbox.stop();
    this.#watch.stop();
    this.#events.emit({ type: 'closed', cause });
    this.#events.end();
    this.#resolveClosed(cause);
    this.#afterClosing = this.#leaveHost(left);
  }

  #flushSlab(): void {
    this.#publisher.flushed();
    this.#connection.session?.flush();
  }

  #undeliverable(code: string | undefined): void {
    const error = new MailslotError(
      'MAILSLOT_NO_SUCH_PEER',
      'publish: the peer named in `to` is not on the bus',
    );
    this.#events.emit({ type: 'publish-failed', subject: '', error: code === undefined ? undefined : error });
  }

  #checkOpen(call: string): void {
    if (this.state !== 'closed') return;
    throw new MailslotError(
      'MAILSLOT_CLOSED',
      `${call}: bus "${this.name}" is closed; open it again with openBus()`,
    );
  }
}

function toPeer({ connectedAt, ...info }: PeerInfo): Peer {
  return { ...info, connectedAt: new Date(connectedAt) };
}
