// The first half of an election, in every peer: reach the host of the highest epoch, or find out that it is
// dead. It elects nobody (reign.ts does), and it never gives up on a host that may be alive: the caller's
// signal does.

import { existsSync } from 'node:fs';
import { MailslotError } from '../errors.js';
import { RETRY_DELAY_MAX, RETRY_DELAY_MIN, SLOW_ATTEMPT } from '../limits.js';
import { Backoff } from '../util/backoff.js';
import { type Clock, wait } from '../util/clock.js';
import { errnoOf } from '../util/errno.js';
import { type BusDirectory, endpointPath, secureBusDirectory, unusable } from './bus-directory.js';
import { readOrCreateKey } from './bus-key.js';
import { anchorEpochs, type HighestEpoch, type Pointer, readHighest } from './epochs.js';
import type { FolderWatch } from './folder-watch.js';
import { type ConnectOptions, connectLink, type Link, LinkFailure } from './link.js';
import { Patience, type Suspicion } from './patience.js';
import type { Endpoints } from './pipe.js';
import { watchSuccession } from './succession.js';

export interface FindHostOptions {
  clock: Clock;
  endpoints: Endpoints;
  /** 8 bytes. */
  peerId: Uint8Array;
  /** The last epoch this peer was on; 0 if none. A first epoch is chosen above it. @default 0 */
  lastEpoch?: number | undefined;
  /** The host that this peer has just left because it was silent. */
  suspicion?: Suspicion | undefined;
  /** Ends the search; its reason is thrown. */
  signal?: AbortSignal | undefined;
  /** An attempt failed and another follows. */
  onFailure?: ((failure: LinkFailure, epoch: number) => void) | undefined;
}

/** No host of this epoch lives: one may stand for election to the next one. */
export interface DeadHost {
  readonly link: undefined;
  readonly dead: number;
  /** Its process, when it is there and answers nobody. */
  readonly hung?: number | undefined;
}

export type FoundHost = { readonly link: Link } | DeadHost;

/**
 * Looks for the host until there is an answer.
 * @throws MAILSLOT_BAD_KEY, _VERSION_MISMATCH, _PROTOCOL_VIOLATION (who answers is no host for us),
 *   _UNSAFE_DIRECTORY, _UNREACHABLE (the folder cannot be used); `signal.reason`
 */
export async function findHost(bus: BusDirectory, options: FindHostOptions): Promise<FoundHost> {
  const { clock, signal } = options;
  const backoff = new Backoff(clock, { min: RETRY_DELAY_MIN, max: RETRY_DELAY_MAX });
  const patience = new Patience(clock, options.suspicion);
  for (;;) {
    signal?.throwIfAborted();
    const current = await readCurrent(bus, options);
    signal?.throwIfAborted();
    if (!current) continue;
    const { epoch, pointer, key } = current;
    if (!pointer || isGone(pointer)) return { link: undefined, dead: epoch };
    const startedAt = clock.now();
    const endpoint = endpointPath(bus, pointer.endpoint);
    const timeout = patience.left(epoch);
    const outcome = await attempt(bus, { ...options, endpoint, epoch, key, timeout }, patience);
    if (outcome === undefined) continue;
    if (!(outcome instanceof LinkFailure)) return { link: outcome };
    options.onFailure?.(outcome, epoch);
    if (outcome.verdict === 'dead') return { link: undefined, dead: epoch };
    if (patience.isOver(epoch, startedAt)) return { link: undefined, dead: epoch, hung: pointer.pid };
    await wait(clock, backoff.next(), signal);
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

/** The link; why there is none; or undefined when key or pointer may just have changed and are to be read once more. */
async function attempt(
  bus: BusDirectory,
  options: ConnectOptions,
  patience: Patience,
): Promise<Link | LinkFailure | undefined> {
  try {
    return await connectUnlessReplaced(bus, options);
  } catch (error) {
    if (error instanceof Replaced) return undefined;
    if (error instanceof LinkFailure) return error;
    if (MailslotError.is(error, 'MAILSLOT_BAD_KEY') && patience.forgivesKey(options.epoch)) return undefined;
    throw error;
  }
}

class Replaced extends Error {}

// Who waits for a hung host to the end comes too late for the gate of its successor. An attempt that takes no time, as
// nearly all of them do, needs no watch: a crowd that comes back would start one each.
async function connectUnlessReplaced(bus: BusDirectory, options: ConnectOptions): Promise<Link> {
  const { clock, epoch, signal } = options;
  const controller = new AbortController();
  const replaced = (): void => controller.abort(new Replaced());
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', onAbort, { once: true });
  let watch: FolderWatch | undefined;
  const timer = clock.setTimer(SLOW_ATTEMPT, () => {
    watch = watchSuccession(bus, epoch, replaced);
  });
  try {
    return await connectLink({ ...options, signal: controller.signal });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    timer.cancel();
    watch?.close();
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
