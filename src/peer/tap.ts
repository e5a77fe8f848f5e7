// The reading end of a tap: copies of the frames that the host relays. It takes nothing apart, and keeps only so much
// for a slow reader: what is beyond that is dropped and counted, as it is in the host.
import { MailslotError } from '../errors.js';
import { MAX_TIMEOUT, TAP_QUEUE_BYTES } from '../limits.js';
import { Ring } from '../util/ring.js';
import { frameSize, messageCount } from '../wire/frame.js';
import type { Bus } from './api.js';
import { askHost } from './host-queries.js';
import { systemQuestion } from './question.js';

/** What came at once. */
export interface TapChunk {
  /** Whole frames, one behind the other. */
  frames: Buffer;
  /** How many were left out before them, each message of a batch; undefined where nobody knows: the host went. */
  dropped: number | undefined;
}

/**
 * Everything that is relayed from now on, ending with the Bus.
 * @param pattern of the subjects that are wanted; replies have none and always come
 * @param onOpen called when the host has begun, also with each host that follows
 * @throws `signal.reason`, and what ends the Bus
 */
export async function* tapBus(
  bus: Bus,
  { pattern, signal, onOpen }: { pattern: string | undefined; signal: AbortSignal; onOpen(): void },
): AsyncGenerator<TapChunk> {
  const data = pattern === undefined ? {} : { pattern };
  const queue = new TapQueue(onOpen);
  let stop: () => void = () => {};
  const ask = (): void => {
    stop = askHost(bus, systemQuestion('$tap', data, { call: 'tap', timeout: MAX_TIMEOUT }), {
      reply: (message) => queue.take(message),
      end: (error) => {
        if (!isInterruption(error)) return queue.end(error);
        queue.interrupted();
        ask();
      },
    });
  };
  const onAbort = (): void => queue.end(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  ask();
  try {
    for (;;) yield await queue.next();
  } finally {
    signal.removeEventListener('abort', onAbort);
    stop();
  }
}

/** The link ended, or the longest time-out is over: asking again goes on. */
function isInterruption(error: unknown): boolean {
  return MailslotError.is(error, 'MAILSLOT_RESPONDER_LOST') || MailslotError.is(error, 'MAILSLOT_TIMEOUT');
}

class TapQueue {
  readonly #chunks = new Ring<TapChunk>();
  readonly #onOpen: () => void;
  #isOpen = false;
  #bytes = 0;
  #dropped: number | undefined = 0;
  #end: { reason: unknown } | undefined;
  #wake: () => void = () => {};

  constructor(onOpen: () => void) {
    this.#onOpen = onOpen;
  }

  take({ data, error }: { data: unknown; error?: unknown }): void {
    if (error !== undefined) return this.end(error);
    if (!isCopy(data)) return;
    this.#opened();
    const { dropped } = data;
    const frames = Buffer.from(data.frames.buffer, data.frames.byteOffset, data.frames.length);
    this.#drop(dropped);
    if (this.#bytes > 0 && this.#bytes + frames.length > TAP_QUEUE_BYTES)
      return this.#drop(countFrames(frames));
    if (frames.length === 0 && this.#dropped === 0) return;
    this.#chunks.push({ frames, dropped: this.#dropped });
    this.#dropped = 0;
    this.#bytes += frames.length;
    this.#wake();
  }

  /** What was relayed from here on until the next host has begun nobody has seen. */
  interrupted(): void {
    this.#dropped = undefined;
    this.#isOpen = false;
  }

  end(reason: unknown): void {
    this.#end ??= { reason };
    this.#wake();
  }

  async next(): Promise<TapChunk> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.frames.length;
        return chunk;
      }
      if (this.#end !== undefined) throw this.#end.reason;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #opened(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#onOpen();
  }

  #drop(count: number): void {
    if (this.#dropped !== undefined) this.#dropped += count;
  }
}

function isCopy(data: unknown): data is { frames: Uint8Array; dropped: number } {
  if (typeof data !== 'object' || data === null) return false;
  const { frames, dropped } = data as Record<string, unknown>;
  return frames instanceof Uint8Array && Number.isSafeInteger(dropped);
}

function countFrames(frames: Buffer): number {
  let count = 0;
  for (let at = 0; at < frames.length; at += frameSize(frames, at, frames.length))
    count += messageCount(frames, at);
  return count;
}
