// Files of a bus folder: made under a name nobody knows, complete, and only then given their real
// name by a hard link, which exactly one of many contenders gets. Read without following links.
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { STRAY_FILE_AGE } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { errnoOf, patiently, unless } from '../util/errno.js';
import { type BusDirectory, ownUid, stateFolder, unsafe } from './bus-directory.js';
import { READ_FLAGS } from './file-bytes.js';

// What opening a symbolic link gives with O_NOFOLLOW; the second one on FreeBSD.
const LOOP = ['ELOOP', 'EMLINK'];
const STRAY = /^t[0-9a-f]{16}$/;

/**
 * Makes `name` in the bus folder with this content, mode 0600. False when the name is taken: nothing has changed then.
 * @param isLasting whether the content has to be on disk before it gets its name
 */
export async function createLinked(
  bus: BusDirectory,
  name: string,
  content: Uint8Array,
  { clock, isLasting = false }: { clock: Clock; isLasting?: boolean },
): Promise<boolean> {
  const draft = newDraft(bus, clock);
  const linkDraft = () => {
    linkSync(draft, join(bus.path, name));
    return true;
  };
  try {
    await writeDraft(draft, content, isLasting);
    return (await unless(['EEXIST'], () => patiently(clock, linkDraft))) ?? false;
  } finally {
    await unless(['ENOENT'], () => patiently(clock, () => unlinkSync(draft)));
  }
}

/**
 * Reads a file of at most `maxBytes` that must be ours alone; undefined when there is none. A longer one is
 * returned cut after `maxBytes + 1`, so that its length shows.
 * @throws MAILSLOT_UNSAFE_DIRECTORY when it is a link or no plain file, or open or belongs to others
 */
export async function readPrivate(path: string, maxBytes: number, clock: Clock): Promise<Buffer | undefined> {
  try {
    const fd = await unless(['ENOENT'], () => patiently(clock, () => openSync(path, READ_FLAGS)));
    return fd === undefined ? undefined : readChecked(path, fd, maxBytes);
  } catch (error) {
    if (LOOP.includes(errnoOf(error) ?? '')) throw unsafe(path, 'is a symbolic link');
    throw error;
  }
}

/** Where a file may be made that nobody looks at yet: a path of the same file system. */
export function newDraft(bus: BusDirectory, clock: Clock): string {
  return join(stateFolder(bus), `t${clock.randomBytes(8).toString('hex')}`);
}

/** Removes the drafts of processes that died half-way, files and folders, see {@link removeOld}. */
export function removeStrays(bus: BusDirectory, clock: Clock): void {
  removeOld(bus, clock.wallTime() - STRAY_FILE_AGE, (name) => STRAY.test(name));
}

/**
 * Removes from the state folder what was not touched since `oldest`, ms since 1970, and has a name that `isStray` knows. It never
 * fails: the next time removes what is left.
 */
export function removeOld(bus: BusDirectory, oldest: number, isStray: (name: string) => boolean): void {
  const folder = stateFolder(bus);
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // the folder was removed: so were they
  }
  for (const name of names) {
    if (!isStray(name)) continue;
    const path = join(folder, name);
    try {
      if (statSync(path).mtimeMs < oldest) rmSync(path, { recursive: true });
    } catch {
      // somebody else did it, or holds it open; the others are not to wait for that
    }
  }
}

// Only the wait for the disk is asynchronous.
async function writeDraft(path: string, content: Uint8Array, isLasting: boolean): Promise<void> {
  const fd = openSync(path, 'wx', 0o600);
  try {
    // An unusual umask may have taken the owner's own right to read it.
    if (process.platform !== 'win32') fchmodSync(fd, 0o600);
    if (writeSync(fd, content) < content.length) throw shortWrite(path);
    if (isLasting) await promisify(fsync)(fd);
  } finally {
    closeSync(fd);
  }
}

// As the system would have said it, had nothing of the file found room.
function shortWrite(path: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, write '${path}'`), { code: 'ENOSPC' });
}

function readChecked(path: string, fd: number, maxBytes: number): Buffer {
  try {
    checkPrivate(path, fstatSync(fd));
    const buffer = Buffer.alloc(maxBytes + 1);
    return buffer.subarray(0, readSync(fd, buffer));
  } finally {
    closeSync(fd);
  }
}

function checkPrivate(path: string, stats: Stats): void {
  if (!stats.isFile()) throw unsafe(path, 'is not a plain file');
  if (process.platform === 'win32') return;
  if (stats.uid !== ownUid()) throw unsafe(path, `belongs to user ${stats.uid}, not to user ${ownUid()}`);
  if ((stats.mode & 0o077) !== 0) throw unsafe(path, `has mode ${(stats.mode & 0o777).toString(8)}, not 600`);
}
