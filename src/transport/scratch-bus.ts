// A bus of nobody else: its folder is new, lies among the temporary files of the system and goes when it was used.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BusDirectory, openBusDirectory } from './bus-directory.js';

/** Resolves and rejects as `use` does. Errors of making the folder are those of `mkdtemp` and {@link openBusDirectory}. */
export async function withScratchBus(use: (bus: BusDirectory) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mailslot-'));
  try {
    await use(await openBusDirectory('scratch', { directory }));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
