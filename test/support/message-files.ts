// Whether large messages go through files here: not on Windows, and not where buses of tests lie on a file system of the network.
import { openBusDirectory } from '../../src/transport/bus-directory.js';
import { MessageFolder } from '../../src/transport/message-files.js';
import { systemClock } from '../../src/util/clock.js';
import { makeFolder } from './scratch.js';

async function probe(): Promise<boolean> {
  const { path, remove } = makeFolder();
  try {
    const folder = new MessageFolder(
      await openBusDirectory('test', { directory: path }),
      '0'.repeat(16),
      systemClock,
    );
    const file = folder.keep([Buffer.from('probe')]);
    file?.remove();
    return file !== undefined;
  } finally {
    remove();
  }
}

export const usesMessageFiles = await probe();
if (!usesMessageFiles)
  console.warn(
    'Skipped: what message files are for themselves, because none are written in this folder for temporary files.',
  );
