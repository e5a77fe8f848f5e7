// Links: pipes whose handshake has succeeded. The dialling half gives one link or a reason; the accepting half
// keeps connections that have proved nothing few, short-lived and small. What then travels on a link is not
// known here.
import { MailslotError } from '../errors.js';
import { HANDSHAKE_TIMEOUT, MAX_HANDSHAKING_CONNECTIONS, MAX_UNPROVEN_CONNECTIONS } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import { setDeadline } from '../util/deadline.js';
import { errnoOf } from '../util/errno.js';
import {
  type HandshakeContext,
  type HandshakeDone,
  HostHandshake,
  NONCE_BYTES,
  PeerHandshake,
} from '../wire/handshake.js';
import type { Endpoints, Pipe } from './pipe.js';

/** A pipe to somebody who knows the key. It delivers from the first byte behind the handshake, once it has handlers. */
export interface Link {
  readonly pipe: Pipe;
  /** The other side's id, 8 bytes. */
  readonly peerId: Uint8Array;
  readonly epoch: number;
}

/** Why no link came about, as far as the host is concerned: it is gone for certain, or nobody can say. */
export class LinkFailure extends Error {
  override readonly name = 'LinkFailure';
  readonly verdict: 'dead' | 'unknown';

  constructor(message: string, verdict: 'dead' | 'unknown', cause?: unknown) {
    super(message, { cause });
    this.verdict = verdict;
  }
}

/** `endpoint` is the whole path or pipe name here. */
export interface ConnectOptions extends HandshakeContext {
  endpoints: Endpoints;
  clock: Clock;
  peerId: Uint8Array;
  signal?: AbortSignal | undefined;
  /** @default HANDSHAKE_TIMEOUT */
  timeout?: number;
}

/**
 * Dials a host and goes through the handshake, within `timeout`.
 * @throws LinkFailure; MailslotError when the other side is not a host of this bus; `signal.reason`
 */
export async function connectLink(options: ConnectOptions): Promise<Link> {
  const { clock, signal, endpoint, timeout = HANDSHAKE_TIMEOUT } = options;
  const attempt = new AbortController();
  const giveUp = (reason: unknown) => attempt.abort(reason);
  const onAbort = () => giveUp(signal?.reason);
  if (signal?.aborted) throw signal.reason;
  signal?.addEventListener('abort', onAbort, { once: true });
  const deadline = setDeadline(clock, timeout, () =>
    giveUp(new LinkFailure(`no handshake with ${endpoint} within ${Math.round(timeout)} ms`, 'unknown')),
  );
  try {
    return await shakeHands(await dial(options, attempt.signal), options, attempt.signal);
  } finally {
    deadline.cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

async function dial({ endpoints, endpoint }: ConnectOptions, signal: AbortSignal): Promise<Pipe> {
  try {
    return await endpoints.dial(endpoint, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new LinkFailure(`dialling ${endpoint} failed`, verdictOn(errnoOf(error)), error);
  }
}

// EAGAIN is a full backlog, EACCES and EPERM may be a folder being made; only these two mean that nobody listens.
function verdictOn(errno: string | undefined): 'dead' | 'unknown' {
  return errno === 'ECONNREFUSED' || errno === 'ENOENT' ? 'dead' : 'unknown';
}

function shakeHands(pipe: Pipe, options: ConnectOptions, signal: AbortSignal): Promise<Link> {
  const handshake = new PeerHandshake({ ...options, nonce: options.clock.randomBytes(NONCE_BYTES) });
  return new Promise((resolve, reject) => {
    const fail = (reason: unknown) => {
      signal.removeEventListener('abort', onAbort);
      pipe.destroy();
      reject(reason);
    };
    const onAbort = () => fail(signal.reason);
    const onData = (chunk: Buffer) => {
      const { send, refused, done } = handshake.receive(chunk);
      if (refused) return fail(refused);
      if (send) pipe.write([send]);
      if (!done) return;
      signal.removeEventListener('abort', onAbort);
      resolve(toLink(pipe, done, options.epoch));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    pipe.handlers = {
      data: onData,
      drained() {},
      closed: (cause) => fail(closedEarly(options.endpoint, cause)),
    };
    pipe.write([handshake.first]);
  });
}

function closedEarly(endpoint: string, cause: Error | undefined): LinkFailure {
  return new LinkFailure(
    `${endpoint} closed the connection during the handshake: it is closing, full, or has another key`,
    'unknown',
    cause,
  );
}

// Parked first: the chunk is put back for the owner, who sets its handlers when it is ready.
function toLink(pipe: Pipe, { id, rest }: HandshakeDone, epoch: number): Link {
  pipe.handlers = undefined;
  if (rest.length > 0) pipe.unread(Buffer.from(rest.buffer, rest.byteOffset, rest.length));
  return { pipe, peerId: id, epoch };
}

export interface AcceptOptions extends HandshakeContext {
  clock: Clock;
  hostId: Uint8Array;
  /** A peer has proved itself. Its pipe is read when it gets handlers. */
  onLink(link: Link): void;
  /** A connection was cut before it became a link. */
  onRefused?: ((reason: MailslotError) => void) | undefined;
}

/**
 * The accepting half: takes the pipes of a listener and gives links. Until {@link serve} it reads and checks
 * first messages but answers none.
 *
 * Invariant: a connection is in exactly one of #unproven, #proven, or neither (gone, or a link).
 */
export class LinkAcceptor {
  readonly #options: AcceptOptions;
  // Sets keep the order of arrival: the first is the oldest.
  readonly #unproven = new Set<Arrival>();
  readonly #proven = new Set<Arrival>();
  #serving = false;
  #thinningOut = false;
  #closed = false;

  constructor(options: AcceptOptions) {
    this.#options = options;
  }

  /** Connections that are not links yet. */
  get pending(): number {
    return this.#unproven.size + this.#proven.size;
  }

  accept(pipe: Pipe): void {
    if (this.#closed) {
      pipe.destroy();
      return;
    }
    const { clock } = this.#options;
    const handshake = new HostHandshake({ ...this.#options, nonce: clock.randomBytes(NONCE_BYTES) });
    const deadline = setDeadline(clock, HANDSHAKE_TIMEOUT, () => this.#refuse(arrival, tooSlow()));
    const arrival: Arrival = { pipe, handshake, deadline, held: undefined };
    this.#unproven.add(arrival);
    this.#dropOldest(this.#unproven, MAX_HANDSHAKING_CONNECTIONS);
    if (this.#unproven.size > MAX_UNPROVEN_CONNECTIONS) this.#thinOutLater();
    pipe.handlers = {
      data: (chunk) => this.#receive(arrival, chunk),
      drained() {},
      closed: () => this.#forget(arrival),
    };
  }

  /** Answers those who have come, and from now on everybody. */
  serve(): void {
    this.#serving = true;
    for (const arrival of this.#proven) {
      if (arrival.held) arrival.pipe.write([arrival.held]);
      arrival.held = undefined;
    }
  }

  /** Cuts everybody who is not a link yet, and whoever still comes. */
  close(): void {
    this.#closed = true;
    for (const arrival of [...this.#unproven, ...this.#proven]) this.#drop(arrival);
  }

  #receive(arrival: Arrival, chunk: Buffer): void {
    const { send, refused, done } = arrival.handshake.receive(chunk);
    if (send && !this.#serving) arrival.held = send;
    else if (send) arrival.pipe.write([send]);
    if (refused) this.#refuse(arrival, refused);
    else if (done) this.#complete(arrival, done);
    else if (arrival.handshake.begun && this.#unproven.delete(arrival)) {
      this.#proven.add(arrival);
      this.#dropOldest(this.#proven, MAX_HANDSHAKING_CONNECTIONS);
    }
  }

  // After a take-over hundreds of peers come within one turn of the event loop, their first messages already in
  // the sockets but not read yet. Two timers in a row are sure to have a round of reading between them.
  #thinOutLater(): void {
    if (this.#thinningOut) return;
    this.#thinningOut = true;
    const { clock } = this.#options;
    const thinOut = () => {
      this.#thinningOut = false;
      this.#dropOldest(this.#unproven, MAX_UNPROVEN_CONNECTIONS);
    };
    clock.setTimer(0, () => clock.setTimer(0, thinOut));
  }

  #dropOldest(group: Set<Arrival>, max: number): void {
    for (const oldest of group) {
      if (group.size <= max) return;
      this.#refuse(oldest, crowdedOut());
    }
  }

  #complete(arrival: Arrival, done: HandshakeDone): void {
    this.#forget(arrival);
    this.#options.onLink(toLink(arrival.pipe, done, this.#options.epoch));
  }

  #refuse(arrival: Arrival, reason: MailslotError): void {
    // What was written goes out first: to a peer of another version, H1 is the explanation.
    if (arrival.handshake.begun && reason.code === 'MAILSLOT_VERSION_MISMATCH') this.#dismiss(arrival);
    else this.#drop(arrival);
    this.#options.onRefused?.(reason);
  }

  #dismiss(arrival: Arrival): void {
    this.#forget(arrival);
    arrival.pipe.handlers = { data() {}, drained() {}, closed() {} };
    if (arrival.held) arrival.pipe.write([arrival.held]);
    arrival.pipe.end();
  }

  #drop(arrival: Arrival): void {
    this.#forget(arrival);
    arrival.pipe.destroy();
  }

  #forget(arrival: Arrival): void {
    arrival.deadline.cancel();
    this.#unproven.delete(arrival);
    this.#proven.delete(arrival);
  }
}

interface Arrival {
  readonly pipe: Pipe;
  readonly handshake: HostHandshake;
  readonly deadline: Timer;
  /** H1, until it may be sent. */
  held: Uint8Array | undefined;
}

function tooSlow(): MailslotError {
  return new MailslotError(
    'MAILSLOT_TIMEOUT',
    `A connection did not complete its handshake within ${HANDSHAKE_TIMEOUT} ms.`,
  );
}

function crowdedOut(): MailslotError {
  return new MailslotError(
    'MAILSLOT_QUOTA_EXCEEDED',
    'A connection was cut during its handshake because newer ones came in numbers.',
  );
}
