// Hands the events of a bus to everyone who listens. Each listener has a queue of its own; one that does not read
// loses its oldest events rather than growing without bound.
import { Ring } from '../util/ring.js';
import type { BusEvent } from './api.js';

/** Events kept for a listener that does not read. */
const KEPT_EVENTS = 1_024;

type Result = IteratorResult<BusEvent, undefined>;

const DONE: Result = { done: true, value: undefined };

class EventListener implements AsyncIterableIterator<BusEvent> {
  readonly #events = new Ring<BusEvent>();
  readonly #readers: ((result: Result) => void)[] = [];
  readonly #onEnd: (listener: EventListener) => void;
  #ended = false;

  constructor(onEnd: (listener: EventListener) => void) {
    this.#onEnd = onEnd;
  }

  offer(event: BusEvent): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) return reader({ done: false, value: event });
    if (this.#events.length === KEPT_EVENTS) this.#events.shift();
    this.#events.push(event);
  }

  /** No more events come; those that are here can still be read. */
  end(): void {
    this.#ended = true;
    this.#onEnd(this);
    for (const reader of this.#readers.splice(0)) reader(DONE);
  }

  next(): Promise<Result> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<Result> {
    this.end();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

export class EventHub {
  readonly #listeners = new Set<EventListener>();
  readonly #unheard: BusEvent[] = [];
  #ended = false;

  emit(event: BusEvent): void {
    for (const listener of this.#listeners) listener.offer(event);
  }

  /** The same for what may happen before a program can listen: while nobody does, it waits for the first who will. */
  emitEarly(event: BusEvent): void {
    if (this.#listeners.size === 0) this.#unheard.push(event);
    else this.emit(event);
  }

  listen(signal: AbortSignal | undefined): AsyncIterableIterator<BusEvent> {
    const onAbort = (): void => listener.end();
    const listener = new EventListener((one) => {
      signal?.removeEventListener('abort', onAbort);
      this.#listeners.delete(one);
    });
    this.#listeners.add(listener);
    for (const event of this.#unheard.splice(0)) listener.offer(event);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (this.#ended || signal?.aborted) listener.end();
    return listener;
  }

  end(): void {
    this.#ended = true;
    for (const listener of this.#listeners) listener.end();
  }
}
