// One watch of a bus folder for all who wait for a higher pointer in it: a process may be on a bus with a hundred peers, and
// when a host dies, names come and go while the machine has the least time to spare.
import { type Stats, statSync } from 'node:fs';
import type { BusDirectory } from './bus-directory.js';
import { highestEpoch } from './epochs.js';
import { type FolderWatch, NO_WATCH, watchFolder } from './folder-watch.js';

interface SharedWatch {
  readonly folder: Stats | undefined;
  readonly watch: FolderWatch;
  readonly listeners: Set<(highest: number) => void>;
}

const shared = new Map<string, SharedWatch>();

/**
 * Calls `onChange` with the highest epoch whenever a pointer came or went. As {@link watchFolder} it is a hint, and
 * never fails.
 */
export function watchPointers(bus: BusDirectory, onChange: (highest: number) => void): FolderWatch {
  const { path } = bus;
  const folder = statOf(path);
  const known = shared.get(path);
  // a folder that was deleted and made again is another one, of which the old watch hears nothing
  const watching = known !== undefined && isSame(known.folder, folder) ? known : share(bus, folder);
  watching.listeners.add(onChange);
  return {
    close() {
      watching.listeners.delete(onChange);
      if (watching.listeners.size > 0) return;
      watching.watch.close();
      if (shared.get(path) === watching) shared.delete(path);
    },
  };
}

function share(bus: BusDirectory, folder: Stats | undefined): SharedWatch {
  const listeners = new Set<(highest: number) => void>();
  const watch = watchFolder(bus.path, (name) => {
    if (!mayBePointer(name)) return;
    const highest = highestEpoch(bus);
    for (const listener of listeners) listener(highest);
  });
  const watching = { folder, watch, listeners };
  // watches may have run out: who comes next tries again
  if (watch !== NO_WATCH) shared.set(bus.path, watching);
  return watching;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

// Some file systems give the number of a folder that was deleted to the next one; when it was made differs.
function isSame(one: Stats | undefined, other: Stats | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.ino === other.ino && one.dev === other.dev && one.birthtimeMs === other.birthtimeMs;
}

// Drafts and notes of candidates say nothing of epochs.
function mayBePointer(name: string | null): boolean {
  return name === null || name.startsWith('e');
}
