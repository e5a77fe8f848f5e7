// The only module that reads time, sets timers or draws random bytes. Everything else gets a Clock, so that
// the simulator can stand in for all three.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';

/** A timer that was set; `cancel` may be called at any time, any number of times. */
export interface Timer {
  cancel(): void;
}

/** What holds a process open; it does so from the start. */
export interface KeepAlive {
  /** Holds the process open again. */
  ref(): void;
  /** Lets the process end when nothing else holds it. */
  unref(): void;
  /** Lets go for good. */
  release(): void;
}

export interface Clock {
  /** Monotonic time in ms, with a fraction; only differences mean anything. */
  now(): number;
  /** Wall-clock time in whole ms since 1970. */
  wallTime(): number;
  /** Calls `fire` once after `delay` ms. The timer does not keep the process alive. */
  setTimer(delay: number, fire: () => void): Timer;
  /** Calls `run` soon after the present call stack and its microtasks, before more I/O is read. */
  defer(run: () => void): void;
  /** Calls `run` after I/O had its turn. */
  afterIo(run: () => void): void;
  randomBytes(length: number): Buffer;
  /** Keeps the process alive: everything else this package opens (sockets, timers, watchers) does not. */
  keepAlive(): KeepAlive;
}

// The longest delay a Node timer takes; a longer one would fire at once.
const LONGEST_DELAY = 2 ** 31 - 1;

// Drawing few bytes costs as much as drawing many, and a crowd that connects draws often. No byte is given twice.
const POOL_BYTES = 2_048;
let pool: Buffer = Buffer.alloc(0);

function drawBytes(length: number): Buffer {
  if (length > POOL_BYTES / 8) return randomBytes(length);
  if (pool.length < length) pool = randomBytes(POOL_BYTES);
  const drawn = pool.subarray(0, length);
  pool = pool.subarray(length);
  return drawn;
}

/** The clock of the real world. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer(delay, fire) {
    const timer = setTimeout(fire, delay);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  defer: (run) => process.nextTick(run),
  afterIo: (run) => void setImmediate(run),
  randomBytes: drawBytes,
  keepAlive() {
    const timer = setInterval(() => {}, LONGEST_DELAY);
    return { ref: () => timer.ref(), unref: () => timer.unref(), release: () => clearInterval(timer) };
  },
};

/** Resolves after `delay` ms; rejects with `signal.reason` when the signal aborts first. */
export function wait(clock: Clock, delay: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(delay, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Resolves with `done`, at most after `timeout` ms. */
export async function atMost(clock: Clock, timeout: number, done: Promise<void>): Promise<void> {
  const deadline = new AbortController();
  await Promise.race([done, wait(clock, timeout, deadline.signal).catch(() => {})]);
  deadline.abort();
}
