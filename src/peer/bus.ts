// The Bus: what a program holds. It checks arguments, puts the parts together (outbox, inbox, asker, responders,
// connection) and turns what happens in them into events. It knows no sockets, and of frames only those that acknowledge.
import { MailslotError } from '../errors.js';
import { DRAIN_TIMEOUT, MAX_TIMEOUT, QUERY_TIMEOUT, RESPONDER_CONCURRENCY } from '../limits.js';
import type { Link } from '../transport/link.js';
import type { MessageFiles } from '../transport/message-files.js';
import type { Clock, KeepAlive } from '../util/clock.js';
import { Deadlines } from '../util/deadlines.js';
import { type Inspect, inspected, show } from '../util/inspection.js';
import { Rates } from '../util/rates.js';
import { controlFrame, type Join, PROTOCOL_MINOR } from '../wire/control.js';
import { Flag } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import { isPeerInfo, type PeerInfo } from '../wire/presence.js';
import { checkPattern } from '../wire/subject.js';
import type {
  Bus,
  BusEvent,
  BusState,
  BusStats,
  Claim,
  ClaimOptions,
  Peer,
  PublishOptions,
  QueryAllOptions,
  QueryHandler,
  QueryOptions,
  QueryStreamOptions,
  Receipt,
  Responder,
  RespondOptions,
  Slot,
  SubscribeOptions,
} from './api.js';
import { Asker } from './asker.js';
import { Claims } from './claims.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { EventHub } from './event-hub.js';
import { FileMessages } from './file-messages.js';
import type { Gap } from './gap.js';
import { type Ask, asks } from './host-queries.js';
import { Inbox } from './inbox.js';
import type { IncomingMessage, Message } from './message.js';
import { checkHandler, checkNumber, checkOptions, checkSignal } from './options.js';
import { Outbox } from './outbox.js';
import { PeerSession } from './peer-session.js';
import { toPeer } from './presence-watch.js';
import { PublishPromise } from './publish-promise.js';
import { Publisher, refusedError } from './publisher.js';
import { QueryStream } from './query-stream.js';
import { type Question, Questions, systemQuestion } from './question.js';
import { Registrations } from './registrations.js';
import { ReplyStream } from './reply-stream.js';
import { Responders } from './responder.js';
import type { OpenSlot } from './slot.js';
import type { SlotReport } from './slot-reports.js';
import { Slots } from './slots.js';

export interface OpenBusOptions {
  name: string;
  directory: string;
  clock: Clock;
  peerId: PeerId;
  label: string;
  pid: number;
  /** What the pid counts in; undefined where that cannot be told. */
  pidNamespace: string | undefined;
  mayHost: boolean;
  /** The frame of its will, if it has one. */
  will?: Uint8Array | undefined;
  windowBytes: number;
  maxMessageBytes: number;
  /** Where large messages and long batches go; undefined: through the host, and those of others that do not are lost here. */
  files?: MessageFiles | undefined;
  openTimeout: number;
  reconnectTimeout: number;
  signal: AbortSignal | undefined;
  /** Resolves to a link with a host, which may be one that this process starts. */
  reach: ConnectionOptions['reach'];
  /** The epoch of the host that this Bus started and that still runs. */
  hostedEpoch(): number | undefined;
  /** Calls `onSuccessor` once when another host has replaced the one of this epoch, at once if it has already. */
  watchSuccession(epoch: number, onSuccessor: () => void): { close(): void };
  /** The host has named its standby: this peer or another one. */
  onStandby(isOwn: boolean): void;
  /** Ends that host, if there is one. */
  closeHost(): Promise<void>;
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
  readonly #fileMessages: FileMessages;
  readonly #publisher: Publisher;
  readonly #slots: Slots;
  readonly #registrations: Registrations;
  readonly #deadlines: Deadlines;
  readonly #questions: Questions;
  readonly #asker: Asker;
  readonly #responders: Responders;
  readonly #claims: Claims;
  readonly #connection: Connection;
  readonly #keepAlive: KeepAlive;
  readonly #rates: Rates;
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
    this.#rates = new Rates(clock);
    const send = (frame: Uint8Array): boolean => this.#connection.session?.send(frame) ?? false;
    this.#outbox = new Outbox({
      windowBytes: options.windowBytes,
      files: options.files,
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
    this.#fileMessages = new FileMessages(options.files, maxMessageBytes);
    this.#registrations = new Registrations({
      peerId: peerId.bytes,
      send: (frame) => void send(frame),
      onOpened: (id) => {
        this.#inbox.slot(id)?.opened();
        this.#inbox.refresh();
      },
    });
    this.#slots = new Slots({
      clock,
      inbox: this.#inbox,
      registrations: this.#registrations,
      maxMessageBytes,
      emit: (event) => this.#events.emit(event),
      listPeers: () => this.#listPeers(),
    });
    this.#publisher = new Publisher({
      clock,
      peerId,
      outbox: this.#outbox,
      files: options.files,
      maxMessageBytes,
    });
    this.#deadlines = new Deadlines(clock);
    const deadlines = this.#deadlines;
    this.#questions = new Questions({ clock, maxMessageBytes });
    this.#asker = new Asker({ clock, deadlines, peerId, maxMessageBytes, send });
    this.#claims = new Claims({ clock, ask: (question, listener) => this.#asker.ask(question, listener) });
    this.#responders = new Responders({
      clock,
      deadlines,
      peerId,
      maxMessageBytes,
      send,
      onClosed: (responder) => this.#registrations.forget(responder.id),
    });
    // no registration: every peer answers this
    this.#responders.answer('$slots', () => this.#reportSlots());
    this.#connection = new Connection({
      clock,
      openTimeout: options.openTimeout,
      reconnectTimeout: options.reconnectTimeout,
      signal: options.signal,
      reach: options.reach,
      watchSuccession: options.watchSuccession,
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

  /** No thread could be started for its host, which may be before anybody has this Bus. */
  hostedInline(cause: unknown): void {
    this.#events.emitEarly({ type: 'host-inline', cause });
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
  publish(subject: string, data?: unknown, options?: PublishOptions): Promise<unknown> {
    if (options === undefined && this.state !== 'closed') {
      try {
        if (this.#publisher.tryPublish(subject, data)) return this.#publisher.admitted;
      } catch {
        // told below, as a rejection
      }
    }
    const failed = (error: unknown): void => this.#events.emit({ type: 'publish-failed', subject, error });
    return PublishPromise.of(
      this.#publishChecked(subject, data, options === undefined ? {} : options),
      failed,
    );
  }

  async #publishChecked(
    subject: string,
    data: unknown,
    options: PublishOptions,
  ): Promise<Receipt | undefined> {
    this.#checkOpen('publish');
    checkOptions(options, 'publish', ['confirm', 'headers', 'retain', 'ttl', 'to', 'echo', 'signal']);
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
    options?: SubscribeOptions & { gaps?: false },
  ): Promise<Slot<T>>;
  subscribe<T>(
    pattern: string,
    handler: (item: Message<T> | Gap) => unknown,
    options: SubscribeOptions,
  ): Promise<Slot<T, Message<T> | Gap>>;
  async subscribe<T>(
    pattern: string,
    second: ((message: Message<T>) => unknown) | SubscribeOptions = {},
    third: SubscribeOptions = {},
  ): Promise<Slot<T>> {
    const options = typeof second === 'function' ? third : second;
    checkPattern(pattern, 'subscribe');
    this.#checkOpen('subscribe');
    const slot = await this.#slots.open(pattern, options);
    if (typeof second === 'function') this.#slots.consume(slot, second as (message: unknown) => unknown);
    return slot as unknown as Slot<T>;
  }

  // — queries —

  // not async, which would cost every query a promise and two turns of the microtask queue more
  query<T>(subject: string, data?: unknown, options?: QueryOptions): Promise<Message<T>> {
    try {
      this.#checkOpen('query');
      return this.#ask<T>(this.#questions.make('query', subject, data, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #ask<T>(question: Question): Promise<Message<T>> {
    return new Promise((resolve, reject) => {
      const stop = this.#asker.ask(question, {
        reply: (message: IncomingMessage, _size, more) => {
          if (message.error !== undefined) reject(message.error);
          else resolve(message as Message as Message<T>);
          // who asks for one reply takes one, whatever a faulty responder goes on to say
          if (more) stop();
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
    this.#checkOpen('queryAll');
    const question = this.#questions.make('queryAll', subject, data, options);
    const { max = Number.POSITIVE_INFINITY } = options;
    if (max !== Number.POSITIVE_INFINITY) {
      checkNumber(max, { call: 'queryAll', option: 'max', min: 1, max: Number.MAX_SAFE_INTEGER });
    }
    const stream = new ReplyStream({
      start: (listener) => {
        this.#checkAskable(question);
        return this.#asker.ask(question, listener);
      },
      max,
      isOrdinaryEnd: (error) => MailslotError.is(error, 'MAILSLOT_TIMEOUT'),
    });
    return stream as AsyncIterableIterator<Message<T>>;
  }

  queryStream<T>(
    subject: string,
    data?: unknown,
    options: QueryStreamOptions = {},
  ): AsyncIterableIterator<Message<T>> {
    this.#checkOpen('queryStream');
    const question = this.#questions.make('queryStream', subject, data, options);
    const { timeout: patience = QUERY_TIMEOUT } = options;
    const stream = new QueryStream({
      question,
      patience,
      check: () => this.#checkAskable(question),
      asker: this.#asker,
      deadlines: this.#deadlines,
    });
    return stream as AsyncIterableIterator<Message<T>>;
  }

  /** Between the call and the first `next`, with which asking begins, much may have happened. */
  #checkAskable({ call, signal }: Question): void {
    this.#checkOpen(call);
    signal?.throwIfAborted();
  }

  async respond<Q>(
    pattern: string,
    handler: QueryHandler<Q>,
    options: RespondOptions = {},
  ): Promise<Responder> {
    const call = 'respond';
    this.#checkOpen(call);
    checkOptions(options, call, ['concurrency', 'signal']);
    checkPattern(pattern, call);
    checkHandler(handler, call);
    const { concurrency = RESPONDER_CONCURRENCY, signal } = options;
    checkNumber(concurrency, { call, option: 'concurrency', min: 1, max: Number.MAX_SAFE_INTEGER });
    checkSignal(signal, call);
    signal?.throwIfAborted();
    const id = this.#registrations.nextId();
    const responder = this.#responders.add(id, pattern, handler as QueryHandler, concurrency);
    await this.#registrations.register({ id, role: 'responder', pattern }, () => responder.close(), signal);
    return responder;
  }

  // — claims, presence, events, figures —

  async claim(name: string, options: ClaimOptions = {}): Promise<Claim> {
    this.#checkOpen('claim');
    return this.#claims.claim(name, options);
  }

  [asks]: Ask = (question, listener) => this.#asker.ask(question, listener);

  async peers(): Promise<Peer[]> {
    for (;;) {
      // each time: with its host the bus may have gone
      this.#checkOpen('peers');
      try {
        return (await this.#listPeers()).map(toPeer);
      } catch (error) {
        // the host went; asking its successor does no harm
        if (!MailslotError.is(error, 'MAILSLOT_RESPONDER_LOST')) throw error;
      }
    }
  }

  async #listPeers(): Promise<PeerInfo[]> {
    const { data } = await this.#ask(
      systemQuestion('$peers', null, { call: 'peers', timeout: QUERY_TIMEOUT }),
    );
    if (Array.isArray(data) && data.every(isPeerInfo)) return data;
    const message = 'peers: the host answered something else than a list of peers; see which program hosts';
    throw new MailslotError('MAILSLOT_PROTOCOL_VIOLATION', message);
  }

  events(options: { signal?: AbortSignal } = {}): AsyncIterableIterator<BusEvent> {
    checkOptions(options, 'events', ['signal']);
    checkSignal(options.signal, 'events');
    if (this.state !== 'closed') this.#slots.watchPresence();
    return this.#events.listen(options.signal);
  }

  stats(): BusStats {
    const { messages, bytes, duplicates } = this.#inbox;
    const published = { messages: this.#publisher.messages, bytes: this.#publisher.bytes };
    const rates = this.#rates.perSecond([published.messages, published.bytes, messages, bytes]);
    return {
      published,
      received: { messages, bytes, duplicates },
      rates: {
        published: { messages: rates[0]!, bytes: rates[1]! },
        received: { messages: rates[2]!, bytes: rates[3]! },
      },
      window: {
        messages: this.#outbox.unsettledFrames,
        bytes: this.#outbox.unsettledBytes,
        waiting: this.#outbox.waiting,
      },
      slots: this.#slots.all().map((slot) => ({ ...reportOf(slot), drops: slot.drops })),
      queries: { open: this.#asker.open, asked: this.#asker.asked, answered: this.#responders.answered },
      reconnects: this.#reconnects,
    };
  }

  /** What others are told of the slots here. */
  #reportSlots(): SlotReport[] {
    return this.#slots.all().map((slot) => {
      const { group } = slot;
      return { ...reportOf(slot), ...(group === undefined ? {} : { group }) };
    });
  }

  // — ending —

  async drain(options: { timeout?: number } = {}): Promise<void> {
    checkOptions(options, 'drain', ['timeout']);
    const { timeout = DRAIN_TIMEOUT } = options;
    checkNumber(timeout, { call: 'drain', option: 'timeout', min: 0, max: MAX_TIMEOUT });
    if (this.state === 'closed') return;
    if (this.state !== 'draining') this.#events.emit({ type: 'draining' });
    this.#connection.drain();
    let timer: { cancel(): void } | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = this.#clock.setTimer(timeout, resolve);
    });
    await Promise.race([this.#finishAccepted(), deadline, this.closed]);
    timer?.cancel();
    await this.close();
  }

  /** Nothing that was published is held back in front of the window; here nothing ever is. */
  protected async whenHandedOver(): Promise<void> {}

  /** Slots that somebody reads run empty, handlers finish, and what was published is taken everywhere. */
  async #finishAccepted(): Promise<void> {
    await this.whenHandedOver();
    const read = this.#slots.all().filter((slot) => slot.isRead);
    const emptied = read.map((slot) => slot.drain().then(() => slot.whenConsumed()));
    await Promise.all(emptied);
    await this.#responders.whenIdle();
    // those handlers may have published
    await this.whenHandedOver();
    // not before: the host fails what a closed responder has not answered
    for (const responder of [...this.#responders.all()]) void responder.close();
    await this.#outbox.whenIdle();
  }

  async close(): Promise<void> {
    this.#inbox.acknowledgeNow();
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

  [inspected](...args: [number, object, Inspect]): string {
    const { name, id, state, hosting, epoch, directory } = this;
    return show('Bus', { name, id, state, hosting, epoch, directory }, args);
  }

  // — the connection's side —

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
      files: this.#fileMessages,
      asker: this.#asker,
      responders: this.#responders,
      join: () => this.#join(),
      onOpen: (_open, welcome) => {
        this.#outbox.grant(welcome.windowBytes);
        ends.opened(welcome.epoch);
      },
      onSlotAnswer: (answer) => this.#registrations.answer(answer),
      onStandby: (isOwn) => this.#options.onStandby(isOwn),
      onEnd: ends.ended,
    });
  }

  #join(): Join {
    this.#outbox.rewind();
    this.#inbox.relink();
    const { pidNamespace, will } = this.#options;
    const claims = this.#claims.list();
    return {
      minor: PROTOCOL_MINOR,
      label: this.#options.label,
      pid: this.#options.pid,
      mayHost: this.#options.mayHost,
      lastEpoch: this.#connection.epoch,
      ...(this.#connection.isLate ? { late: true } : {}),
      ...(pidNamespace === undefined ? {} : { pidNamespace }),
      highestOrder: Math.max(this.#inbox.highestOrder, this.#claims.highestToken),
      firstUnsettled: this.#outbox.firstUnsettled,
      slots: this.#registrations.join(),
      ...(claims.length === 0 ? {} : { claims }),
      ...(will === undefined ? {} : { will }),
    };
  }

  #onConnected(epoch: number): void {
    this.#registrations.linkOpened();
    this.#connection.session?.flush();
    this.#asker.sendWaiting();
    this.#claims.linkOpened();
    this.#slots.linkOpened();
    if (this.#options.hostedEpoch() === epoch && epoch > 0) this.#events.emit({ type: 'took-over', epoch });
    this.#events.emit({ type: 'connected', epoch, hosting: this.hosting });
  }

  #onDisconnected(epoch: number, cause: Error | undefined): void {
    this.#reconnects += 1;
    this.#asker.linkLost();
    this.#responders.linkLost();
    this.#claims.linkLost();
    this.#events.emit({ type: 'disconnected', epoch, cause });
  }

  #rejectWaiting(error: MailslotError): void {
    this.#outbox.rejectWaiting(error);
    this.#asker.rejectUnsent(error);
    this.#registrations.rejectOpening(error);
  }

  #onClosed(cause: Error | undefined, left: Promise<void>): void {
    const error = new MailslotError('MAILSLOT_CLOSED', `bus "${this.name}" was closed`, { cause });
    this.#rejectWaiting(error);
    this.#asker.rejectAll(error);
    this.#responders.linkLost();
    void this.#slots.closeAll();
    for (const responder of [...this.#responders.all()]) void responder.close();
    this.#inbox.stop();
    this.#outbox.leave();
    this.#deadlines.stop();
    // publishes that nobody awaits were rejected above, which shows as events some microtasks later
    this.#clock.defer(() => {
      this.#events.emit({ type: 'closed', cause });
      this.#events.end();
    });
    this.#resolveClosed(cause);
    this.#afterClosing = this.#leaveHost(left);
  }

  #flushSlab(): void {
    this.#publisher.flushed();
    this.#connection.session?.flush();
  }

  #undeliverable(code: string | undefined): void {
    this.#events.emit({ type: 'publish-failed', subject: '', error: refusedError(code) });
  }

  #checkOpen(call: string): void {
    if (this.state !== 'closed') return;
    throw new MailslotError(
      'MAILSLOT_CLOSED',
      `${call}: bus "${this.name}" is closed; open it again with openBus()`,
    );
  }
}

function reportOf(slot: OpenSlot): SlotReport {
  const { messageCount: messages, dropped, missed, expired } = slot.info;
  return { pattern: slot.pattern, messages, bytes: slot.bytes, dropped, missed, expired };
}
