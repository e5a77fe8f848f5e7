// The first half of an election, in every peer: reach the host of the highest epoch, or find out that it is
// dead. It elects nobody (reign.ts does), and it never gives up on a host that may be alive: the caller's
// signal does.

import { existsSync } from 'node:fs';
import { MailslotError } from '../errors.js';
import {
  HANDSHAKE_TIMEOUT,
  HUNG_HOST_ATTEMPTS,
  HUNG_HOST_TIMEOUT,
  RETRY_DELAY_MAX,
  RETRY_DELAY_MIN,
  STALL_THRESHOLD,
} from '../limits.js';
import { Backoff } from '../util/backoff.js';
import { type Clock, wait } from '../util/clock.js';
import { errnoOf } from '../util/errno.js';
import { type BusDirectory, endpointPath, secureBusDirectory, unusable } from './bus-directory.js';
import { readOrCreateKey } from './bus-key.js';
import { anchorEpochs, type HighestEpoch, type Pointer, readHighest } from './epochs.js';
import { type ConnectOptions, connectLink, type Link, LinkFailure } from './link.js';
import type { Endpoints } from './pipe.js';

export interface FindHostOptions {
  clock: Clock;
  endpoints: Endpoints;
  /** 8 bytes. */
  peerId: Uint8Array;
  /** The last epoch this peer was on; 0 if none. A first epoch is chosen above it. @default 0 */
  lastEpoch?: number | undefined;
  /** Ends the search; its reason is thrown. */
  signal?: AbortSignal | undefined;
  /** An attempt failed and another follows. */
  onFailure?: ((failure: LinkFailure, epoch: number) => void) | undefined;
}

/** A link to the host, or the epoch above which one may stand for election, since no host of it lives. */
export type FoundHost = { readonly link: Link } | { readonly link: undefined; readonly dead: number };

/**
 * Looks for the host until there is an answer.
 * @throws MAILSLOT_BAD_KEY, _VERSION_MISMATCH, _PROTOCOL_VIOLATION (who answers is no host for us),
 *   _UNSAFE_DIRECTORY, _UNREACHABLE (the folder cannot be used); `signal.reason`
 */
export async function findHost(bus: BusDirectory, options: FindHostOptions): Promise<FoundHost> {
  const { clock, signal } = options;
  const backoff = new Backoff(clock, { min: RETRY_DELAY_MIN, max: RETRY_DELAY_MAX });
  const patience = new Patience(clock);
  for (;;) {
    signal?.throwIfAborted();
    const current = await readCurrent(bus, options);
    if (!current) continue;
    const { epoch, pointer, key } = current;
    if (!pointer || isGone(pointer)) return { link: undefined, dead: epoch };
    const startedAt = clock.now();
    const outcome = await attempt(
      {
        ...options,
        endpoint: endpointPath(bus, pointer.endpoint),
        epoch,
        key,
        timeout: patience.left(epoch),
      },
      patience,
    );
    if (outcome instanceof LinkFailure) options.onFailure?.(outcome, epoch);
    else if (outcome) return { link: outcome };
    if (outcome?.verdict === 'dead' || patience.isOver(epoch, startedAt))
      return { link: undefined, dead: epoch };
    if (outcome) await wait(clock, backoff.next(), signal);
  }
}

/**
 * Key and highest epoch of a folder that is there and safe; an empty one is given its first epoch. Undefined when
 * somebody deleted the folder at this very moment.
 */
async function readCurrent(
  bus: BusDirectory,
  { clock, lastEpoch = 0 }: FindHostOptions,
): Promise<(HighestEpoch & { key: Buffer }) | undefined> {
  try {
    secureBusDirectory(bus);
    const key = await readOrCreateKey(bus, clock);
    const current = await readHighest(bus, clock);
    if (current.epoch > 0) return { ...current, key };
    await anchorEpochs(bus, Math.max(Math.floor(clock.wallTime() / 1_000), lastEpoch + 1), clock);
    return { ...(await readHighest(bus, clock)), key };
  } catch (error) {
    if (MailslotError.is(error)) throw error;
    if (!existsSync(bus.path)) return undefined;
    throw unusable(bus.path, error);
  }
}

/** The link; why there is none; or undefined when the key may just have changed and is to be read once more. */
async function attempt(options: ConnectOptions, patience: Patience): Promise<Link | LinkFailure | undefined> {
  try {
    return await connectLink(options);
  } catch (error) {
    if (error instanceof LinkFailure) return error;
    if (MailslotError.is(error, 'MAILSLOT_BAD_KEY') && patience.forgivesKey(options.epoch)) return undefined;
    throw error;
  }
}

// A Windows pipe's name lives as long as any client has it open, and dialling it may wait for half a minute.
function isGone({ pid }: Pointer): boolean {
  if (process.platform !== 'win32') return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
}

/**
 * How long a host that answers no handshake is given. Counted is only time in which we were awake: a gap longer
 * than an attempt can take was our own stall, and the host starts with a clean sheet.
 */
class Patience {
  readonly #clock: Clock;
  #epoch = 0;
  #attempts = 0;
  #since = 0;
  #lastLook = 0;
  #keyForgiven = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called after each attempt that failed, with the time it began. */
  isOver(epoch: number, startedAt: number): boolean {
    const now = this.#clock.now();
    const longest = HANDSHAKE_TIMEOUT + RETRY_DELAY_MAX + STALL_THRESHOLD;
    if (epoch !== this.#epoch) this.#startOver(epoch, startedAt);
    else if (now - this.#lastLook > longest) this.#startOver(epoch, now);
    this.#lastLook = now;
    this.#attempts += 1;
    return this.#attempts >= HUNG_HOST_ATTEMPTS && now - this.#since >= HUNG_HOST_TIMEOUT;
  }

  /** How long the next attempt may take: the last one ends when patience does. */
  left(epoch: number): number {
    if (epoch !== this.#epoch || this.#attempts + 1 < HUNG_HOST_ATTEMPTS) return HANDSHAKE_TIMEOUT;
    const left = this.#since + HUNG_HOST_TIMEOUT - this.#clock.now();
    return Math.min(HANDSHAKE_TIMEOUT, Math.max(RETRY_DELAY_MAX, left));
  }

  /** Whether this is the first wrong key in this epoch. */
  forgivesKey(epoch: number): boolean {
    const first = this.#keyForgiven !== epoch;
    this.#keyForgiven = epoch;
    return first;
  }

  #startOver(epoch: number, since: number): void {
    this.#epoch = epoch;
    this.#attempts = 0;
    this.#since = since;
  }
}
