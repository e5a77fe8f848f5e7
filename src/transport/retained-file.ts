// Files of a bus folder that hold frames as on the wire, for the host after the one that writes them: `r<N>` the last
// values that the host of epoch N keeps, `w<N>` the wills of its peers. Appended to before anybody is told that a value is kept, so that it survives the host's process; it
// is not synced, so it may not survive the machine's. What the frames mean, and which are out of date, is the
// host's matter (host/retained.ts).
import {
  closeSync,
  fchmodSync,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { MAX_RETAINED_FILE_BYTES } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { type BusDirectory, ownUid, stateFolder } from './bus-directory.js';
import { READ_FLAGS, readFully } from './file-bytes.js';
import { newDraft } from './private-file.js';

const NAME = /^([rw])([1-9][0-9]{0,14})$/;

/** Which of the files: values or wills. */
type Letter = 'r' | 'w';

export class RetainedFile {
  readonly #path: string;
  readonly #draft: string;
  #fd: number | undefined;
  #size = 0;

  constructor(bus: BusDirectory, epoch: number, clock: Clock, letter: Letter = 'r') {
    this.#path = join(stateFolder(bus), `${letter}${epoch}`);
    this.#draft = newDraft(bus, clock);
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#size;
  }

  /** Adds these parts at the end, in one piece as far as the system allows. @throws what the system says */
  append(parts: readonly Uint8Array[]): void {
    if (this.#fd === undefined) return this.rewrite(parts);
    this.#size += writeAll(this.#fd, parts);
  }

  /** Puts these parts in place of everything; a process that is killed meanwhile leaves the old file. @throws likewise */
  rewrite(parts: readonly Uint8Array[]): void {
    const fd = openSync(this.#draft, 'w', 0o600);
    try {
      // an unusual umask may have taken the owner's own right to read it
      if (process.platform !== 'win32') fchmodSync(fd, 0o600);
      const size = writeAll(fd, parts);
      // Windows renames nothing onto a file that is open
      this.#closeFile();
      renameSync(this.#draft, this.#path);
      this.#size = size;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#fd = fd;
  }

  close(): void {
    this.#closeFile();
  }

  /** Nobody shall find these values again. */
  remove(): void {
    this.#closeFile();
    rmSync(this.#path, { force: true });
  }

  #closeFile(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/**
 * What the last host before this epoch kept; empty when there is nothing. A file that is not ours alone, or longer
 * than a host writes, counts as nothing: values are kept as a service and must never keep a host from serving.
 */
export function readRetained(bus: BusDirectory, epoch: number): Buffer {
  const last = epochsIn(stateFolder(bus), 'r', epoch).at(-1);
  return last === undefined ? Buffer.alloc(0) : readOwn(join(stateFolder(bus), `r${last}`));
}

/** The wills that the hosts before this epoch had, the last one's behind that of the others: some died in their gates. */
export function readWills(bus: BusDirectory, epoch: number): Buffer {
  const folder = stateFolder(bus);
  return Buffer.concat(epochsIn(folder, 'w', epoch).map((number) => readOwn(join(folder, `w${number}`))));
}

/** The epochs below this one that have such a file, rising. */
function epochsIn(folder: string, letter: Letter, below: number): number[] {
  try {
    const names = readdirSync(folder).map((name) => NAME.exec(name));
    const numbers = names.map((match) => (match?.[1] === letter ? Number(match[2]) : 0));
    return numbers.filter((number) => number > 0 && number < below).sort((a, b) => a - b);
  } catch {
    // somebody removed the folder: the election finds that out
    return [];
  }
}

function readOwn(path: string): Buffer {
  let fd: number | undefined;
  try {
    fd = openSync(path, READ_FLAGS);
    const stats = fstatSync(fd);
    const isOurs = process.platform === 'win32' || (stats.uid === ownUid() && (stats.mode & 0o077) === 0);
    if (!stats.isFile() || !isOurs || stats.size > MAX_RETAINED_FILE_BYTES) return Buffer.alloc(0);
    const bytes = Buffer.allocUnsafe(stats.size);
    return bytes.subarray(0, readFully(fd, bytes));
  } catch {
    return Buffer.alloc(0);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function writeAll(fd: number, parts: readonly Uint8Array[]): number {
  const bytes = Buffer.concat(parts);
  let written = 0;
  while (written < bytes.length) written += writeSync(fd, bytes, written);
  return written;
}
