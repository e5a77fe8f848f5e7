// Runs a host in a worker thread, so that a busy program does not stall its bus. A thread may be started long before
// there is anything to host: it has then loaded all it needs, and stands for election as soon as it is told to.
import { Worker } from 'node:worker_threads';
import { isErrorCode, MailslotError } from '../errors.js';
import { HOST_YOUNG_GENERATION_MB } from '../limits.js';
import type { BusDirectory } from '../transport/bus-directory.js';
import { type Inspect, inspected, show } from '../util/inspection.js';
import type { Host } from './api.js';

export interface HostThreadData {
  bus: BusDirectory;
  ownerId: Uint8Array | undefined;
}

/** Why somebody stands for election: this epoch's host is dead, and `lastEpoch` is the last one it was on itself; 0 if none. */
export interface FoundDead {
  readonly dead: number;
  readonly lastEpoch: number;
  /** The process of that host, when it is there and answers nobody. */
  readonly hung?: number | undefined;
}

/** Main thread → worker. */
export type HostCommand =
  | { do: 'rehearse' }
  | ({ do: 'stand' } & FoundDead)
  | { do: 'drain' }
  | { do: 'close' };

/** Worker → main thread. */
export type HostNews =
  | { news: 'serving'; epoch: number; endpoint: string }
  | { news: 'lost' }
  | { news: 'failed'; error: unknown }
  | { news: 'peers'; peers: number }
  | { news: 'ended'; cause: Error | undefined };

// V8 lets it grow to 48 MiB before it looks what is garbage, and a host leaves little behind.
const resourceLimits = { maxYoungGenerationSizeMb: HOST_YOUNG_GENERATION_MB };

/** The worker could not be started at all: the program is bundled, or threads are not available. */
export class ThreadFailure extends Error {
  override readonly name = 'ThreadFailure';
}

/** The host as the main thread sees it: it lives as long as the thread. */
class RemoteHost implements Host {
  readonly epoch: number;
  readonly endpoint: string;
  readonly closed: Promise<Error | undefined>;
  readonly #command: (word: 'drain' | 'close') => void;
  #end: (cause: Error | undefined) => void = () => {};
  peers = 0;

  constructor(
    { epoch, endpoint }: { epoch: number; endpoint: string },
    command: (word: 'drain' | 'close') => void,
  ) {
    this.epoch = epoch;
    this.endpoint = endpoint;
    this.#command = command;
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  ended(cause: Error | undefined): void {
    this.#end(cause);
  }

  async drain(): Promise<void> {
    this.#command('drain');
    await this.closed;
  }

  async close(): Promise<void> {
    this.#command('close');
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  [inspected](...args: [number, object, Inspect]): string {
    const { epoch, endpoint, peers } = this;
    return show('Host', { epoch, endpoint, peers }, args);
  }
}

/** One thread: it stands for election until it has won once, and ends with that host, or when it is released. */
export class HostThread {
  readonly #worker: Worker;
  #waiting: { resolve(host: Host | undefined): void; reject(error: unknown): void } | undefined;
  #host: RemoteHost | undefined;
  #peers = 0;
  #failure: ThreadFailure | undefined;

  /**
   * @param file what the thread runs: host-worker.ts, compiled
   * @throws ThreadFailure
   */
  constructor(file: URL, data: HostThreadData) {
    this.#worker = startWorker(file, data);
    this.#worker.on('message', (news: HostNews) => this.#take(news));
    this.#worker.on('error', (error) =>
      this.#fail(new ThreadFailure('the host thread failed', { cause: error })),
    );
    this.#worker.on('exit', () => this.#fail(new ThreadFailure('the host thread ended')));
    // last, since listening holds the process open again
    this.#worker.unref();
  }

  /** Whether the thread can be told anything. */
  get isAlive(): boolean {
    return this.#failure === undefined;
  }

  /** Uses the time until the thread is needed, which may be never. */
  rehearse(): void {
    this.#tell({ do: 'rehearse' });
  }

  /**
   * Stands for election; undefined when somebody else won. Then, and after a MailslotError, the thread may stand again.
   * @throws ThreadFailure; MailslotError as `runHost`
   */
  stand(found: FoundDead): Promise<Host | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#waiting = { resolve, reject };
      this.#tell({ do: 'stand', ...found });
    });
  }

  /** Ends the thread; not for one that hosts. Resolves when it does nothing any more. */
  async release(): Promise<void> {
    await this.#worker.terminate();
  }

  #tell(command: HostCommand): void {
    this.#worker.postMessage(command);
  }

  #take(news: HostNews): void {
    if (news.news === 'serving') this.#crown(news);
    else if (news.news === 'lost') this.#waiting?.resolve(undefined);
    else if (news.news === 'failed') this.#waiting?.reject(revive(news.error));
    else if (news.news === 'peers') this.#count(news.peers);
    else this.#host?.ended(news.cause);
  }

  #crown(serving: { epoch: number; endpoint: string }): void {
    const host = new RemoteHost(serving, (word) => {
      this.#tell({ do: word });
      this.#worker.ref();
    });
    host.peers = this.#peers;
    this.#host = host;
    this.#waiting?.resolve(host);
  }

  #count(peers: number): void {
    this.#peers = peers;
    if (this.#host !== undefined) this.#host.peers = peers;
  }

  #fail(failure: ThreadFailure): void {
    this.#failure ??= failure;
    this.#waiting?.reject(failure);
    this.#host?.ended(failure);
  }
}

function startWorker(file: URL, workerData: HostThreadData): Worker {
  try {
    return new Worker(file, { workerData, name: 'mailslot-host', resourceLimits });
  } catch (error) {
    throw new ThreadFailure('the host thread could not be started', { cause: error });
  }
}

/** Turns what `portable` of host-worker.ts made of an error into an error again. */
function revive(copy: unknown): unknown {
  if (typeof copy !== 'object' || copy === null) return copy;
  const { message = '', cause, ...rest } = copy as { message?: string; cause?: unknown; code?: unknown };
  const options = cause === undefined ? {} : { cause: revive(cause) };
  if (isErrorCode(rest.code)) return new MailslotError(rest.code, message, { ...options, ...rest });
  return Object.assign(new Error(message, options), rest);
}
