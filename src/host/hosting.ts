// The hosts that one Bus starts, one after the other: in a thread that is kept ready while this peer is the standby,
// or inline. When to stand for election is not decided here.
import { WARM_THREAD_DELAY } from '../limits.js';
import type { BusDirectory } from '../transport/bus-directory.js';
import type { Endpoints } from '../transport/pipe.js';
import type { Clock, Timer } from '../util/clock.js';
import type { PeerId } from '../wire/peer-id.js';
import type { Host } from './api.js';
import { runHost } from './host.js';
import { type FoundDead, HostThread, ThreadFailure } from './host-thread.js';

export interface HostingOptions {
  bus: BusDirectory;
  clock: Clock;
  endpoints: Endpoints;
  /** The peer in whose process the host would run, if there is one. */
  ownerId: PeerId | undefined;
  thread: 'worker' | 'inline';
  /** What a host thread runs. */
  threadFile: URL;
  /** No thread could be started, for this reason: the host runs inline. */
  onInline(cause: unknown): void;
}

export class Hosting {
  readonly #options: HostingOptions;
  #host: Host | undefined;
  #thread: HostThread | undefined;
  #isStandby = false;
  #warming: Timer | undefined;
  #starting: Promise<unknown> | undefined;
  #closed = false;

  constructor(options: HostingOptions) {
    this.#options = options;
  }

  /** The epoch that is hosted here, if one is. */
  get epoch(): number | undefined {
    return this.#host?.epoch;
  }

  /** Whether the last host named this peer its standby. */
  get isStandby(): boolean {
    return this.#isStandby;
  }

  /** Keeps a thread ready from now on, or no longer. A bus that lasts a moment only never pays for it. */
  setStandby(isStandby: boolean): void {
    if (isStandby === this.#isStandby || this.#closed) return;
    this.#isStandby = isStandby;
    this.#warming?.cancel();
    if (isStandby) this.#warming = this.#options.clock.setTimer(WARM_THREAD_DELAY, () => this.#warm());
    else void this.#cool();
  }

  /** Stands for election; undefined when somebody else won. Errors as `runHost`. */
  async start(found: FoundDead): Promise<Host | undefined> {
    // a host that begins now would have nobody to close it
    if (this.#closed) return undefined;
    const starting = this.#options.thread === 'inline' ? this.#runInline(found) : this.#runInThread(found);
    this.#starting = starting;
    const host = await starting;
    if (host === undefined) return undefined;
    this.#host = host;
    void host.closed.then(() => {
      if (this.#host === host) this.#host = undefined;
    });
    return host;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#warming?.cancel();
    // it may be rehearsing in the bus folder, which its user may be about to remove
    await this.#cool();
    // a host that is about to win would outlive its Bus; why it fails is told to who started it
    await this.#starting?.catch(() => {});
    await this.#host?.close();
  }

  #warm(): void {
    if (this.#options.thread === 'inline') return;
    if (this.#thread !== undefined) return;
    try {
      this.#thread = this.#newThread();
      this.#thread.rehearse();
    } catch {
      // Who has to host tries again, and then says so.
    }
  }

  async #cool(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.release();
  }

  #newThread(): HostThread {
    const { bus, ownerId, threadFile } = this.#options;
    return new HostThread(threadFile, { bus, ownerId: ownerId?.bytes });
  }

  #takeThread(): HostThread {
    const warm = this.#thread;
    this.#thread = undefined;
    return warm?.isAlive ? warm : this.#newThread();
  }

  #giveBack(thread: HostThread | undefined): void {
    // another one may have been kept ready meanwhile
    if (this.#isStandby && !this.#closed && this.#thread === undefined) this.#thread = thread;
    else void thread?.release();
  }

  async #runInThread(found: FoundDead): Promise<Host | undefined> {
    let thread: HostThread | undefined;
    let host: Host | undefined;
    try {
      thread = this.#takeThread();
      host = await thread.stand(found);
      return host;
    } catch (error) {
      if (!(error instanceof ThreadFailure)) throw error;
      this.#options.onInline(error);
      return this.#runInline(found);
    } finally {
      if (host === undefined) this.#giveBack(thread);
    }
  }

  #runInline(found: FoundDead): Promise<Host | undefined> {
    const { bus, clock, endpoints, ownerId } = this.#options;
    return runHost({ bus, ...found, clock, endpoints, ownerId });
  }
}
