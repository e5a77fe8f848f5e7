// The public type of a host: what startHost returns. host.ts and host-thread.ts implement it.

/** A host, in this thread or another one of this process. */
export interface Host extends AsyncDisposable {
  /** Number of its reign. */
  readonly epoch: number;
  /** Socket path or pipe name. */
  readonly endpoint: string;
  /** How many peers have a link at present. */
  readonly peers: number;
  /** Resolves when the host has ended: to undefined after `close`, else to the reason. */
  readonly closed: Promise<Error | undefined>;
  /** The same as `close`: a host has nothing to finish that others do not wait for. */
  drain(): Promise<void>;
  /** Lets open queries finish (5 s at most) and writes what is queued (1 s), then hands over to another peer. */
  close(): Promise<void>;
}
