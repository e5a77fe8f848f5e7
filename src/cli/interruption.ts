// SIGINT and SIGTERM → one AbortSignal. The second of the same kind meets Node's default and ends the process at
// once. SIGHUP is left alone: a listener would undo what nohup did.
import { CommandEnd, ExitCode } from './exit-codes.js';

const interrupted = new CommandEnd(ExitCode.interrupted);
const terminated = new CommandEnd(ExitCode.interrupted);

/** Aborts `controller` with the {@link CommandEnd} that fits the signal. */
export function abortOnSignals(controller: AbortController): void {
  process.once('SIGINT', () => controller.abort(interrupted));
  process.once('SIGTERM', () => controller.abort(terminated));
}

/** Settles as `work` does, or rejects with the signal's reason as soon as it aborts. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, stop } = abortion(signal);
  return Promise.race([work, promise]).finally(stop);
}

/** For work without an end of its own: SIGTERM is how one stops it, and no failure. */
export async function untilTerminated(work: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (signal.reason !== terminated) throw error;
  }
}

function abortion(signal: AbortSignal): { promise: Promise<never>; stop: () => void } {
  let onAbort = () => {};
  const promise = new Promise<never>((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  return { promise, stop: () => signal.removeEventListener('abort', onAbort) };
}
