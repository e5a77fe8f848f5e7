// A query that a handler of this peer works on, and what the handler gets beside the message. Most handlers never
// look at their signal, so its AbortController is made when one does.
import { MAX_TIMEOUT } from '../limits.js';
import type { Timer } from '../util/clock.js';
import { copyBytes } from '../wire/byte-copies.js';
import { At, Flag, readFlags, readTtl, readU64 } from '../wire/frame.js';
import { PEER_ID_BYTES, peerKeyAt } from '../wire/peer-id.js';
import type { QueryContext } from './api.js';
import type { OpenResponder } from './responder.js';
import type { StreamedAnswer } from './streamed-answer.js';

export class QueryTask {
  /** Peer id, 8 bytes. */
  readonly asker: Uint8Array;
  /** The asker's number for it. */
  readonly id: number;
  /** Whether the asker takes more than one reply. */
  readonly isStreamed: boolean;
  /** ms from its arrival until the asker stops waiting; undefined when it has told no end. */
  readonly ttl: number | undefined;
  /** The same as a time, ms since 1970; infinite without an end. */
  readonly deadline: number;
  /** Fires at the deadline; set while something is under way. */
  timer: Timer | undefined;
  responder: OpenResponder | undefined;
  /** Its streamed answer, while there is one. */
  stream: StreamedAnswer | undefined;
  #key: string | undefined;
  #reason: unknown;
  #aborted = false;
  #controller: AbortController | undefined;
  #onAbort: (() => void) | undefined;

  /** Of the QUERY at `at`. @param now ms since 1970 */
  constructor(bytes: Uint8Array, at: number, now: number) {
    const flags = readFlags(bytes, at);
    this.asker = copyBytes(bytes, at + At.sender, at + At.sender + PEER_ID_BYTES);
    this.id = readU64(bytes, at + At.sequence);
    this.isStreamed = (flags & Flag.stream) !== 0;
    this.ttl = flags & Flag.hasTtl ? Math.min(readTtl(bytes, at), MAX_TIMEOUT) : undefined;
    this.deadline = this.ttl === undefined ? Number.POSITIVE_INFINITY : now + this.ttl;
  }

  /** Asker and id, as one text. */
  get key(): string {
    this.#key ??= taskKey(this.asker, 0, this.id);
    return this.#key;
  }

  /** Nobody waits for an answer any more. */
  get aborted(): boolean {
    return this.#aborted;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  context(): QueryContext {
    return new HandlerContext(this);
  }

  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#onAbort?.();
  }

  /** Calls `react` once it is aborted, at once if it is; there is one such function at a time. */
  set onAbort(react: () => void) {
    if (this.#aborted) react();
    else this.#onAbort = react;
  }
}

/**
 * What the handler gets beside the message. `signal` is a property of each, so that a spread copies it, but its getter
 * is one for all: a getter of its own costs each a hidden class, which lives until the next full collection, and the
 * query with it.
 */
class HandlerContext implements QueryContext {
  static readonly #signal: PropertyDescriptor & ThisType<HandlerContext> = {
    enumerable: true,
    configurable: true,
    get() {
      return this.#task.signal;
    },
  };

  declare readonly signal: AbortSignal;
  readonly deadline: number;
  readonly #task: QueryTask;

  constructor(task: QueryTask) {
    this.deadline = task.deadline;
    this.#task = task;
    Object.defineProperty(this, 'signal', HandlerContext.#signal);
  }
}

export function taskKey(bytes: Uint8Array, askerAt: number, id: number): string {
  return `${peerKeyAt(bytes, askerAt)}${id}`;
}
