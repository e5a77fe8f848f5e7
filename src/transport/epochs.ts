// Pointer files: `e<N>` says where the host of epoch N listens. The highest number is current, and is never
// removed, so that no number is ever given twice. It reads and writes files; who lives, election.ts finds out.
import { readdirSync, readFileSync, statSync, unlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_POINTER_BYTES } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { errnoOf, patiently, unless } from '../util/errno.js';
import { type BusDirectory, endpointPath, isEndpoint, stateFolder } from './bus-directory.js';
import { createLinked, readPrivate } from './private-file.js';

export interface Pointer {
  readonly epoch: number;
  /** Base name of the host's endpoint. */
  readonly endpoint: string;
  /** Process of the host. */
  readonly pid: number;
}

export interface HighestEpoch {
  /** 0 when there is none. */
  readonly epoch: number;
  /** Undefined when its pointer is empty or malformed: nobody can be reached there, its host counts as dead. */
  readonly pointer: Pointer | undefined;
}

// Both say something of this process or this machine, and nothing of the files.
const OUT_OF_DESCRIPTORS = ['EMFILE', 'ENFILE'];
// A disk that is faulty for a moment, memory that is short, a scanner of Windows: the files may be what they were.
const UNREADABLE = ['EIO', 'EACCES', 'EPERM', 'EBUSY', 'EAGAIN', 'ENOMEM'];

const POINTER = /^e([1-9][0-9]{0,14})$/;
const STATE = /^(?:[prw]|c(?=[0-9]+-))([1-9][0-9]{0,14})(?:-[0-9]+)?$/;

export async function readHighest(bus: BusDirectory, clock: Clock): Promise<HighestEpoch> {
  const epoch = highestOf(readdirSync(bus.path));
  return { epoch, pointer: epoch === 0 ? undefined : await readPointer(bus, epoch, clock) };
}

/** The pointer of an epoch; undefined when it is gone, empty or malformed. */
export async function readPointer(
  bus: BusDirectory,
  epoch: number,
  clock: Clock,
): Promise<Pointer | undefined> {
  const bytes = await readPrivate(pointerPath(bus, epoch), MAX_POINTER_BYTES, clock);
  return bytes && parsePointer(epoch, bytes.toString('utf8'));
}

/**
 * Marks an empty folder with an epoch that has no host, so that all who found it empty at once contend for the
 * same next number. Without it two of them could take different first epochs.
 */
export async function anchorEpochs(bus: BusDirectory, epoch: number, clock: Clock): Promise<void> {
  await createLinked(bus, `e${epoch}`, new Uint8Array(), { clock });
}

/** Takes an epoch for a host. False when somebody else has it, or a higher one. */
export async function claimEpoch(bus: BusDirectory, pointer: Pointer, clock: Clock): Promise<boolean> {
  // Most who come too late find out here, before they make the disk busy.
  if (highestOf(readdirSync(bus.path)) >= pointer.epoch) return false;
  // not lasting: nobody who could be found through it survives a power cut
  return createLinked(bus, `e${pointer.epoch}`, Buffer.from(formatPointer(pointer)), { clock });
}

/** The highest epoch of the folder; 0 when there is none, or no folder. */
export function highestEpoch(bus: BusDirectory): number {
  try {
    return highestOf(readdirSync(bus.path));
  } catch {
    return 0;
  }
}

/** What the disk says of a reign: it goes on, it is over, or nothing at present. */
export type Standing = 'current' | 'over' | 'unknown';

/**
 * Whether this pointer is in its place and the highest, and the key of the bus still the same. Synchronous: a host asks before it writes anything.
 */
export function standingOf(bus: BusDirectory, pointer: Pointer, key: Uint8Array): Standing {
  try {
    return isCurrent(bus, pointer, key) ? 'current' : 'over';
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (OUT_OF_DESCRIPTORS.includes(errno)) return standingByNames(bus, pointer);
    return UNREADABLE.includes(errno) ? 'unknown' : 'over';
  }
}

/** The same without opening anything. That the key was replaced shows only once files can be opened again. */
function standingByNames(bus: BusDirectory, { epoch }: Pointer): Standing {
  // who overtakes an epoch takes the next number, and that is pruned together with this one at the earliest
  const [own, next, key] = [`e${epoch}`, `e${epoch + 1}`, 'key'].map((name) => isThere(join(bus.path, name)));
  if (own === undefined || next === undefined || key === undefined) return 'unknown';
  return own && key && !next ? 'current' : 'over';
}

/** Undefined when that cannot be told. */
function isThere(path: string): boolean | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return undefined;
  }
}

/** @throws the system's error */
function isCurrent(bus: BusDirectory, pointer: Pointer, key: Uint8Array): boolean {
  if (highestOf(readdirSync(bus.path)) !== pointer.epoch) return false;
  if (!readFileSync(join(bus.path, 'key')).equals(key)) return false;
  return readFileSync(pointerPath(bus, pointer.epoch), 'utf8') === formatPointer(pointer);
}

/** Shows cleaners of old files that this one is in use. It never fails: a pointer that is gone, standingOf finds. */
export function touchPointer(bus: BusDirectory, epoch: number, clock: Clock): void {
  const seconds = clock.wallTime() / 1_000;
  try {
    utimesSync(pointerPath(bus, epoch), seconds, seconds);
  } catch {
    // On Windows also a scanner that has it open; a second later there is another try.
  }
}

/** Removes a pointer that a higher one has overtaken; the highest is left. */
export async function withdrawEpoch(bus: BusDirectory, epoch: number, clock: Clock): Promise<void> {
  if (highestOf(readdirSync(bus.path)) > epoch) await remove(pointerPath(bus, epoch), clock);
}

/** Removes everything of the epochs below this one, the sockets their pointers name included. */
export async function pruneEpochs(bus: BusDirectory, below: number, clock: Clock): Promise<void> {
  const names = readdirSync(bus.path);
  const limit = Math.min(below, highestOf(names));
  for (const { name, epoch } of epochsOf(POINTER, names, limit)) {
    await removeSocket(bus, epoch, clock);
    await remove(join(bus.path, name), clock);
  }
  const folder = stateFolder(bus);
  for (const { name } of epochsOf(STATE, readdirSync(folder), limit)) await remove(join(folder, name), clock);
}

function epochsOf(
  pattern: RegExp,
  names: readonly string[],
  below: number,
): { name: string; epoch: number }[] {
  const found = names.map((name) => ({ name, epoch: numberIn(pattern, name) }));
  return found.filter(({ epoch }) => epoch > 0 && epoch < below);
}

async function removeSocket(bus: BusDirectory, epoch: number, clock: Clock): Promise<void> {
  const pointer = await readPointer(bus, epoch, clock);
  if (pointer && process.platform !== 'win32') await remove(endpointPath(bus, pointer.endpoint), clock);
}

async function remove(path: string, clock: Clock): Promise<void> {
  await unless(['ENOENT'], () => patiently(clock, () => unlinkSync(path)));
}

function pointerPath(bus: BusDirectory, epoch: number): string {
  return join(bus.path, `e${epoch}`);
}

function highestOf(names: readonly string[]): number {
  return names.reduce((highest, name) => Math.max(highest, numberIn(POINTER, name)), 0);
}

function numberIn(pattern: RegExp, name: string): number {
  return Number(pattern.exec(name)?.[1] ?? 0);
}

function formatPointer({ endpoint, pid }: Pointer): string {
  return `${JSON.stringify({ endpoint, pid })}\n`;
}

function parsePointer(epoch: number, text: string): Pointer | undefined {
  try {
    const { endpoint, pid } = JSON.parse(text) as { endpoint?: unknown; pid?: unknown };
    if (!isEndpoint(endpoint) || !Number.isSafeInteger(pid)) return undefined;
    return { epoch, endpoint, pid: pid as number };
  } catch {
    return undefined;
  }
}
