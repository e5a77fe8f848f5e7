// Tells that files came into a folder or left it, as soon as the system says so; not that one was written to. It is a
// hint only: some file systems say nothing, and watches can run out, so whoever uses it also looks from time to time.
import { watch } from 'node:fs';

export interface FolderWatch {
  close(): void;
}

/** What there is where no watch could be made. */
export const NO_WATCH: FolderWatch = { close() {} };

/**
 * Calls `onChange` with each name that came or went, where the system tells it, or when the folder goes. It never fails
 * and never throws.
 */
export function watchFolder(path: string, onChange: (name: string | null) => void): FolderWatch {
  try {
    const watcher = watch(path, { persistent: false }, (event, name) => {
      if (event === 'rename') onChange(name);
    });
    watcher.on('error', () => {});
    return watcher;
  } catch {
    return NO_WATCH;
  }
}
