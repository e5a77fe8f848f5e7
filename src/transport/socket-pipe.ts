// Pipes over Unix sockets and Windows named pipes: the only place that touches node:net. It neither chooses
// endpoints nor retries. Nothing here keeps the process alive.
import { chmodSync, statSync } from 'node:fs';
import net from 'node:net';
import { LISTEN_BACKLOG } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { joinSmall } from './join-small.js';
import type { DialOptions, Endpoints, Listener, ListenOptions, Pipe, PipeHandlers } from './pipe.js';
import { PipeInbox } from './pipe-inbox.js';
import { PooledReader } from './pooled-reader.js';

/** Sockets of this machine. */
export function socketEndpoints(clock: Clock): Endpoints {
  return {
    dial: (endpoint, options = {}) => dialSocket(endpoint, { ...options, clock }),
    listen: (endpoint, options) => listenSocket(endpoint, { ...options, clock }),
  };
}

/**
 * Connects to an endpoint.
 * @throws the system's error, or `signal.reason`
 */
export function dialSocket(endpoint: string, options: DialOptions & { clock: Clock }): Promise<Pipe> {
  const { clock, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const inbox = new PipeInbox(clock);
    const reader = new PooledReader(inbox);
    const socket = net.connect({ path: endpoint, onread: reader.onread });
    // A pause before the connection exists is what keeps Node from reading into it at once.
    socket.pause();
    const settle = (outcome: () => void) => {
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      outcome();
    };
    const onError = (error: Error) => settle(() => reject(error));
    const onAbort = () => settle(() => reject(discard(socket, signal?.reason)));
    socket.once('error', onError);
    socket.once('connect', () => settle(() => resolve(new SocketPipe(socket, inbox, reader))));
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function discard(socket: net.Socket, reason: unknown): unknown {
  socket.on('error', () => {});
  socket.destroy();
  return reason;
}

export interface SocketListenOptions extends ListenOptions {
  clock: Clock;
  /** Whether accepted sockets read into buffers that are used again, where this Node can. @default true */
  pooledReads?: boolean;
}

/**
 * Listens on an endpoint that must not exist yet.
 * @throws the system's error
 */
export function listenSocket(endpoint: string, options: SocketListenOptions): Promise<Listener> {
  const { clock, onPipe, onError, pooledReads = true } = options;
  const server = net.createServer({ pauseOnConnect: true }, (socket) =>
    onPipe(acceptSocket(socket, clock, pooledReads)),
  );
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // exclusive: in a worker of node:cluster the primary would otherwise own the endpoint
    server.listen({ path: endpoint, backlog: LISTEN_BACKLOG, exclusive: true }, () => {
      server.off('error', reject);
      server.on('error', onError);
      resolve(new SocketListener(endpoint, server));
    });
    server.unref();
    if (process.platform !== 'win32') restrict(endpoint);
  });
}

// Its folder is closed to others already; this is for those who copy or move sockets about.
function restrict(endpoint: string): void {
  try {
    chmodSync(endpoint, 0o600);
  } catch {
    // It is not there: the server is about to say why.
  }
}

/** What the handle of a socket must offer to be wrapped anew; Node documents none of it. */
interface SocketHandle {
  useUserBuffer(buffer: Uint8Array): void;
}

// Node offers `onread` for sockets that dial, not for those that a server accepts. Their handle is given to a new
// socket that has it; where handles are not what they were, the accepted socket reads as Node does by default.
// See docs/decisions/0006-pooled-reads.md.
function acceptSocket(accepted: net.Socket, clock: Clock, pooledReads: boolean): Pipe {
  const inbox = new PipeInbox(clock);
  const owner = accepted as unknown as { _handle: SocketHandle | null };
  const handle = owner._handle;
  if (!pooledReads || typeof handle?.useUserBuffer !== 'function') return new SocketPipe(accepted, inbox);
  const reader = new PooledReader(inbox);
  owner._handle = null;
  const options = { handle, onread: reader.onread, pauseOnCreate: true, readable: true, writable: true };
  return new SocketPipe(new net.Socket(options as net.SocketConstructorOpts), inbox, reader);
}

class SocketListener implements Listener {
  readonly endpoint: string;
  readonly #server: net.Server;

  constructor(endpoint: string, server: net.Server) {
    this.endpoint = endpoint;
    this.#server = server;
  }

  // The name of a Windows pipe cannot be deleted. A disk that cannot be read is no proof that the socket has gone.
  isInPlace(): boolean {
    if (process.platform === 'win32') return true;
    try {
      return statSync(this.endpoint, { throwIfNoEntry: false }) !== undefined;
    } catch {
      return true;
    }
  }

  // Not the callback of server.close(): that one waits for every connection to end.
  close(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }
}

class SocketPipe implements Pipe {
  readonly #socket: net.Socket;
  readonly #inbox: PipeInbox;
  readonly #reader: PooledReader | undefined;
  #cause: Error | undefined;
  #ended = false;
  #owesDrained = false;

  constructor(socket: net.Socket, inbox: PipeInbox, reader?: PooledReader) {
    this.#socket = socket;
    this.#inbox = inbox;
    this.#reader = reader;
    socket.unref();
    socket.on('error', (error) => {
      this.#cause ??= error;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#inbox.closed(this.#cause));
  }

  get handlers(): PipeHandlers | undefined {
    return this.#inbox.handlers;
  }

  set handlers(handlers: PipeHandlers | undefined) {
    this.#inbox.handlers = handlers;
    if (!handlers) this.#socket.pause();
    else this.#startReading();
  }

  get queuedBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  write(parts: readonly Uint8Array[], onWritten?: () => void): void {
    if (this.#ended || this.#socket.destroyed || parts.length === 0) return onWritten?.();
    const written = onWritten === undefined ? this.#onWritten : this.#andThen(onWritten);
    if (parts.length === 1) this.#socket.write(parts[0]!, written);
    else this.#writeMany(parts, written);
    if (this.#socket.writableLength > 0) this.#owesDrained = true;
  }

  unread(chunk: Buffer): void {
    this.#inbox.unread(chunk);
  }

  recycle(chunk: Buffer): void {
    this.#reader?.recycle(chunk);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroySoon();
  }

  destroy(cause?: Error): void {
    if (this.#socket.destroyed) return;
    this.#ended = true;
    this.#cause ??= cause;
    this.#inbox.discard();
    this.#socket.destroy();
  }

  #writeMany(parts: readonly Uint8Array[], written: () => void): void {
    const joined = joinSmall(parts);
    const last = joined.pop()!;
    this.#socket.cork();
    for (const part of joined) this.#socket.write(part);
    this.#socket.write(last, written);
    this.#socket.uncork();
  }

  #andThen(onWritten: () => void): () => void {
    return () => {
      this.#onWritten();
      onWritten();
    };
  }

  // One function for all writes: Node then calls it for a batch of them in one go.
  readonly #onWritten = (): void => {
    if (!this.#owesDrained || this.#socket.writableLength > 0) return;
    this.#owesDrained = false;
    this.#inbox.drained();
  };

  #startReading(): void {
    if (!this.#reader && this.#socket.listenerCount('data') === 0) {
      this.#socket.on('data', (chunk: Buffer) => this.#inbox.data(chunk));
    }
    this.#socket.resume();
  }
}
