// Files `m<peer>-<number>` of a bus folder, each with the data of one large message or batch. Its publisher writes one before
// that goes out and removes it when it is settled; whoever gets the message reads it at once. So its bytes are written
// once and read once by each, where the way through the host copies them twice more for each. Where files are no help,
// or the system will not have one, there is none, and the message goes through the host.
import {
  closeSync,
  fchmodSync,
  fstatSync,
  openSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { MAX_MESSAGE_FILES, MESSAGE_FILE_PAUSE, SHORTEST_FILED_BYTES, STRAY_MESSAGE_AGE } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { errnoOf } from '../util/errno.js';
import { readFileReference, wholeFrame, wholeFrameMemory, wholeSize } from '../wire/file-reference.js';
import { At, isBatchOf } from '../wire/frame.js';
import { type BusDirectory, ownUid, stateFolder } from './bus-directory.js';
import { READ_FLAGS, readFully } from './file-bytes.js';
import { removeOld } from './private-file.js';

/** The data of a message or batch that was published and is not settled. */
export interface MessageFile {
  readonly number: number;
  /** Bytes. */
  readonly size: number;
  /** Whether others still find it. */
  isInPlace(): boolean;
  /** Fills `target`, which has its size, whether others find it or not; false when that cannot be. */
  read(target: Uint8Array): boolean;
  /** Nobody needs it any more. */
  remove(): void;
  /** Its publisher leaves: it stays for those who have still to read it. */
  leave(): void;
}

/** Where large messages go instead of through the host. */
export interface MessageFiles {
  /** Data of fewer bytes goes through the host. */
  readonly shortest: number;
  /** Whether {@link keep} is worth a try just now. */
  readonly isReady: boolean;
  /** Puts these parts into one file; undefined where they had better go through the host. */
  keep(parts: readonly Uint8Array[]): MessageFile | undefined;
  /**
   * Reads the file of another peer, which has to have exactly `size` bytes, into `memory`, which is asked for when it has; false
   * when that cannot be.
   */
  read(file: { sender: string; number: number; size: number }, memory: () => Uint8Array): boolean;
}

const NAME = /^m([0-9a-f]{16})-[1-9][0-9]{0,15}$/;
/**
 * File systems of Linux on which a file costs a conversation with somebody else: NFS, SMB, CIFS, FUSE, 9P, Ceph, AFS (statfs(2)).
 */
const REMOTE = [0x6969, 0xfe534d42, 0xff534d42, 0x65735546, 0x01021997, 0x00c36400, 0x5346414f];

export class MessageFolder implements MessageFiles {
  readonly shortest = SHORTEST_FILED_BYTES;
  readonly #folder: string;
  readonly #owner: string;
  readonly #clock: Clock;
  #written = 0;
  /** Each has a descriptor. */
  #kept = 0;
  /** Whether files are of use here; undefined until that matters. */
  #isOfUse: boolean | undefined;
  #mustChmod = false;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  /** @param owner id of the peer that keeps files here */
  constructor(bus: BusDirectory, owner: string, clock: Clock) {
    this.#folder = stateFolder(bus);
    this.#owner = owner;
    this.#clock = clock;
    reserveOne();
  }

  get isReady(): boolean {
    if (this.#isOfUse === false || this.#kept >= MAX_MESSAGE_FILES) return false;
    return this.#clock.now() >= this.#pausedUntil;
  }

  keep(parts: readonly Uint8Array[]): MessageFile | undefined {
    if (!this.isReady) return undefined;
    const number = this.#written + 1;
    const path = this.#pathOf(this.#owner, number);
    let fd: number | undefined;
    try {
      this.#isOfUse ??= isLocal(this.#folder);
      if (!this.#isOfUse) return undefined;
      fd = openSync(path, 'wx+', 0o600);
      if (this.#written === 0) this.#mustChmod = (fstatSync(fd).mode & 0o600) !== 0o600;
      // an unusual umask takes the owner's own right to read it
      if (this.#mustChmod) fchmodSync(fd, 0o600);
      this.#written = number;
      const size = writeAll(fd, parts);
      this.#kept += 1;
      return new KeptFile({ fd, path, number, size, onClosed: () => this.#closed() });
    } catch {
      // a full disk will be full for the next one, too
      this.#pausedUntil = this.#clock.now() + MESSAGE_FILE_PAUSE;
      if (fd !== undefined) quietly(() => unlinkSync(path), fd);
      return undefined;
    }
  }

  read(file: { sender: string; number: number; size: number }, memory: () => Uint8Array): boolean {
    let fd: number | undefined;
    try {
      fd = openToRead(this.#pathOf(file.sender, file.number));
      const stats = fstatSync(fd);
      const isOurs = process.platform === 'win32' || stats.uid === ownUid();
      return stats.isFile() && isOurs && stats.size === file.size && fills(fd, memory());
    } catch {
      return false;
    } finally {
      if (fd !== undefined) closeSync(fd);
      reserveOne();
    }
  }

  #closed(): void {
    this.#kept -= 1;
  }

  #pathOf(peer: string, number: number): string {
    return join(this.#folder, `m${peer}-${number}`);
  }
}

/**
 * The frame that the one at `at` stands for, with the data of its file; undefined when that cannot be read, or is none, or makes a
 * message longer than `maxBytes`. How long those of a batch are is for its reader to find out.
 * @param allocate gives memory of at least so many bytes; without it it is new
 */
export function readWholeFrame(
  files: MessageFiles,
  { bytes, at, size }: { bytes: Buffer; at: number; size: number },
  maxBytes: number,
  allocate?: (bytes: number) => Buffer,
): Buffer | undefined {
  const reference = readFileReference(bytes, at, size);
  if (reference === undefined) return undefined;
  if (reference.count === undefined && wholeSize(size, reference) > maxBytes) return undefined;
  const sender = bytes.toString('hex', at + At.sender, at + At.sender + 8);
  let frame: Buffer | undefined;
  const memory = (): Buffer => {
    frame = wholeFrame(bytes, at, size, reference, allocate?.(wholeFrameMemory(size, reference)));
    return frame.subarray(frame.length - reference.size);
  };
  if (!files.read({ sender, ...reference }, memory)) return undefined;
  return reference.count === undefined || isBatchOf(frame!, reference.count) ? frame : undefined;
}

interface KeptFileParts {
  fd: number;
  path: string;
  number: number;
  size: number;
  onClosed(): void;
}

class KeptFile implements MessageFile {
  readonly number: number;
  readonly size: number;
  readonly #parts: KeptFileParts;

  constructor(parts: KeptFileParts) {
    this.#parts = parts;
    this.number = parts.number;
    this.size = parts.size;
  }

  isInPlace(): boolean {
    try {
      return statSync(this.#parts.path).ino === fstatSync(this.#parts.fd).ino;
    } catch {
      return false;
    }
  }

  read(target: Uint8Array): boolean {
    try {
      return fills(this.#parts.fd, target);
    } catch {
      return false;
    }
  }

  remove(): void {
    const { fd, path, onClosed } = this.#parts;
    onClosed();
    quietly(() => unlinkSync(path), fd);
  }

  leave(): void {
    this.#parts.onClosed();
    closeSync(this.#parts.fd);
  }
}

/**
 * Removes the files of peers of which nobody needs any, when they are so old that nobody can have still to read them: a
 * publisher that leaves, or dies, cannot do it. It never fails: the next time removes what is left.
 */
export function sweepMessageFiles(bus: BusDirectory, clock: Clock, isNeeded: (id: string) => boolean): void {
  removeOld(bus, clock.wallTime() - STRAY_MESSAGE_AGE, (name) => {
    const owner = NAME.exec(name)?.[1];
    return owner !== undefined && !isNeeded(owner);
  });
}

// One for all of a thread: given up for a moment where no other descriptor is left, so that a message which has come is not
// lost for that.
let reserve: number | undefined;

function reserveOne(): void {
  try {
    reserve ??= openSync(devNull, 'r');
  } catch {
    // the next read tries again
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, READ_FLAGS);
  } catch (error) {
    if (errnoOf(error) !== 'EMFILE' || reserve === undefined) throw error;
    closeSync(reserve);
    reserve = undefined;
    return openSync(path, READ_FLAGS);
  }
}

/** Not on Windows, where nobody has measured it. */
function isLocal(folder: string): boolean {
  if (process.platform === 'win32') return false;
  return process.platform !== 'linux' || !REMOTE.includes(statfsSync(folder).type);
}

function quietly(action: () => void, fd: number): void {
  try {
    action();
  } catch {
    // it is gone already, or the sweep removes it
  }
  closeSync(fd);
}

function writeAll(fd: number, parts: readonly Uint8Array[]): number {
  let size = 0;
  for (const part of parts) {
    for (let written = 0; written < part.length; ) written += writeSync(fd, part, written);
    size += part.length;
  }
  return size;
}

function fills(fd: number, target: Uint8Array): boolean {
  return readFully(fd, target) === target.length;
}
