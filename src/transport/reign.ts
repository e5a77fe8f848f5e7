// The second half of an election, in the host's thread: win the next epoch, hold those who come until it is
// certain, and notice when the reign is over. What is said on the links is the host's matter.
import { existsSync } from 'node:fs';
import { MailslotError } from '../errors.js';
import { BLIND_REIGN_TIMEOUT, POINTER_INTERVAL, POINTER_TOUCH_INTERVAL, STALL_THRESHOLD } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import {
  type BusDirectory,
  endpointPath,
  newEndpoint,
  secureBusDirectory,
  unusable,
} from './bus-directory.js';
import { readOrCreateKey } from './bus-key.js';
import {
  claimEpoch,
  type Pointer,
  pruneEpochs,
  readHighest,
  standingOf,
  touchPointer,
  withdrawEpoch,
} from './epochs.js';
import { type FolderWatch, watchFolder } from './folder-watch.js';
import { type AcceptOptions, type Link, LinkAcceptor } from './link.js';
import type { Endpoints, Listener, Pipe } from './pipe.js';

export interface StandOptions {
  /** The epoch that {@link findHost} found dead. */
  dead: number;
  clock: Clock;
  endpoints: Endpoints;
  /** 8 bytes; what peers see as the host's id. */
  hostId: Uint8Array;
  /** Somebody has linked. Called only after {@link Reign.serve}. */
  onLink(link: Link): void;
  /** The reign is over because of a higher epoch, or because its files are gone. Called at most once. */
  onFenced(): void;
  /** A connection was cut before it became a link. */
  onRefused?: AcceptOptions['onRefused'];
  /** The listener met an error and goes on. */
  onError?: ((error: Error) => void) | undefined;
}

/**
 * Stands for election to the epoch after `dead`. Resolves to undefined when somebody else has it or is further:
 * then look for the host again.
 * @throws MAILSLOT_UNSAFE_DIRECTORY, MAILSLOT_UNREACHABLE (the folder cannot be used)
 */
export async function standForElection(bus: BusDirectory, options: StandOptions): Promise<Reign | undefined> {
  try {
    secureBusDirectory(bus);
    return await stand(bus, options);
  } catch (error) {
    if (MailslotError.is(error)) throw error;
    // Deleted at this very moment: whoever looks for the host makes it anew.
    if (!existsSync(bus.path)) return undefined;
    throw unusable(bus.path, error);
  }
}

async function stand(bus: BusDirectory, options: StandOptions): Promise<Reign | undefined> {
  const { clock, endpoints, onError } = options;
  const pointer: Pointer = { epoch: options.dead + 1, endpoint: newEndpoint(clock), pid: process.pid };
  const endpoint = endpointPath(bus, pointer.endpoint);
  const key = await readOrCreateKey(bus, clock);
  const acceptor = new LinkAcceptor({ ...options, key, endpoint, epoch: pointer.epoch });
  const onPipe = (pipe: Pipe) => acceptor.accept(pipe);
  // Before anybody can know of it: a pointer never names an endpoint on which nobody listens yet.
  const listener = await endpoints.listen(endpoint, { onPipe, onError: (error) => onError?.(error) });
  let reign: Reign | undefined;
  try {
    if (await win(bus, pointer, clock))
      reign = new Reign(bus, { ...options, pointer, key, listener, acceptor });
    return reign;
  } finally {
    if (!reign) acceptor.close();
    if (!reign) await listener.close();
  }
}

async function win(bus: BusDirectory, pointer: Pointer, clock: Clock): Promise<boolean> {
  if (!(await claimEpoch(bus, pointer, clock))) return false;
  // Whoever slept before the claim may have got a number that was used and pruned long ago.
  if ((await readHighest(bus, clock)).epoch === pointer.epoch) return true;
  await withdrawEpoch(bus, pointer.epoch, clock);
  return false;
}

interface ReignParts extends StandOptions {
  pointer: Pointer;
  key: Uint8Array;
  listener: Listener;
  acceptor: LinkAcceptor;
}

/**
 * One won epoch. It holds connections until {@link serve}; it ends by {@link close}, or by itself when it is
 * overtaken. Links belong to the host: ending the reign does not close them.
 */
export class Reign {
  readonly epoch: number;
  /** The path or pipe name that peers dial. */
  readonly endpoint: string;
  readonly #bus: BusDirectory;
  readonly #parts: ReignParts;
  readonly #watch: FolderWatch;
  #timer: Timer;
  #touchedAt: number;
  #lookedAt: number;
  /** When it was certain for the last time that the reign goes on. */
  #sureAt: number;
  #over = false;

  constructor(bus: BusDirectory, parts: ReignParts) {
    this.#bus = bus;
    this.#parts = parts;
    this.epoch = parts.pointer.epoch;
    this.endpoint = parts.listener.endpoint;
    this.#watch = watchFolder(bus.path, () => this.stillReigns());
    this.#touchedAt = this.#lookedAt = this.#sureAt = parts.clock.now();
    this.#timer = this.#setTimer();
  }

  /** Connections whose handshake is under way. */
  get pending(): number {
    return this.#parts.acceptor.pending;
  }

  /** Lets in those who wait, and from now on everybody. */
  serve(): void {
    if (this.stillReigns()) this.#parts.acceptor.serve();
  }

  /** Looks whether the pointer is in its place and the highest, and leads here; if not, the reign ends here and now. */
  stillReigns(): boolean {
    if (this.#over) return false;
    if (this.#goesOn()) return true;
    void this.close();
    this.#parts.onFenced();
    return false;
  }

  /**
   * The same, but it looks at the disk only if nobody has for so long that this process must have been suspended. To be
   * asked before anything is written: whoever slept may have been replaced.
   */
  isSure(): boolean {
    if (this.#over) return false;
    const unsureFrom = this.#lookedAt + POINTER_INTERVAL + STALL_THRESHOLD;
    return this.#parts.clock.now() < unsureFrom || this.stillReigns();
  }

  /**
   * Removes the files of epochs below `below`, which should be the last one whose gate opened. It never fails: where the
   * folder goes meanwhile, or descriptors are short, the next host removes what is left.
   */
  async prune(below: number): Promise<void> {
    await pruneEpochs(this.#bus, Math.min(below, this.epoch), this.#parts.clock).catch(() => {});
  }

  /** Stops accepting. The pointer stays: as the highest, it keeps the numbers rising. */
  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    this.#watch.close();
    this.#parts.acceptor.close();
    await this.#parts.listener.close();
  }

  #goesOn(): boolean {
    const { pointer, key, listener, clock } = this.#parts;
    const now = clock.now();
    this.#lookedAt = now;
    if (!listener.isInPlace()) return false;
    const standing = standingOf(this.#bus, pointer, key);
    if (standing === 'current') this.#sureAt = now;
    // A host that cannot look is no worse than others; but only for as long as nobody can have replaced it.
    return standing === 'current' || (standing === 'unknown' && now - this.#sureAt < BLIND_REIGN_TIMEOUT);
  }

  #touch(): void {
    const { clock } = this.#parts;
    const now = clock.now();
    if (now - this.#touchedAt < POINTER_TOUCH_INTERVAL) return;
    this.#touchedAt = now;
    touchPointer(this.#bus, this.epoch, clock);
  }

  #setTimer(): Timer {
    return this.#parts.clock.setTimer(POINTER_INTERVAL, () => {
      if (!this.stillReigns()) return;
      this.#touch();
      this.#timer = this.#setTimer();
    });
  }
}
