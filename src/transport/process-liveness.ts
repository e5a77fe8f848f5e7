// Whether another process of this machine is still there. It judges only what it can see: a process id means
// nothing outside the namespace that gave it (containers), and nobody is called dead on suspicion.
import { readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../util/errno.js';

/** Where systems have one namespace for all processes. */
const ONLY_NAMESPACE = '-';

let own: { namespace: string | undefined } | undefined;

/** Names the namespace that this process's id counts in, which never changes; undefined when that cannot be told. */
export function ownPidNamespace(): string | undefined {
  own ??= { namespace: readPidNamespace() };
  return own.namespace;
}

function readPidNamespace(): string | undefined {
  if (process.platform !== 'linux') return ONLY_NAMESPACE;
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

/** Whether it is certain that this process has ended, be it that its parent has not been told yet. */
export function isProcessGone(pid: number, namespace: string | undefined): boolean {
  if (namespace === undefined || namespace !== ownPidNamespace()) return false;
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
  return process.platform === 'linux' && isZombie(pid);
}

/** One look at many peers: `isGone`, asked once for each process, of which many may be. */
export function oncePerProcess(isGone: typeof isProcessGone): typeof isProcessGone {
  const verdicts = new Map<string, boolean>();
  return (pid, namespace) => {
    const key = `${pid} ${namespace}`;
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    const verdict = isGone(pid, namespace);
    verdicts.set(key, verdict);
    return verdict;
  };
}

// A zombie answers signals for as long as its parent does not look.
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the name in parentheses may hold anything
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    return state === 'Z' || state === 'X';
  } catch {
    return false;
  }
}
