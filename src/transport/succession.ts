// Who stands first when a host is dead: the standby at once, then whoever said so first, then everybody. It only
// makes elections short and spares the machine threads that would be started in vain; reign.ts decides them.
import {
  CANDIDATE_GRACE_MAX,
  CANDIDATE_GRACE_MIN,
  LIVING_CANDIDATE,
  STANDBY_GRACE_MAX,
  STANDBY_GRACE_MIN,
  STANDBY_GRACES,
} from '../limits.js';
import type { Clock } from '../util/clock.js';
import type { BusDirectory } from './bus-directory.js';
import { announceCandidate } from './candidates.js';
import { highestEpoch } from './epochs.js';
import type { FolderWatch } from './folder-watch.js';
import { watchPointers } from './pointer-watch.js';
import { isProcessGone } from './process-liveness.js';
import { readLastRoster } from './roster.js';

export interface TurnOptions {
  clock: Clock;
  /** Hex. */
  peerId: string;
  /** The epoch whose host is dead. */
  dead: number;
  /** Whether this peer is the standby. */
  isStandby: boolean;
  /** The last epoch this peer was on; 0 if none. */
  lastEpoch: number;
  /** Whether the standby has had its head start, see {@link giveHeadStart}. */
  hadHeadStart: boolean;
  signal: AbortSignal;
}

interface Waiting {
  clock: Clock;
  /** The epoch whose host is dead. */
  dead: number;
  signal: AbortSignal;
}

/**
 * Lets the standby of a lost host have the processors for a moment: everybody notices the loss at once, and whoever
 * looked for the dead host meanwhile would only keep the next one from its work. Resolves when somebody has succeeded
 * `epoch`, or when the standby has had its time.
 */
export async function giveHeadStart(
  bus: BusDirectory,
  { clock, epoch, signal }: { clock: Clock; epoch: number; signal: AbortSignal },
): Promise<void> {
  await standbySucceeds(bus, { clock, dead: epoch, signal });
}

/**
 * Resolves when it is time to stand for the epoch after `dead`: to true then, to false when somebody else has won
 * meanwhile. Rejects with `signal.reason`.
 */
export async function waitForTurn(bus: BusDirectory, options: TurnOptions): Promise<boolean> {
  const { clock, peerId, dead, lastEpoch, isStandby, hadHeadStart, signal } = options;
  if (isStandby) return true;
  const waiting = { clock, dead, signal };
  const mayHaveStandby = !hadHeadStart && (lastEpoch > 0 || (await hasHeir(bus, dead, clock)));
  if (mayHaveStandby && (await standbySucceeds(bus, waiting))) return false;
  // One candidate a round, however many wait: a thousand that lost patience together would stop the machine.
  for (let round = 0; ; round += 1) {
    const rival = announceCandidate(bus, { epoch: dead + 1, round, id: peerId }, clock);
    if (rival === undefined) return true;
    const grace =
      between(clock, CANDIDATE_GRACE_MIN, CANDIDATE_GRACE_MAX) * (rival.isAlive ? LIVING_CANDIDATE : 1);
    const left = Math.min(grace, grace - rival.age);
    if (left > 0 && (await successorWithin(bus, left, waiting))) return false;
  }
}

/**
 * Whether the standby takes over in its time. A wait that ends late says that the machine is busy, as it is when hundreds
 * of peers notice the loss: then the standby is given that time again, {@link STANDBY_GRACES} times at most.
 */
async function standbySucceeds(bus: BusDirectory, waiting: Waiting): Promise<boolean> {
  const { clock } = waiting;
  for (let round = 1; ; round += 1) {
    const grace = between(clock, STANDBY_GRACE_MIN, STANDBY_GRACE_MAX);
    const startedAt = clock.now();
    if (await successorWithin(bus, grace, waiting)) return true;
    const late = clock.now() - startedAt - grace;
    if (late < STANDBY_GRACE_MIN || round === STANDBY_GRACES) return false;
  }
}

function between(clock: Clock, min: number, max: number): number {
  return min + (max - min) * (clock.randomBytes(2).readUInt16BE(0) / 0x1_0000);
}

/** Whether a peer that may host lives on the bus of this dead host, as its roster tells. */
async function hasHeir(bus: BusDirectory, dead: number, clock: Clock): Promise<boolean> {
  const roster = await readLastRoster(bus, dead + 1, clock).catch(() => undefined);
  const entries = [...(roster?.entries.values() ?? [])];
  return entries.some(({ mayHost, pid, pidNamespace }) => mayHost && !isProcessGone(pid, pidNamespace));
}

/**
 * Calls `onSuccessor` once when there is a pointer above `epoch`, be it now or later: its host has been replaced, whatever
 * it believes itself. Nothing is called any more after `close`.
 */
export function watchSuccession(bus: BusDirectory, epoch: number, onSuccessor: () => void): FolderWatch {
  const look = (highest: number): void => {
    if (highest <= epoch) return;
    watch.close();
    onSuccessor();
  };
  const watch = watchPointers(bus, look);
  look(highestEpoch(bus));
  return watch;
}

/** Whether a pointer above `dead` appears within `delay` ms; it resolves as soon as one does. */
function successorWithin(
  bus: BusDirectory,
  delay: number,
  { clock, dead, signal }: Waiting,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const settle = (outcome: () => void): void => {
      timer.cancel();
      watch.close();
      signal.removeEventListener('abort', onAbort);
      outcome();
    };
    const onAbort = (): void => settle(() => reject(signal.reason));
    const look = (highest: number): void => {
      if (highest > dead) settle(() => resolve(true));
    };
    const watch = watchPointers(bus, look);
    const timer = clock.setTimer(delay, () => settle(() => resolve(highestEpoch(bus) > dead)));
    signal.addEventListener('abort', onAbort, { once: true });
    look(highestEpoch(bus));
  });
}
