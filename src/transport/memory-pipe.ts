// Pipes within one process, for tests and the simulator. They behave as sockets do: bytes are copied and arrive
// in a later turn, a writer whose reader does not read fills up, and chunks may be cut anywhere.
import { MEMORY_PIPE_BYTES } from '../limits.js';
import type { Clock } from '../util/clock.js';
import type { DialOptions, Endpoints, Listener, ListenOptions, Pipe, PipeHandlers } from './pipe.js';
import { PipeInbox } from './pipe-inbox.js';

export interface MemoryPipeOptions {
  /** Cuts what is about to arrive into chunks. @default one chunk per written part */
  split?: ((chunk: Buffer) => Buffer[]) | undefined;
}

/** Two ends of one pipe. */
export function memoryPipePair(clock: Clock, options: MemoryPipeOptions = {}): [Pipe, Pipe] {
  const ends = [new MemoryPipe(clock, options), new MemoryPipe(clock, options)] as const;
  ends[0].attach(ends[1]);
  ends[1].attach(ends[0]);
  return [...ends];
}

/** Endpoints that only exist in this object. */
export function memoryEndpoints(clock: Clock, options: MemoryPipeOptions = {}): Endpoints {
  const listening = new Map<string, ListenOptions>();
  return {
    dial: (endpoint, dialOptions = {}) =>
      dialMemory(listening, clock, endpoint, { ...options, ...dialOptions }),
    listen: (endpoint, listenOptions) => listenMemory(listening, endpoint, listenOptions),
  };
}

async function dialMemory(
  listening: ReadonlyMap<string, ListenOptions>,
  clock: Clock,
  endpoint: string,
  options: DialOptions & MemoryPipeOptions,
): Promise<Pipe> {
  await new Promise<void>((resolve) => clock.defer(resolve));
  options.signal?.throwIfAborted();
  const listener = listening.get(endpoint);
  if (!listener) throw systemError('ENOENT', `nobody listens on ${endpoint}`);
  const [dialled, accepted] = memoryPipePair(clock, options);
  listener.onPipe(accepted);
  return dialled;
}

async function listenMemory(
  listening: Map<string, ListenOptions>,
  endpoint: string,
  options: ListenOptions,
): Promise<Listener> {
  if (listening.has(endpoint)) throw systemError('EADDRINUSE', `${endpoint} is in use`);
  listening.set(endpoint, options);
  return {
    endpoint,
    isInPlace: () => listening.get(endpoint) === options,
    async close() {
      if (listening.get(endpoint) === options) listening.delete(endpoint);
    },
  };
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

class MemoryPipe implements Pipe {
  readonly #clock: Clock;
  readonly #split: (chunk: Buffer) => Buffer[];
  readonly #inbox: PipeInbox;
  #other: MemoryPipe | undefined;
  #queue: { part: Uint8Array; onWritten: (() => void) | undefined }[] = [];
  #queuedBytes = 0;
  #state: 'open' | 'ending' | 'gone' = 'open';
  #moving = false;

  constructor(clock: Clock, { split = (chunk) => [chunk] }: MemoryPipeOptions) {
    this.#clock = clock;
    this.#split = split;
    this.#inbox = new PipeInbox(clock);
  }

  attach(other: MemoryPipe): void {
    this.#other = other;
  }

  get handlers(): PipeHandlers | undefined {
    return this.#inbox.handlers;
  }

  set handlers(handlers: PipeHandlers | undefined) {
    this.#inbox.handlers = handlers;
    if (this.#other) this.#other.#moveLater();
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  write(parts: readonly Uint8Array[], onWritten?: () => void): void {
    if (this.#state !== 'open') return onWritten?.();
    for (const [index, part] of parts.entries()) {
      this.#queue.push({ part, onWritten: index === parts.length - 1 ? onWritten : undefined });
      this.#queuedBytes += part.length;
    }
    this.#moveLater();
  }

  unread(chunk: Buffer): void {
    this.#inbox.unread(chunk);
  }

  // Chunks have memory of their own here; there is nothing to reuse.
  recycle(): void {}

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#moveLater();
  }

  destroy(cause?: Error): void {
    if (this.#state === 'gone') return;
    this.#inbox.discard();
    this.#goneLater(cause);
    if (this.#other) this.#other.#goneLater(undefined);
  }

  #moveLater(): void {
    if (this.#moving || this.#state === 'gone') return;
    this.#moving = true;
    this.#clock.defer(() => {
      this.#moving = false;
      this.#move();
    });
  }

  #move(): void {
    if (this.#state === 'gone' || !this.#other) return;
    const hadBytes = this.#queuedBytes > 0;
    while (this.#queue.length > 0 && this.#other.#inbox.waitingBytes < MEMORY_PIPE_BYTES)
      this.#moveOne(this.#other);
    if (this.#queue.length > 0) return;
    if (hadBytes) this.#inbox.drained();
    if (this.#state !== 'ending') return;
    this.#other.#goneLater(undefined);
    this.#goneLater(undefined);
  }

  #moveOne(other: MemoryPipe): void {
    const { part, onWritten } = this.#queue.shift()!;
    this.#queuedBytes -= part.length;
    for (const chunk of this.#split(Buffer.from(part))) other.#inbox.data(chunk);
    onWritten?.();
  }

  #goneLater(cause: Error | undefined): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    const unwritten = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const { onWritten } of unwritten) onWritten?.();
    this.#clock.defer(() => this.#inbox.closed(cause));
  }
}
