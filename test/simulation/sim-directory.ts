// The folder of a simulated bus: who won which epoch, and the rosters. Winning is atomic here, as linking a file is;
// whether the real files keep that promise is what the election tests are for.

import type { MessageFile, MessageFiles } from '../../src/transport/message-files.js';
import type { Roster, RosterEntry, RosterLog } from '../../src/transport/roster.js';
import type { SimHost } from './sim-host.js';

/** Messages and batches of so many bytes go through files here. */
const SHORTEST_FILED_BYTES = 1_000;
/** …but for one in so many. */
const FULL_EVERY = 7;

/** Where a host writes its roster. */
export interface RosterPlace {
  /** Whether its process has a descriptor left. */
  canOpen(): boolean;
  /** A peer has left. */
  onLeft(id: string): void;
}

export class SimDirectory {
  /** The highest epoch that was won. */
  epoch = 1;
  /** Of that epoch, dead or alive. */
  host: SimHost | undefined;
  readonly #rosters: SimRoster[] = [];
  /** By name, the data of messages. */
  readonly #files = new Map<string, Buffer>();

  /** Takes the epoch after `dead` for a host; false when somebody else has it. */
  win(dead: number, host: SimHost): boolean {
    if (this.epoch !== dead) return false;
    this.epoch += 1;
    this.host = host;
    return true;
  }

  /** The roster that the host of this epoch writes. */
  addRoster(epoch: number, file: RosterPlace): RosterLog {
    const roster = new SimRoster(epoch, file);
    this.#rosters.push(roster);
    return roster;
  }

  /** Who was on the bus when this epoch opened, and is. */
  membersOf(epoch: number): ReadonlySet<string> {
    return new Set(this.#rosters.find((roster) => roster.epoch === epoch)?.known.keys());
  }

  /**
   * Where the peer with this id puts its large messages: short ones, so that there are many; and some find no room.
   * @param onMissing called when it is to read one that is not there
   */
  filesOf(owner: string, onMissing: () => void): MessageFiles {
    let written = 0;
    return {
      shortest: SHORTEST_FILED_BYTES,
      isReady: true,
      keep: (parts) => {
        written += 1;
        if (written % FULL_EVERY === 0) return undefined;
        const content = Buffer.concat(parts);
        const name = `${owner}-${written}`;
        this.#files.set(name, content);
        return fileOf(this.#files, name, written, content);
      },
      read: ({ sender, number, size }, memory) => {
        const content = this.#files.get(`${sender}-${number}`);
        if (content?.length === size) return fill(memory(), content);
        onMissing();
        return false;
      },
    };
  }

  /** As the next host reads it: that of the last epoch below this one which opened. */
  lastRoster(below: number): Roster | undefined {
    const roster = this.#rosters.filter(({ epoch, isOpen }) => isOpen && epoch < below).at(-1);
    return roster && { epoch: roster.epoch, entries: new Map(roster.entries), order: roster.order };
  }
}

function fileOf(files: Map<string, Buffer>, name: string, number: number, content: Buffer): MessageFile {
  return {
    number,
    size: content.length,
    isInPlace: () => files.has(name),
    read: (target) => fill(target, content),
    remove: () => void files.delete(name),
    leave() {},
  };
}

function fill(target: Uint8Array, content: Buffer): boolean {
  target.set(content);
  return true;
}

/** Appending to an open file needs nothing; opening it does. Until that works nothing is on disk, and each line tries again. */
class SimRoster implements RosterLog {
  readonly epoch: number;
  readonly #file: RosterPlace;
  /** As the host knows it. */
  readonly known = new Map<string, RosterEntry>();
  /** As it is on disk. */
  entries = new Map<string, RosterEntry>();
  isOpen = false;
  /** On disk, and as the host knows it. */
  order = 0;
  #reached = 0;

  constructor(epoch: number, file: RosterPlace) {
    this.epoch = epoch;
    this.#file = file;
  }

  opened(entries: Iterable<RosterEntry>): void {
    for (const entry of entries) this.known.set(entry.id, entry);
    this.#rewrite();
  }

  joined(entry: RosterEntry): void {
    this.known.set(entry.id, entry);
    if (this.isOpen) this.entries.set(entry.id, entry);
    else this.#rewrite();
  }

  left(id: string): void {
    this.known.delete(id);
    if (this.isOpen) this.entries.delete(id);
    else this.#rewrite();
    this.#file.onLeft(id);
  }

  reached(order: number): void {
    this.#reached = Math.max(this.#reached, order);
    if (this.isOpen) this.order = this.#reached;
  }

  #rewrite(): void {
    if (!this.#file.canOpen()) return;
    this.order = this.#reached;
    this.entries = new Map(this.known);
    this.isOpen = true;
  }
}
