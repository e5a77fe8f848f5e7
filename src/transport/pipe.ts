// A pipe: two directions of bytes between two processes (or two ends in memory). It knows neither frames nor
// handshakes. socket-pipe.ts and memory-pipe.ts implement it; one suite of tests runs over both.

/** What a pipe tells its owner. All are called from the event loop, never from within a call of the owner. */
export interface PipeHandlers {
  /** Bytes arrived. The chunk is the handler's to keep; {@link Pipe.recycle} gives it back. */
  data(chunk: Buffer): void;
  /**
   * Where the bytes that come next belong, if they have a place: they are then read into it where that is possible,
   * and `data` gets the part that was. A hint, asked for before each read.
   */
  place?(): Buffer | undefined;
  /** {@link Pipe.queuedBytes} was above 0 after a write and is 0 now: everything has left this process. */
  drained(): void;
  /** The pipe is gone, for whatever reason; called exactly once, and nothing is called after it. */
  closed(cause: Error | undefined): void;
}

export interface Pipe {
  /**
   * Who gets what arrives. While there is nobody, nothing is read; what is already here waits for the successor,
   * the news that the pipe closed included.
   */
  handlers: PipeHandlers | undefined;
  /**
   * Writes the parts in order, as one system call where possible. They must not change before `onWritten`, which is
   * called once, also when the pipe closes instead.
   */
  write(parts: readonly Uint8Array[], onWritten?: () => void): void;
  /** Bytes written that have not left this process yet. */
  readonly queuedBytes: number;
  /** Puts bytes back: they are delivered again, before anything else. */
  unread(chunk: Buffer): void;
  /**
   * Says that nothing refers to this chunk any more, so that its memory may be read into again. It must be the
   * very object that `data` delivered; a second time, and any other chunk, does nothing.
   */
  recycle(chunk: Buffer): void;
  /** Closes after everything queued has been written. */
  end(): void;
  /** Closes now; what is queued is lost, and nothing that has arrived is delivered any more. */
  destroy(cause?: Error): void;
}

/** What accepts pipes. */
export interface Listener {
  /** The path or pipe name that others dial. */
  readonly endpoint: string;
  /** Whether the endpoint is in its place: it may be deleted under its listener, and then nobody comes any more. */
  isInPlace(): boolean;
  /** Stops accepting; pipes that are open stay. Resolves when the endpoint is free. */
  close(): Promise<void>;
}

export interface ListenOptions {
  /** A pipe was accepted; it is read when it gets handlers. */
  onPipe(pipe: Pipe): void;
  /** One connection could not be accepted; the listener goes on. */
  onError(error: Error): void;
}

export interface DialOptions {
  signal?: AbortSignal | undefined;
}

/** Where pipes come from: sockets, or memory. Endpoints are whole paths or pipe names. */
export interface Endpoints {
  /** Rejects with the system's error (its `code` is the errno), or with `signal.reason`. */
  dial(endpoint: string, options?: DialOptions): Promise<Pipe>;
  listen(endpoint: string, options: ListenOptions): Promise<Listener>;
}
