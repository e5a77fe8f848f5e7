// The roster of an epoch: the file `p<N>`, in which a host keeps who is on the bus, so that its successor knows
// whom to wait for. It is written before a peer is answered, and not synced: it has to outlive the host's process,
// not the machine. It decides nothing; the gate does.
//
//   + <id> <pid> <pid namespace or ?> <may host> <whole>     a peer came
//   - <id>                                                   … and went
//   open                                                     the gate has opened
//   ^ <order>                                                an order that only its receiver may know: the next host goes on above it
import { closeSync, constants, fchmodSync, openSync, readdirSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_ROSTER_BYTES, ROSTER_SPARE_LINES } from '../limits.js';
import type { Clock } from '../util/clock.js';
import { unless } from '../util/errno.js';
import { type BusDirectory, secureBusDirectory, stateFolder } from './bus-directory.js';
import { highestEpoch } from './epochs.js';
import { newDraft, readPrivate } from './private-file.js';

/** One peer as its host knew it. */
export interface RosterEntry {
  /** 16 hex digits. */
  readonly id: string;
  readonly pid: number;
  /** What the pid counts in; undefined when the peer did not say. */
  readonly pidNamespace: string | undefined;
  readonly mayHost: boolean;
  /** Whether it had missed nothing up to its OPEN; otherwise it is owed a gap until it has read that. */
  readonly whole: boolean;
}

/** Where a host notes who is on the bus. Its calls do not fail: a bus goes on without. */
export interface RosterLog {
  /** The gate opens for these. */
  opened(entries: Iterable<RosterEntry>): void;
  joined(entry: RosterEntry): void;
  left(id: string): void;
  /** An order is about to be told to one peer alone; with it and this host gone nobody else would know of it. */
  reached(order: number): void;
}

/** What a roster file says. */
export interface Roster {
  readonly epoch: number;
  readonly entries: ReadonlyMap<string, RosterEntry>;
  /** Every order from now on is higher; 0 if none was noted. */
  readonly order: number;
}

const NAME = /^p([1-9][0-9]{0,14})$/;
const LINE =
  /^(?:(?<sign>[+-]) (?<id>[0-9a-f]{16})(?: (?<pid>[0-9]{1,10}) (?<namespace>\S{1,128}) (?<mayHost>[01]) (?<whole>[01]))?|open|\^ (?<order>[1-9][0-9]{0,15}))$/;

/**
 * The roster of the last epoch below `below` whose gate has opened; undefined when there is none, or none that can
 * be read. Hosts that died inside their gates are passed over: they have relayed nothing.
 * @throws MAILSLOT_UNSAFE_DIRECTORY, or the system's error
 */
export async function readLastRoster(
  bus: BusDirectory,
  below: number,
  clock: Clock,
): Promise<Roster | undefined> {
  const names = (await unless(['ENOENT'], () => readdirSync(stateFolder(bus)))) ?? [];
  const epochs = names
    .map((name) => Number(NAME.exec(name)?.[1] ?? 0))
    .filter((epoch) => epoch > 0 && epoch < below)
    .sort((a, b) => b - a);
  for (const epoch of epochs) {
    const bytes = await readPrivate(rosterPath(bus, epoch), MAX_ROSTER_BYTES, clock);
    if (bytes === undefined || bytes.length > MAX_ROSTER_BYTES) continue;
    const roster = parseRoster(epoch, bytes.toString('latin1'));
    if (roster !== undefined) return roster;
  }
  return undefined;
}

/** Reads the text of a roster; undefined when its gate has not opened. A line that is not whole says nothing. */
export function parseRoster(epoch: number, text: string): Roster | undefined {
  const entries = new Map<string, RosterEntry>();
  let isOpen = false;
  let highest = 0;
  // what follows the last line break was being written when the host died
  for (const line of text.split('\n').slice(0, -1)) {
    const groups = LINE.exec(line)?.groups;
    if (groups === undefined) continue;
    const { sign, id = '', pid, namespace, mayHost, whole, order } = groups;
    if (order !== undefined) highest = Math.max(highest, Number(order));
    else if (sign === '-') entries.delete(id);
    else if (pid !== undefined && namespace !== undefined)
      entries.set(id, {
        id,
        pid: Number(pid),
        pidNamespace: namespace === '?' ? undefined : namespace,
        mayHost: mayHost === '1',
        whole: whole === '1',
      });
    else if (sign === undefined) isOpen = true;
  }
  return isOpen ? { epoch, entries, order: highest } : undefined;
}

/** The roster that a host writes. */
export class RosterFile implements RosterLog {
  readonly #bus: BusDirectory;
  readonly #epoch: number;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #entries = new Map<string, RosterEntry>();
  #isOpen = false;
  #file: number | undefined;
  #lines = 0;
  #order = 0;

  constructor(bus: BusDirectory, epoch: number, clock: Clock) {
    this.#bus = bus;
    this.#epoch = epoch;
    this.#path = rosterPath(bus, epoch);
    this.#clock = clock;
  }

  opened(entries: Iterable<RosterEntry>): void {
    for (const entry of entries) this.#entries.set(entry.id, entry);
    this.#isOpen = true;
    this.#rewrite();
  }

  joined(entry: RosterEntry): void {
    this.#entries.set(entry.id, entry);
    this.#append(formatEntry(entry));
  }

  left(id: string): void {
    if (this.#entries.delete(id)) this.#append(`- ${id}\n`);
  }

  reached(order: number): void {
    if (order <= this.#order) return;
    this.#order = order;
    this.#append(formatOrder(order));
  }

  /**
   * Leaves the next host what it needs where somebody deleted the folder: the roster, and behind it an empty pointer of this
   * epoch, above which that host is elected. For a host that is fenced, before its peers hear of that.
   */
  restore(): void {
    if (!this.#isOpen || this.#entries.size === 0 || highestEpoch(this.#bus) > 0) return;
    try {
      secureBusDirectory(this.#bus);
      this.#rewrite();
      writePrivate(join(this.#bus.path, `e${this.#epoch}`), '');
    } catch {
      // It is still being deleted, or somebody was faster: then a host is elected that does not know whom to wait for.
    }
  }

  /** What was written stays, for the next host. */
  close(): void {
    this.#isOpen = false;
    this.#closeFile();
  }

  #append(line: string): void {
    if (!this.#isOpen) return;
    this.#lines += 1;
    const isTooLong = this.#lines > 2 * this.#entries.size + ROSTER_SPARE_LINES;
    if (this.#file === undefined || isTooLong || !tryWrite(this.#file, line)) this.#rewrite();
  }

  /** Puts a new file in the place of the old one. When that fails, the next line tries again. */
  #rewrite(): void {
    this.#closeFile();
    const draft = newDraft(this.#bus, this.#clock);
    const lines = [...this.#entries.values()].map(formatEntry);
    const text = `${lines.join('')}${this.#order > 0 ? formatOrder(this.#order) : ''}open\n`;
    try {
      writePrivate(draft, text);
      renameSync(draft, this.#path);
      this.#file = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND);
      this.#lines = lines.length + 1;
    } catch {
      // A full disk, or the folder is gone: peers that the next host does not know are told of a gap.
    }
  }

  #closeFile(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file);
  }
}

function writePrivate(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    if (process.platform !== 'win32') fchmodSync(file, 0o600);
    if (!tryWrite(file, text)) throw new Error(`${path} could not be written`);
  } finally {
    closeSync(file);
  }
}

function tryWrite(file: number, text: string): boolean {
  try {
    return writeSync(file, text, null, 'latin1') === text.length;
  } catch {
    return false;
  }
}

function formatEntry({ id, pid, pidNamespace, mayHost, whole }: RosterEntry): string {
  return `+ ${id} ${pid} ${namespaceWord(pidNamespace)} ${mayHost ? 1 : 0} ${whole ? 1 : 0}\n`;
}

function formatOrder(order: number): string {
  return `^ ${order}\n`;
}

// It comes from another process: one that would break the line counts as not said.
function namespaceWord(namespace: string | undefined): string {
  return namespace !== undefined && /^[!-~]{1,64}$/.test(namespace) ? namespace : '?';
}

function rosterPath(bus: BusDirectory, epoch: number): string {
  return join(stateFolder(bus), `p${epoch}`);
}
