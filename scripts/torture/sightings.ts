// Which link was on which host at what time, as the links tell it: whether all are back on one, and whether two hosts ever
// let somebody in at once. It knows no processes.

/** The second that R1 gives a host that was replaced, and one for links whose program has its turn late. */
const FENCED_WITHIN = 2_000;

export interface Sighting {
  link: string;
  /** 0 when the link was lost. */
  epoch: number;
  /** On the machine's monotonic clock, ms. */
  at: number;
}

export class Sightings {
  readonly #all: Sighting[] = [];
  readonly #now = new Map<string, Sighting>();

  note(sighting: Sighting): void {
    this.#all.push(sighting);
    this.#now.set(sighting.link, sighting);
  }

  /** Whether so many links are on one host. */
  areTogether(links: number): boolean {
    const epochs = new Set([...this.#now.values()].map(({ epoch }) => epoch));
    return this.#now.size === links && epochs.size === 1 && !epochs.has(0);
  }

  /** When the last one came. */
  get end(): number {
    return Math.max(...this.#all.map(({ at }) => at));
  }

  /** How many hosts there were: a machine that is slow enough takes one for hung that is only slow. */
  get hosts(): number {
    return new Set(this.#all.map(({ epoch }) => epoch).filter((epoch) => epoch > 0)).size;
  }

  /** Links that a host let in when a later one had let in others long ago: two hosts at once. */
  overlaps(): Sighting[] {
    return this.#all.filter(({ epoch, at }) =>
      this.#all.some((later) => epoch > 0 && later.epoch > epoch && later.at + FENCED_WITHIN < at),
    );
  }
}
