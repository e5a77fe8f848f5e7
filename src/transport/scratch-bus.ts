// A bus of nobody else, for a moment: its folder lies among the drafts of a bus, where a host removes it when its process
// died before it could.
import { rmSync } from 'node:fs';
import type { Clock } from '../util/clock.js';
import { type BusDirectory, openBusDirectory } from './bus-directory.js';
import { newDraft } from './private-file.js';

/** Resolves and rejects as `use` does. Errors of making the folder are those of {@link openBusDirectory}. */
export async function withScratchBus(
  bus: BusDirectory,
  clock: Clock,
  use: (scratch: BusDirectory) => Promise<void>,
): Promise<void> {
  const directory = newDraft(bus, clock);
  try {
    await use(await openBusDirectory('s', { directory }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
