// Who is on the bus, as events. The host says who comes and goes, but what happens while there is no host, nobody
// says: after each connecting the list is fetched, and what differs from what was known is told as if it had been
// said.
import type { Clock } from '../util/clock.js';
import { isPeerInfo, type PeerInfo, type PeerLeft } from '../wire/presence.js';
import type { BusEvent, Peer } from './api.js';

export interface PresenceWatchOptions {
  clock: Clock;
  /** Asks the host who is on the bus. */
  list(): Promise<PeerInfo[]>;
  emit(event: BusEvent): void;
}

export class PresenceWatch {
  readonly #options: PresenceWatchOptions;
  /** Undefined until the first list has come. */
  #known: Map<string, PeerInfo> | undefined;
  /** Those of whom something was said since the list was asked for that has still to come; undefined when none has. */
  #news: Map<string, PeerInfo | undefined> | undefined;

  constructor(options: PresenceWatchOptions) {
    this.#options = options;
  }

  /** Fetches the list: at the beginning, and on every new link. */
  async refresh(): Promise<void> {
    const news = new Map<string, PeerInfo | undefined>();
    this.#news = news;
    try {
      const present = await this.#options.list();
      // what the host said before it answered has its turn first
      this.#options.clock.afterIo(() => {
        // another list has been asked for meanwhile, and what was said since then is for that one
        if (this.#news === news) this.#compare(present, news);
      });
    } catch {
      // the link has ended, and there is another list after the next OPEN
      if (this.#news === news) this.#news = undefined;
    }
  }

  /** The host said something. */
  take(subject: string, data: unknown): void {
    if (!isPeerInfo(data)) return;
    if (subject === '$presence.joined') return this.#joined(data);
    const { cause, ...info } = data as PeerLeft;
    this.#left(info, cause);
  }

  #joined(info: PeerInfo): void {
    this.#news?.set(info.id, info);
    const isNew = !this.#known?.has(info.id);
    this.#known?.set(info.id, info);
    if (isNew) this.#options.emit({ type: 'peer-joined', peer: toPeer(info) });
  }

  #left(info: PeerInfo, cause: PeerLeft['cause']): void {
    this.#news?.set(info.id, undefined);
    const known = this.#known?.get(info.id);
    if (this.#known !== undefined && !this.#known.delete(info.id)) return;
    // of one that went with its host the next host knows little more than the id
    const told = info.connectedAt === 0 ? (known ?? info) : info;
    this.#options.emit({ type: 'peer-left', peer: toPeer(told), cause });
  }

  #compare(present: readonly PeerInfo[], news: ReadonlyMap<string, PeerInfo | undefined>): void {
    this.#news = undefined;
    const listed = new Map(present.map((info) => [info.id, info]));
    // newer than the list
    for (const [id, info] of news) info === undefined ? listed.delete(id) : listed.set(id, info);
    const before = this.#known;
    this.#known = listed;
    if (before === undefined) return;
    for (const [id, info] of before) {
      if (!listed.has(id)) this.#options.emit({ type: 'peer-left', peer: toPeer(info), cause: 'crashed' });
    }
    for (const [id, info] of listed) {
      if (!before.has(id)) this.#options.emit({ type: 'peer-joined', peer: toPeer(info) });
    }
  }
}

export function toPeer({ connectedAt, ...info }: PeerInfo): Peer {
  return { ...info, connectedAt: new Date(connectedAt) };
}
