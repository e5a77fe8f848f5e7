// The folder of a simulated bus: who won which epoch, and the rosters. Winning is atomic here, as linking a file is;
// whether the real files keep that promise is what the election tests are for.
import type { Roster, RosterEntry, RosterLog } from '../../src/transport/roster.js';
import type { SimHost } from './sim-host.js';

export class SimDirectory {
  /** The highest epoch that was won. */
  epoch = 1;
  /** Of that epoch, dead or alive. */
  host: SimHost | undefined;
  readonly #rosters: SimRoster[] = [];

  /** Takes the epoch after `dead` for a host; false when somebody else has it. */
  win(dead: number, host: SimHost): boolean {
    if (this.epoch !== dead) return false;
    this.epoch += 1;
    this.host = host;
    return true;
  }

  /** The roster that the host of this epoch writes. */
  addRoster(epoch: number, onLeft: (id: string) => void): RosterLog {
    const roster = new SimRoster(epoch, onLeft);
    this.#rosters.push(roster);
    return roster;
  }

  /** Who was on the bus when this epoch opened, and is. */
  membersOf(epoch: number): ReadonlySet<string> {
    return new Set(this.#rosters.find((roster) => roster.epoch === epoch)?.entries.keys());
  }

  /** As the next host reads it: that of the last epoch below this one which opened. */
  lastRoster(below: number): Roster | undefined {
    const roster = this.#rosters.filter(({ epoch, isOpen }) => isOpen && epoch < below).at(-1);
    return roster && { epoch: roster.epoch, entries: new Map(roster.entries) };
  }
}

class SimRoster implements RosterLog {
  readonly epoch: number;
  readonly entries = new Map<string, RosterEntry>();
  readonly #onLeft: (id: string) => void;
  isOpen = false;

  constructor(epoch: number, onLeft: (id: string) => void) {
    this.epoch = epoch;
    this.#onLeft = onLeft;
  }

  opened(entries: Iterable<RosterEntry>): void {
    this.isOpen = true;
    for (const entry of entries) this.joined(entry);
  }

  joined(entry: RosterEntry): void {
    this.entries.set(entry.id, entry);
  }

  left(id: string): void {
    this.entries.delete(id);
    this.#onLeft(id);
  }
}
