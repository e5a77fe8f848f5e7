// Notes `c<N>-<k>` in which a process says that it is about to stand for epoch N, the k-th that does. They are a courtesy:
// they give no right to anything, and nobody has to believe them. Pruning an epoch removes them.
import { closeSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../util/clock.js';
import { errnoOf } from '../util/errno.js';
import { type BusDirectory, stateFolder } from './bus-directory.js';
import { isProcessGone, ownPidNamespace } from './process-liveness.js';

export interface Candidacy {
  readonly epoch: number;
  /** How many candidates before this one got nowhere. */
  readonly round: number;
  /** Who wants to stand; the same in each attempt. */
  readonly id: string;
}

/** Somebody else who said first that he would stand. */
export interface Rival {
  /** How long ago he said so, ms. */
  readonly age: number;
  /** False when its process has ended for certain. */
  readonly isAlive: boolean;
}

/** Says that this one stands; undefined when nobody else has said so in this round, or when notes cannot be made here. */
export function announceCandidate(bus: BusDirectory, candidacy: Candidacy, clock: Clock): Rival | undefined {
  const { epoch, round, id } = candidacy;
  const path = join(stateFolder(bus), `c${epoch}-${round}`);
  try {
    writeNote(path, `${process.pid} ${ownPidNamespace() ?? '?'} ${id}\n`);
    return undefined;
  } catch (error) {
    return errnoOf(error) === 'EEXIST' ? rivalOf(path, id, clock) : undefined;
  }
}

function writeNote(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o600);
  let isWritten = false;
  try {
    isWritten = writeSync(fd, text) === text.length;
  } finally {
    closeSync(fd);
    // On a full disk. What is cut short names nobody, and everybody would wait for him, its own writer as well.
    if (!isWritten) unlinkSync(path);
  }
}

function rivalOf(path: string, ownId: string, clock: Clock): Rival | undefined {
  try {
    const [pid, namespace, id] = readFileSync(path, 'latin1').trim().split(' ');
    if (id === ownId) return undefined;
    return {
      age: clock.wallTime() - statSync(path).mtimeMs,
      isAlive: !isProcessGone(Number(pid), namespace),
    };
  } catch {
    // Pruned this moment: somebody has won.
    return { age: 0, isAlive: true };
  }
}
