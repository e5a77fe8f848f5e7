// Where a bus lives on disk: the same folder for every environment of one user, closed to everybody else.
// It makes and checks folders; what lies in them is bus-key.ts's and epochs.ts's matter. It repairs no folder
// that others could have changed: it refuses it. Calls are synchronous: on a local disk each takes microseconds,
// and a round through the thread pool, in every process at once after a host's death, a multiple of that.
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readFileSync, type Stats } from 'node:fs';
import os from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { MailslotError } from '../errors.js';
import { BUS_NAME, MAX_SOCKET_PATH_BYTES } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { errnoOf } from '../util/errno.js';

/** A bus folder that was found or made, and checked. Plain data: it may be posted to another thread. */
export interface BusDirectory {
  readonly name: string;
  /** Holds the buses and sockets of this user: `$MAILSLOT_DIR` or its default. */
  readonly root: string;
  /** This bus's own folder in it. */
  readonly path: string;
}

export interface DirectoryOptions {
  /** Where buses live. @default `$MAILSLOT_DIR`, else a folder of the user's home */
  directory?: string | undefined;
  /** @default process.env */
  env?: NodeJS.ProcessEnv | undefined;
}

/** No room, or none left for this user. */
const FULL = ['ENOSPC', 'EDQUOT'];

const isWindows = process.platform === 'win32';

/**
 * The root folder these options lead to, as an absolute path. Nothing is made. The home is the one in the
 * password database: HOME, XDG_RUNTIME_DIR and TMPDIR differ between a desktop, cron and ssh.
 */
export function resolveDirectory({ directory, env = process.env }: DirectoryOptions = {}): string {
  const { MAILSLOT_DIR, LOCALAPPDATA } = env;
  const given = directory || MAILSLOT_DIR;
  if (given) return resolve(given);
  if (isWindows) return join(LOCALAPPDATA || join(homeDirectory(), 'AppData', 'Local'), 'mailslot');
  return join(homeDirectory(), '.mailslot', machineTag());
}

/**
 * Finds or makes the folder of a bus.
 * @throws MAILSLOT_INVALID_NAME, MAILSLOT_PATH_TOO_LONG, MAILSLOT_UNSAFE_DIRECTORY (a folder belongs to somebody
 *   else, is open to others or is a symbolic link), MAILSLOT_UNREACHABLE (the system refuses; `cause` is its error)
 */
export async function openBusDirectory(name: string, options: DirectoryOptions = {}): Promise<BusDirectory> {
  if (typeof name !== 'string' || !BUS_NAME.test(name)) throw invalidName(name);
  const root = resolveDirectory(options);
  const bus: BusDirectory = { name, root, path: join(root, `b-${name}`) };
  const socketPath = endpointPath(bus, `s${'0'.repeat(12)}`);
  if (!isWindows && Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES)
    throw pathTooLong(root, socketPath);
  secureBusDirectory(bus);
  return bus;
}

/** Makes the folders of a bus anew where they are missing, and checks them again. Errors as {@link openBusDirectory}. */
export function secureBusDirectory(bus: BusDirectory): void {
  const parent = dirname(bus.root);
  try {
    // The default root's parent is ours as well, and who can replace it can replace the root.
    const isOurs = basename(parent) === '.mailslot';
    mkdirSync(isOurs ? dirname(parent) : parent, { recursive: true, mode: 0o700 });
    if (isOurs) secureFolder(parent);
    secureFolder(bus.root);
    secureFolder(bus.path);
    secureFolder(stateFolder(bus));
  } catch (error) {
    throw MailslotError.is(error) ? error : unusable(bus.path, error);
  }
}

/**
 * Where everything of a bus lies that is written to while it runs. Every process of a bus watches the bus folder itself
 * for pointers; there, each line of a roster would wake all of them.
 */
export function stateFolder(bus: BusDirectory): string {
  return join(bus.path, 'state');
}

/** A fresh endpoint's base name that nobody can guess: 12 hex digits, or 32 where a folder does not protect it. */
export function newEndpoint(clock: Clock): string {
  const random = (bytes: number) => clock.randomBytes(bytes).toString('hex');
  return isWindows ? `mailslot-${random(16)}` : `s${random(6)}`;
}

/** Whether a text that was read from a file is an endpoint's base name, and so cannot lead anywhere else. */
export function isEndpoint(text: unknown): text is string {
  return typeof text === 'string' && (isWindows ? /^mailslot-[0-9a-f]{32}$/ : /^s[0-9a-f]{12}$/).test(text);
}

/** What to dial or listen on for an endpoint's base name. */
export function endpointPath(bus: BusDirectory, endpoint: string): string {
  return isWindows ? `\\\\.\\pipe\\${endpoint}` : join(bus.root, endpoint);
}

/** The error for a system that does not let the bus folder be used. */
export function unusable(path: string, cause: unknown): MailslotError {
  const errno = errnoOf(cause);
  const remedy = FULL.includes(errno ?? '') ? 'Make room on its disk, or set' : 'Set';
  return new MailslotError(
    'MAILSLOT_UNREACHABLE',
    `The bus folder ${path} cannot be used (${errno ?? String(cause)}). ` +
      `${remedy} MAILSLOT_DIR to a folder on a local disk that allows sockets and hard links.`,
    { cause, retryable: false },
  );
}

/** The error for something in the bus folder that others could have made or changed. */
export function unsafe(path: string, found: string): MailslotError {
  return new MailslotError(
    'MAILSLOT_UNSAFE_DIRECTORY',
    `${path} ${found}, so others could listen in. Remove it or correct it, or set MAILSLOT_DIR to another folder.`,
  );
}

/** The user that files must belong to; undefined where the system has no such number. */
export function ownUid(): number | undefined {
  return process.geteuid?.();
}

function secureFolder(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false }) ?? makeFolder(path);
  const found = faultOf(stats);
  if (found) throw unsafe(path, found);
  // An unusual umask takes from the owner as well; what it left was never open to others.
  if (!isWindows && (stats.mode & 0o700) !== 0o700) chmodSync(path, 0o700);
}

/** Makes it unless somebody else does at this moment, and looks what it is now. */
function makeFolder(path: string): Stats {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return lstatSync(path);
}

function faultOf(stats: Stats): string | undefined {
  if (stats.isSymbolicLink()) return 'is a symbolic link';
  if (!stats.isDirectory()) return 'is not a folder';
  if (isWindows) return undefined;
  if (stats.uid !== ownUid()) return `belongs to user ${stats.uid}, not to user ${ownUid()}`;
  if ((stats.mode & 0o077) !== 0) return `has mode ${(stats.mode & 0o777).toString(8)}, not 700`;
  return undefined;
}

// os.homedir() believes HOME; it is for users whom the password database does not know, as in some containers.
function homeDirectory(): string {
  try {
    return os.userInfo().homedir;
  } catch {
    return os.homedir();
  }
}

/** Tells the machines that share a home directory apart. */
function machineTag(): string {
  return createHash('sha256').update(machineId()).digest('hex').slice(0, 8);
}

// A Mac changes its host name with the network it is in.
function machineId(): string {
  try {
    const id = readFileSync('/etc/machine-id', 'latin1').trim();
    if (id !== '') return id;
  } catch {
    // There is none; the next best follows.
  }
  return process.platform === 'darwin' ? 'local' : os.hostname();
}

function invalidName(name: unknown): MailslotError {
  const found = typeof name === 'string' ? JSON.stringify(name.slice(0, 64)) : typeof name;
  return new MailslotError(
    'MAILSLOT_INVALID_NAME',
    `A bus name has 1 to 32 characters a-z, 0-9 and -, and begins with a letter or digit; this one is ${found}.`,
  );
}

function pathTooLong(root: string, socketPath: string): MailslotError {
  return new MailslotError(
    'MAILSLOT_PATH_TOO_LONG',
    `A socket in ${root} has a path of ${Buffer.byteLength(socketPath)} bytes; ${MAX_SOCKET_PATH_BYTES} are possible. ` +
      'Set MAILSLOT_DIR to a folder with a shorter path.',
  );
}
