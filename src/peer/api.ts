// The public types: what openBus returns and takes. bus.ts, slot.ts and responder.ts implement them.
import type { LeaveCause, PeerInfo } from '../wire/presence.js';
import type { Gap } from './gap.js';
import type { Message } from './message.js';

export type { LeaveCause };

/** Options of `openBus`. */
export interface OpenOptions {
  /** Whether this process may host the bus when nobody does. @default 'auto' */
  host?: 'auto' | 'never';
  /** Where a host of this process runs; a busy program stalls an inline host, and with it the bus. @default 'worker' */
  hostThread?: 'worker' | 'inline';
  /** What others see in `peers()`; at most 128 bytes. @default name of the script */
  label?: string;
  /** Folder in which buses live. @default $MAILSLOT_DIR, else a folder in the user's home */
  directory?: string;
  /** Time to connect, ms. @default 5000 */
  timeout?: number;
  /** Most bytes published and not yet taken by every receiver, from 64 KiB to 4 MiB. @default 4 MiB */
  windowBytes?: number;
  /** Largest message that this peer sends or accepts, bytes of its frame; at most 64 MiB. @default 16 MiB */
  maxMessageBytes?: number;
  /** Time without a host after which waiting calls reject, ms; the bus goes on trying. @default 30000 */
  reconnectTimeout?: number;
  /** Gives up opening, which rejects with its reason. Has no effect once the bus is open. */
  signal?: AbortSignal;
  /** Published by the host when this peer goes without closing: crashed, or silent. */
  will?: Will;
}

/** A message that the host keeps for its peer; at most 64 KiB in all. Its data is encoded by `openBus`. */
export interface Will {
  subject: string;
  /** Anything that can be published. @default undefined */
  data?: unknown;
  /** At most 32, 4 KiB in all. */
  headers?: Record<string, string>;
  /** Keep it as the last value of its subject. @default false */
  retain?: boolean;
}

/** Options of `publish`. */
export interface PublishOptions {
  /** Resolve to a receipt when every receiver has taken the message. @default false */
  confirm?: boolean;
  /** At most 32, 4 KiB in all. */
  headers?: Record<string, string>;
  /** Keep it as the last value of its subject, for those who subscribe later; `undefined` as data clears that. Not with `to`. @default false */
  retain?: boolean;
  /** Time to live, ms: what was not read by then is not delivered. @default none: it does not expire */
  ttl?: number;
  /** Only to this peer, by its id. @default none: to every matching slot */
  to?: string;
  /** Whether the publisher's own slots get the message too. @default true */
  echo?: boolean;
  /** Stops waiting for room in the window, or for the receipt. */
  signal?: AbortSignal;
}

/** What a confirmed publish resolves to. */
export interface Receipt {
  /**
   * How many peers have taken the message: all that it was handed to, but for those that went, or were silent for
   * 10 s, before they said so.
   */
  receivers: number;
  /** The `order` that the message has at every receiver. */
  order: number;
}

/**
 * What a full slot does with one more message. All but `wait` drop: each message is counted in `slot.info`, told of
 * by the event `gap`, and marked in its place where markers are wanted (option `gaps`).
 *
 * - `wait`: it is not taken until there is room, so publishers slow down.
 * - `drop-oldest`: the message that has been there for longest gives way.
 * - `drop-newest`: the message that came before it gives way: the slot keeps its beginning, and what came last.
 * - `drop-incoming`: it is dropped itself: the slot keeps its beginning.
 * - `conflate`: the slot holds the newest message of each subject. An older one gives way even while there is room;
 *   with more subjects than room, the message that has been there for longest.
 */
export type Overflow = 'wait' | 'drop-oldest' | 'drop-newest' | 'drop-incoming' | 'conflate';

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /** Share messages: each goes to one slot of those with this name. 1 to 32 letters, digits and -, not beginning with -. */
  group?: string;
  /** Most messages in the slot. @default 1024 */
  capacity?: number;
  /** Most bytes in the slot; one message always fits. @default 8 MiB */
  capacityBytes?: number;
  /** What becomes of messages for which there is no room. @default 'wait' */
  overflow?: Overflow;
  /** A `wait` slot that was full and unread for so long drops its oldest messages, ms. @default 10000 */
  stallTimeout?: number;
  /** Whether to begin with the last values that were published with `retain`; a member of a group gets none. @default true */
  retained?: boolean;
  /** Whether iteration and reads yield gap markers too. @default false */
  gaps?: boolean;
  /** Closes the slot; while it is being opened, rejects with its reason. */
  signal?: AbortSignal;
}

/** State of a slot at one moment. */
export interface SlotInfo {
  /** Messages that are here, those that wait for room included. */
  messageCount: number;
  /** Bytes of the next message's frame; undefined when there is none. */
  nextBytes: number | undefined;
  /** The option of `openBus`: a larger message is not taken. */
  maxMessageBytes: number;
  /** The option of `subscribe`: messages, not bytes. */
  capacity: number;
  /** Messages that the slot dropped by its overflow policy. */
  dropped: number;
  /** Messages missing for any reason, the dropped ones included; gaps of unknown size are not in it. */
  missed: number;
  /** Gaps of unknown size. */
  unknownGaps: number;
  /** Messages that outlived their `ttl` before they were read; neither dropped nor missed. */
  expired: number;
}

/** A mailbox: what was published on its pattern waits here until it is read. */
export interface Slot<T = unknown, Item = Message<T>> extends AsyncIterable<Item>, AsyncDisposable {
  readonly pattern: string;
  /** Whether it may still be read: from the moment the host delivers until it is closed. */
  readonly open: boolean;
  /** Counted when it is looked at; no round trip. */
  readonly info: SlotInfo;
  /**
   * Ends when the slot closes. Leaving the loop closes the slot.
   * @throws MAILSLOT_INVALID_OPTION while another loop iterates it
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Item>;
  /** Yields everything that is there, at once; otherwise as iterating. An array is never empty. */
  batches(): AsyncIterableIterator<Item[]>;
  /**
   * The next message; undefined after `timeout` ms, at once with 0.
   * @param options.timeout ms; waits for ever without it
   * @throws MAILSLOT_CLOSED when the slot is or gets closed; MAILSLOT_INVALID_OPTION; `signal.reason`
   */
  read(options?: { timeout?: number; signal?: AbortSignal }): Promise<Item | undefined>;
  /** The next message, left in its place; undefined when there is none. Markers are passed over. */
  peek(): Message<T> | undefined;
  /**
   * Calls `handler` for each message; resolves when the slot closes, rejects when the handler throws.
   * @param options.concurrency handlers at once; with more than one they end in any order @default 1
   */
  consume(handler: (message: Item) => unknown, options?: { concurrency?: number }): Promise<void>;
  /** Takes no new messages and resolves when those that are here were read. */
  drain(): Promise<void>;
  /** Ends now; what was not read is dropped, and `unread` tells how many messages that were. */
  close(): Promise<{ unread: number }>;
}

/** Options of `query`. */
export interface QueryOptions {
  /** Time for the reply, ms. @default 5000 */
  timeout?: number;
  /** At most 32, 4 KiB in all. */
  headers?: Record<string, string>;
  /** Only this peer, by its id, may answer. @default any */
  to?: string;
  /** Stops waiting, and the handler's own signal aborts. */
  signal?: AbortSignal;
}

/** Options of `queryAll`. */
export interface QueryAllOptions {
  /** Time for all replies, ms; what came until then is all. @default 1000 */
  timeout?: number;
  /** At most 32, 4 KiB in all. */
  headers?: Record<string, string>;
  /** Stop after so many replies. @default none */
  max?: number;
  /** Stops waiting, and the handlers' own signals abort. */
  signal?: AbortSignal;
}

/** Options of `queryStream`. */
export interface QueryStreamOptions {
  /** Longest wait for the next reply, ms; time in which the program does not wait does not count. @default 5000 */
  timeout?: number;
  /** At most 32, 4 KiB in all. */
  headers?: Record<string, string>;
  /** Only this peer, by its id, may answer. @default any */
  to?: string;
  /** Stops the stream, and the handler's own signal aborts. */
  signal?: AbortSignal;
}

/** What a responder's handler gets beside the message. */
export interface QueryContext {
  /** Aborts when the asker cancels, is gone, or cannot get the answer in time any more, and when the responder closes. */
  readonly signal: AbortSignal;
  /** ms since 1970, by this process's clock: when the asker stops waiting; `Infinity` for `queryStream`. */
  readonly deadline: number;
}

/**
 * Returns the answer, a promise of it, or an async iterable of answers, such as an async generator makes. What it
 * throws arrives at the asker as `MAILSLOT_RESPONDER_FAILED`.
 *
 * An iterable is read as fast as the asker reads, at most 64 replies or 4 MiB ahead, and returned when the asker
 * has enough. Who asked with `query` or `queryAll` gets its first value, or undefined when it has none.
 */
export type QueryHandler<Question = unknown> = (message: Message<Question>, context: QueryContext) => unknown;

/** Options of `respond`. */
export interface RespondOptions {
  /** Queries handled at once; further ones wait. @default 16 */
  concurrency?: number;
  /** Closes the responder; while it is being opened, rejects with its reason. */
  signal?: AbortSignal;
}

/** Answers the queries on its pattern until it is closed. */
export interface Responder extends AsyncDisposable {
  readonly pattern: string;
  /** Whether it takes queries. */
  readonly open: boolean;
  /** Takes no new queries; those that came before it fail for their askers. */
  close(): Promise<void>;
}

/** Options of `claim`. */
export interface ClaimOptions {
  /** Stops waiting. Has no effect once the claim is ours. */
  signal?: AbortSignal;
}

/** A name that is this peer's, and nobody else's on the bus. */
export interface Claim extends AsyncDisposable {
  readonly name: string;
  /** Higher than that of every earlier claim of this name: what it protects can refuse whoever comes with a lower one. */
  readonly token: number;
  /** Resolves when the claim is over, never rejects: to undefined after `release`, else to the reason. */
  readonly lost: Promise<Error | undefined>;
  /** The next in line gets the name. Does nothing when the claim is over. */
  release(): Promise<void>;
}

/** What a bus is doing: it has a link with a host when `connected`. */
export type BusState = 'connecting' | 'connected' | 'reconnecting' | 'draining' | 'closed';

/** One peer on the bus. */
export interface Peer extends Omit<PeerInfo, 'connectedAt'> {
  /** Since when it has had its link, by the host's clock. */
  connectedAt: Date;
}

/** What happens on a bus; `type` tells which. Patterns are those that the slot or responder was opened with. */
export type BusEvent =
  /** There is a link with a host, and messages flow; `hosting` when this Bus started that host. */
  | { type: 'connected'; epoch: number; hosting: boolean }
  /** The link with the host of this epoch ended, in a hand-over as in a crash; `cause` tells what was noticed. */
  | { type: 'disconnected'; epoch: number; cause: Error | undefined }
  /** Another link is sought; calls wait for it, `reconnectTimeout` at most. Follows each `disconnected`. */
  | { type: 'reconnecting' }
  /**
   * This Bus hosts from now on, with this epoch. Where nobody hosted when it was opened, that comes before anybody can
   * listen: `bus.hosting` tells it then.
   */
  | { type: 'took-over'; epoch: number }
  /** Somebody came, or was `unresponsive` and is heard again. */
  | { type: 'peer-joined'; peer: Peer }
  /** Somebody has gone, or is not heard any more. `label` and counts may be empty of one that a take-over left behind. */
  | { type: 'peer-left'; peer: Peer; cause: LeaveCause }
  /** A `wait` slot is full and is not read, so that publishers have to wait; `waiting` messages have no room. */
  | { type: 'slow-slot'; pattern: string; waiting: number }
  /**
   * So many messages are missing in a slot; undefined when nobody can know how many. Where one came that could not be
   * read, or broke the contract, `sender` is the id of its peer, and `reason` says what was wrong.
   */
  | { type: 'gap'; pattern: string; missed: number | undefined; sender?: string; reason?: string }
  /** A slot is closed, by whomever; `unread` messages were dropped with it. */
  | { type: 'slot-closed'; pattern: string; unread: number }
  /**
   * A publish was rejected and nobody awaited it, or the host refused one that was resolved already; `subject` is
   * empty in that case.
   */
  | { type: 'publish-failed'; subject: string; error: unknown }
  /** A handler given to `subscribe` threw `error`; its slot goes on. */
  | { type: 'handler-failed'; pattern: string; error: unknown }
  /**
   * No thread could be started for the host, which runs in the program's own instead: a busy program stalls it. Where
   * nobody listens yet, the first who does is told.
   */
  | { type: 'host-inline'; cause: unknown }
  /** `drain` was called. */
  | { type: 'draining' }
  /** The last event. `cause` is the error that ended the bus; undefined when the program closed it. */
  | { type: 'closed'; cause: Error | undefined };

/** Why messages of a slot were not read. */
export interface DropsByCause {
  /** It was full, and its overflow policy had them give way. */
  overflow: number;
  /** It is a `wait` slot, and was full and unread for `stallTimeout`. */
  stalled: number;
  /** They outlived their `ttl`. */
  expired: number;
  /** They did not come to it: this peer was stalled or away, or they could not be read, or broke the contract. */
  lost: number;
}

/** Plain data. Counts run since the bus was opened, states are those of this moment; bytes are those of frames. */
export interface BusStats {
  /** What this peer has published. */
  published: { messages: number; bytes: number };
  /**
   * Per second, what was published and received since `stats` was called at least a second ago, or since the bus was
   * opened.
   */
  rates: { published: { messages: number; bytes: number }; received: { messages: number; bytes: number } };
  /** What came for slots here; `duplicates` were read before, came again after a take-over, and are not in `messages`. */
  received: { messages: number; bytes: number; duplicates: number };
  /** Published, and not yet taken by every receiver; beside that, calls that are `waiting` for room. */
  window: { messages: number; bytes: number; waiting: number };
  /** One entry per open slot. */
  slots: {
    pattern: string;
    /** Messages in the slot. */
    messages: number;
    bytes: number;
    /** As in {@link SlotInfo}. */
    dropped: number;
    /** As in {@link SlotInfo}. */
    missed: number;
    /** As in {@link SlotInfo}. */
    expired: number;
    drops: DropsByCause;
  }[];
  /** `open`: asked here and without an outcome; `asked`: asked here in all; `answered`: by responders here. */
  queries: { open: number; asked: number; answered: number };
  /** How often a link with a host was lost. */
  reconnects: number;
}

/** One process's place on a bus. */
export interface Bus extends AsyncDisposable {
  /** This peer's id, hex. */
  readonly id: string;
  /** As given to `openBus`. */
  readonly name: string;
  /** The folder of this bus, as an absolute path. */
  readonly directory: string;
  /** Number of the present host's reign; 0 before the first. */
  readonly epoch: number;
  /** Whether this object started the host that runs; another one of the same process does not count. */
  readonly hosting: boolean;
  /** Moves by itself, and never back from `draining` or `closed`. */
  readonly state: BusState;
  /** Resolves when the bus is closed, to the error that ended it or undefined. */
  readonly closed: Promise<Error | undefined>;
  /** Keeps the process alive while the bus is open (which is the default). */
  ref(): this;
  /** Lets the process end although the bus is open. */
  unref(): this;
  /**
   * Resolves when every receiver has taken the message; nobody waits for one that went or was silent for 10 s.
   * @throws as without `confirm`; also MAILSLOT_NO_SUCH_PEER for `to`, and MAILSLOT_QUOTA_EXCEEDED for `retain`
   */
  publish(subject: string, data: unknown, options: PublishOptions & { confirm: true }): Promise<Receipt>;
  /**
   * Resolves when the message is in the window: at once while there is room. The data is encoded during the call.
   * @throws (as a rejection) MAILSLOT_INVALID_SUBJECT, _INVALID_OPTION, _NOT_ENCODABLE, _MESSAGE_TOO_LARGE,
   *   _OUTBOX_FULL when four windows wait already, beside the one under way, _UNREACHABLE, _CLOSED; `signal.reason`
   */
  publish(subject: string, data?: unknown, options?: PublishOptions & { confirm?: false }): Promise<void>;
  /** Resolves when the host is delivering to the slot, which yields gap markers, too. */
  subscribe<T = unknown>(
    pattern: string,
    options: SubscribeOptions & { gaps: true },
  ): Promise<Slot<T, Message<T> | Gap>>;
  /**
   * Resolves when the host is delivering to the slot.
   * @throws MAILSLOT_INVALID_SUBJECT, _INVALID_OPTION, _QUOTA_EXCEEDED, _UNREACHABLE, _CLOSED; `signal.reason`
   */
  subscribe<T = unknown>(pattern: string, options?: SubscribeOptions): Promise<Slot<T>>;
  /** The same with `slot.consume(handler)` started; a handler that throws shows as event `handler-failed`. */
  subscribe<T = unknown>(
    pattern: string,
    handler: (message: Message<T>) => unknown,
    options?: SubscribeOptions & { gaps?: false },
  ): Promise<Slot<T>>;
  /** …whose handler gets gap markers, too. */
  subscribe<T = unknown>(
    pattern: string,
    handler: (item: Message<T> | Gap) => unknown,
    options: SubscribeOptions,
  ): Promise<Slot<T, Message<T> | Gap>>;
  /**
   * Asks one responder; resolves to its reply.
   * @throws MAILSLOT_TIMEOUT, _NO_RESPONDER, _RESPONDER_LOST, _RESPONDER_FAILED, _NO_SUCH_PEER, _INVALID_SUBJECT,
   *   _INVALID_OPTION, _NOT_ENCODABLE, _MESSAGE_TOO_LARGE, _QUOTA_EXCEEDED, _PROTOCOL_VIOLATION, _UNREACHABLE, _CLOSED;
   *   `signal.reason`
   */
  query<T = unknown>(subject: string, data?: unknown, options?: QueryOptions): Promise<Message<T>>;
  /**
   * Asks all responders; ends with the last reply, or at the time-out with what came, which may be nothing. What one
   * of them failed with is a message with `error`. Asking begins with the first `next`.
   * @throws as `query`, arguments during the call; neither MAILSLOT_TIMEOUT nor _NO_RESPONDER
   */
  queryAll<T = unknown>(
    subject: string,
    data?: unknown,
    options?: QueryAllOptions,
  ): AsyncIterableIterator<Message<T>>;
  /**
   * Asks one responder for a stream of replies, which it sends no faster than they are read. Leaving the loop
   * cancels. An error in mid-stream is thrown after the replies before it. A handler that answers with one value
   * makes a stream of one. Asking begins with the first `next`.
   * @throws as `query`, arguments during the call
   */
  queryStream<T = unknown>(
    subject: string,
    data?: unknown,
    options?: QueryStreamOptions,
  ): AsyncIterableIterator<Message<T>>;
  /**
   * Answers queries; resolves when the host sends them here.
   * @param pattern a pattern; several responders may have the same
   * @throws MAILSLOT_INVALID_SUBJECT, _INVALID_OPTION, _QUOTA_EXCEEDED, _UNREACHABLE, _CLOSED;
   *   `signal.reason`
   */
  respond<Question = unknown>(
    pattern: string,
    handler: QueryHandler<Question>,
    options?: RespondOptions,
  ): Promise<Responder>;
  /**
   * Resolves when the name is this peer's alone; others that ask for it wait in line.
   * @param name a subject's grammar
   * @throws MAILSLOT_INVALID_NAME, _INVALID_OPTION, _QUOTA_EXCEEDED, _PROTOCOL_VIOLATION, _UNREACHABLE, _CLOSED;
   *   `signal.reason`
   */
  claim(name: string, options?: ClaimOptions): Promise<Claim>;
  /**
   * Who is on the bus at present, this peer included.
   * @throws MAILSLOT_TIMEOUT, _PROTOCOL_VIOLATION, _UNREACHABLE, _CLOSED
   */
  peers(): Promise<Peer[]>;
  /**
   * What happens from now on (and an earlier `host-inline`, for the first who listens); ends with the bus or the
   * signal. Who does not read loses the oldest beyond 1,024.
   * Presence is told of while somebody listens.
   */
  events(options?: { signal?: AbortSignal }): AsyncIterableIterator<BusEvent>;
  /** Synchronous; nobody is asked. */
  stats(): BusStats;
  /**
   * Finishes what was accepted, then closes: slots that are being read run empty, handlers finish, and what was
   * published is taken by its receivers. A handler that awaits it waits for itself, and so for the time-out.
   * @param options.timeout ms; what is not finished then is given up @default 5000
   */
  drain(options?: { timeout?: number }): Promise<void>;
  /**
   * Closes now. What is in the window and not settled may be lost; open queries and waiting calls reject with
   * MAILSLOT_CLOSED. A host that it started hands over to another peer first.
   */
  close(): Promise<void>;
}
