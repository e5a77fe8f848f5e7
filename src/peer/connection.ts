// Keeps a Bus on the bus: reaches a host (or becomes one), holds the session, and starts over when it ends. The
// state of a Bus changes here and nowhere else.
import { MailslotError } from '../errors.js';
import { RETRY_DELAY_MAX, RETRY_DELAY_MIN } from '../limits.js';
import type { Link } from '../transport/link.js';
import type { Suspicion } from '../transport/patience.js';
import { Backoff } from '../util/backoff.js';
import { type Clock, type Timer, wait } from '../util/clock.js';
import type { BusState } from './api.js';
import type { PeerSession } from './peer-session.js';

/** Errors after which trying again cannot help: the two sides do not understand each other. */
const FATAL = ['MAILSLOT_PROTOCOL_VIOLATION', 'MAILSLOT_BAD_KEY', 'MAILSLOT_VERSION_MISMATCH'] as const;

export interface ConnectionOptions {
  clock: Clock;
  openTimeout: number;
  reconnectTimeout: number;
  signal: AbortSignal | undefined;
  /** Resolves to a link with a host, whoever that is. Rejects only when trying again cannot help, or when aborted. */
  reach(context: {
    lastEpoch: number;
    suspicion: Suspicion | undefined;
    signal: AbortSignal;
    onFailure(failure: Error): void;
  }): Promise<Link>;
  /** Makes the session of a link; calls `opened` when its gate is open and `ended` once at its end. */
  begin(
    link: Link,
    ends: { opened(epoch: number): void; ended(cause: Error | undefined): void },
  ): PeerSession;
  /** Calls `onSuccessor` once when another host has replaced the one of this epoch, at once if it has already. */
  watchSuccession(epoch: number, onSuccessor: () => void): { close(): void };
  onConnected(epoch: number): void;
  onDisconnected(epoch: number, cause: Error | undefined): void;
  onReconnecting(): void;
  /** There was no host for the whole reconnect time-out. */
  onUnreachable(error: MailslotError): void;
  /** `left` resolves when the goodbye was written. */
  onClosed(cause: Error | undefined, left: Promise<void>): void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #controller = new AbortController();
  #state: BusState = 'connecting';
  #session: PeerSession | undefined;
  #epoch = 0;
  #isLate = false;
  #suspicion: Suspicion | undefined;
  #lastFailure: Error | undefined;
  #patience: Timer | undefined;
  #left = Promise.resolve();
  #opened: { resolve(): void; reject(reason: unknown): void } | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): BusState {
    return this.#state;
  }

  /** The epoch of the last OPEN. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether this peer may have missed messages since the last OPEN, and knows it before any host does. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** The session, while its gate is open. */
  get session(): PeerSession | undefined {
    return this.#session?.isOpen ? this.#session : undefined;
  }

  /** Resolves when the bus is connected for the first time; then it stays so by itself. */
  async open(): Promise<void> {
    const { clock, openTimeout, signal } = this.#options;
    const giveUp = (reason: unknown): void => this.#opened?.reject(reason);
    const onAbort = (): void => giveUp(signal?.reason);
    const timer = clock.setTimer(openTimeout, () => giveUp(this.#unreachable(openTimeout)));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        this.#opened = { resolve, reject };
        void this.#stayConnected();
      });
    } catch (error) {
      void this.close(undefined);
      throw error;
    } finally {
      this.#opened = undefined;
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  drain(): void {
    if (this.#state !== 'closed') this.#state = 'draining';
  }

  /** Says goodbye if there is anybody to say it to; resolves when it was written. */
  close(cause: Error | undefined): Promise<void> {
    if (this.#state === 'closed') return this.#left;
    this.#state = 'closed';
    this.#patience?.cancel();
    this.#controller.abort(cause);
    this.#left = this.#session?.leave() ?? Promise.resolve();
    this.#options.onClosed(cause, this.#left);
    return this.#left;
  }

  async #stayConnected(): Promise<void> {
    const backoff = new Backoff(this.#options.clock, { min: RETRY_DELAY_MIN, max: RETRY_DELAY_MAX });
    while (!this.#controller.signal.aborted) {
      try {
        const link = await this.#options.reach({
          lastEpoch: this.#epoch,
          suspicion: this.#takeSuspicion(),
          signal: this.#controller.signal,
          onFailure: (failure) => {
            this.#lastFailure = failure;
          },
        });
        backoff.reset();
        await this.#holdSession(link);
      } catch (error) {
        if (this.#controller.signal.aborted) return;
        if (this.#epoch === 0 || isFatal(error)) return this.#fail(error as Error);
        // A full disk, a folder that is being changed: who was on the bus has time, and the next round asks again.
        this.#lastFailure = error as Error;
        await wait(this.#options.clock, backoff.next(), this.#controller.signal).catch(() => {});
      }
    }
  }

  /** Resolves when the session has ended and another is to be tried; rejects when that cannot help. */
  #holdSession(link: Link): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#controller.signal.aborted) {
        link.pipe.destroy();
        return resolve();
      }
      // its host has gone on without us
      if (link.epoch === this.#epoch) this.#isLate = true;
      let succession: { close(): void } | undefined;
      const session = this.#options.begin(link, {
        opened: (epoch) => this.#connected(epoch),
        ended: (cause) => {
          succession?.close();
          const since = session.overdueSince;
          if (since !== undefined) this.#suspicion = { epoch: link.epoch, since };
          this.#disconnected(cause);
          if (isFatal(cause)) reject(cause);
          else resolve();
        },
      });
      this.#session = session;
      succession = this.#options.watchSuccession(link.epoch, () => session.end(replaced(link.epoch)));
    });
  }

  #connected(epoch: number): void {
    this.#epoch = epoch;
    this.#isLate = false;
    this.#patience?.cancel();
    this.#patience = undefined;
    this.#lastFailure = undefined;
    if (this.#state !== 'draining') this.#state = 'connected';
    this.#options.onConnected(epoch);
    this.#opened?.resolve();
  }

  #disconnected(cause: Error | undefined): void {
    if (this.#session?.mayHaveMissed) this.#isLate = true;
    this.#session = undefined;
    this.#lastFailure = cause ?? this.#lastFailure;
    if (this.#state !== 'connected' && this.#state !== 'draining') return;
    if (this.#state === 'connected') this.#state = 'reconnecting';
    this.#patience ??= this.#losePatience();
    this.#options.onDisconnected(this.#epoch, cause);
    this.#options.onReconnecting();
  }

  #takeSuspicion(): Suspicion | undefined {
    const suspicion = this.#suspicion;
    this.#suspicion = undefined;
    return suspicion;
  }

  #losePatience(): Timer {
    const { clock, reconnectTimeout } = this.#options;
    return clock.setTimer(reconnectTimeout, () => {
      this.#options.onUnreachable(this.#unreachable(reconnectTimeout));
      this.#patience = this.#losePatience();
    });
  }

  #fail(error: Error): void {
    if (this.#opened !== undefined) this.#opened.reject(error);
    else void this.close(error);
  }

  #unreachable(timeout: number): MailslotError {
    const detail = this.#lastFailure === undefined ? '' : `: ${this.#lastFailure.message}`;
    return new MailslotError(
      'MAILSLOT_UNREACHABLE',
      `no host could be reached within ${timeout} ms${detail}`,
      {
        cause: this.#lastFailure,
      },
    );
  }
}

function isFatal(error: unknown): boolean {
  return FATAL.some((code) => MailslotError.is(error, code));
}

function replaced(epoch: number): MailslotError {
  return new MailslotError('MAILSLOT_UNREACHABLE', `the host of epoch ${epoch} has been replaced`);
}
