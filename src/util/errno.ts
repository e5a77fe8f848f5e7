// The `code` of a system error, and the retrying that Windows' file locks make necessary.
import { FILE_RETRY_INTERVAL, FILE_RETRY_TIMEOUT } from '../limits.js';
import { type Clock, wait } from './clock.js';

/** The errno name such as `ENOENT`, if `error` carries one. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Resolves to the result, or to undefined when it fails with one of the errnos. */
export async function unless<T>(
  errnos: readonly string[],
  action: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (errnos.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

const BUSY = ['EPERM', 'EBUSY', 'EACCES'];

/** Runs a file operation; on Windows again for a second while a scanner or indexer holds the file. */
export async function patiently<T>(clock: Clock, action: () => T | Promise<T>): Promise<T> {
  const giveUp = clock.now() + (process.platform === 'win32' ? FILE_RETRY_TIMEOUT : 0);
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (clock.now() >= giveUp || !BUSY.includes(errnoOf(error) ?? '')) throw error;
      await wait(clock, FILE_RETRY_INTERVAL);
    }
  }
}
