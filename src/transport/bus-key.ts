// The key of a bus: 32 random bytes in a file that only its user can read. Whoever comes first makes it. It is
// never kept: every attempt to reach a host reads it anew, so that deleting the bus folder rotates it.
import { linkSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { KEY_BYTES, KEY_ROUNDS } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { patiently, unless } from '../util/errno.js';
import { type BusDirectory, unusable } from './bus-directory.js';
import { createLinked, newDraft, readPrivate } from './private-file.js';

/**
 * The key of the bus, made if there is none. One of the wrong length (after a power cut) counts as none.
 * @throws MAILSLOT_UNSAFE_DIRECTORY, or the system's error
 */
export async function readOrCreateKey(bus: BusDirectory, clock: Clock): Promise<Buffer> {
  for (let round = 0; round < KEY_ROUNDS; round += 1) {
    const key = await readPrivate(join(bus.path, 'key'), KEY_BYTES, clock);
    if (key?.length === KEY_BYTES) return key;
    if (key) await removeMalformed(bus, clock);
    // lasting: a power cut that left zeros in their place would leave a key that anybody can guess
    await createLinked(bus, 'key', clock.randomBytes(KEY_BYTES), { clock, isLasting: true });
  }
  throw unusable(bus.path, new Error('its key file changes all the time'));
}

// Moved aside first and looked at again: in the meantime somebody may have put a good one in its place.
async function removeMalformed(bus: BusDirectory, clock: Clock): Promise<void> {
  const path = join(bus.path, 'key');
  const aside = newDraft(bus, clock);
  await unless(['ENOENT'], () => patiently(clock, () => renameSync(path, aside)));
  const key = await readPrivate(aside, KEY_BYTES, clock);
  if (key?.length === KEY_BYTES) await unless(['EEXIST'], () => linkSync(aside, path));
  await unless(['ENOENT'], () => patiently(clock, () => unlinkSync(aside)));
}
