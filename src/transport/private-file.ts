// Files of a bus folder: made under a name nobody knows, complete and on disk, and only then given their real
// name by a hard link, which exactly one of many contenders gets. Read without following links.
import { constants } from 'node:fs';
import { type FileHandle, link, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { STRAY_FILE_AGE } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { patiently, unless } from '../util/errno.js';
import { ownUid, unsafe } from './bus-directory.js';

// Windows has neither flag.
const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0;
const O_NONBLOCK = constants.O_NONBLOCK ?? 0;
const STRAY = /^t[0-9a-f]{16}$/;

/** Makes `name` in `folder` with this content, mode 0600. False when the name is taken: nothing has changed then. */
export async function createLinked(
  folder: string,
  name: string,
  content: Uint8Array,
  clock: Clock,
): Promise<boolean> {
  const draft = join(folder, `t${clock.randomBytes(8).toString('hex')}`);
  try {
    await writeSynced(draft, content);
    const linked = await unless(['EEXIST'], () =>
      patiently(clock, () => link(draft, join(folder, name))).then(() => true),
    );
    return linked === true;
  } finally {
    await unless(['ENOENT'], () => patiently(clock, () => unlink(draft)));
  }
}

/**
 * Reads a file of at most `maxBytes` that must be ours alone; undefined when there is none. A longer one is
 * returned cut after `maxBytes + 1`, so that its length shows.
 * @throws MAILSLOT_UNSAFE_DIRECTORY when it is a link or no plain file, or open or belongs to others
 */
export async function readPrivate(path: string, maxBytes: number, clock: Clock): Promise<Buffer | undefined> {
  let file: FileHandle | undefined;
  try {
    const flags = constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    file = await unless(['ENOENT'], () => patiently(clock, () => open(path, flags)));
    if (!file) return undefined;
    await checkPrivate(path, file);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (isLoop(error)) throw unsafe(path, 'is a symbolic link');
    throw error;
  } finally {
    await file?.close();
  }
}

/** Removes the drafts of processes that died half-way. */
export async function removeStrays(folder: string, clock: Clock): Promise<void> {
  const oldest = clock.wallTime() - STRAY_FILE_AGE;
  for (const name of await readdir(folder)) {
    if (!STRAY.test(name)) continue;
    const path = join(folder, name);
    await unless(['ENOENT', 'EPERM'], async () => {
      if ((await stat(path)).mtimeMs < oldest) await unlink(path);
    });
  }
}

async function writeSynced(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    // An unusual umask may have taken the owner's own right to read it.
    if (process.platform !== 'win32') await file.chmod(0o600);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function checkPrivate(path: string, file: FileHandle): Promise<void> {
  const stats = await file.stat();
  if (!stats.isFile()) throw unsafe(path, 'is not a plain file');
  if (process.platform === 'win32') return;
  if (stats.uid !== ownUid()) throw unsafe(path, `belongs to user ${stats.uid}, not to user ${ownUid()}`);
  if ((stats.mode & 0o077) !== 0) throw unsafe(path, `has mode ${(stats.mode & 0o777).toString(8)}, not 600`);
}

// FreeBSD says EMLINK.
function isLoop(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ELOOP' || code === 'EMLINK';
}
