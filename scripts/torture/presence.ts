// How soon others hear that a process is gone: killed, or suspended.
//   npx tsx scripts/torture/presence.ts [seconds] [seed] [--kills n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PING_INTERVAL } from '../../src/limits.js';
import { machineTime, until } from './crew.js';
import { spread } from './figures.js';
import { faultsOfPresence } from './judges.js';
import { runPart } from './part.js';

const program = fileURLToPath(new URL('./presence-peer.mjs', import.meta.url));
/** A process that has just started is busy with itself. */
const REST = 100;
/** One in so many is suspended first. */
const SUSPENDED = 20;

interface Leaving {
  cause: string;
  at: number;
}

class Peer {
  readonly process: ChildProcess;
  id: string | undefined;
  readonly #seen: Map<string, Leaving>;

  constructor(directory: string, role: string, seen: Map<string, Leaving>) {
    this.#seen = seen;
    this.process = fork(program, [JSON.stringify({ directory, role })], { execArgv: [] });
    this.process.on('message', (message) => this.#note(message as { id?: string; left?: string } & Leaving));
  }

  async ready(): Promise<this> {
    await until(() => this.id !== undefined, 'a process on the bus');
    return this;
  }

  /** What the watcher said of its end. */
  async leaving(): Promise<Leaving> {
    await until(() => this.#seen.has(this.id!), 'the news of an end');
    return this.#seen.get(this.id!)!;
  }

  #note({ id, left, cause, at }: { id?: string; left?: string } & Leaving): void {
    if (id !== undefined) this.id = id;
    if (left !== undefined) this.#seen.set(left, { cause, at });
  }
}

await runPart(async ({ directory, goOn, aims }) => {
  const seen = new Map<string, Leaving>();
  const start = (role: string): Promise<Peer> => new Peer(directory, role, seen).ready();
  const [host, watcher] = [await start('host'), await start('watcher')];
  const [crashes, suspensions]: [number[], number[]] = [[], []];
  for (let round = 1; aims.kills === undefined ? goOn() : crashes.length < aims.kills; round += 1) {
    const peer = await start('other');
    await pause(REST);
    if (round % SUSPENDED === 0) {
      const suspendedAt = machineTime();
      peer.process.kill('SIGSTOP');
      const { cause, at } = await peer.leaving();
      if (cause !== 'unresponsive') throw new Error(`a suspended process left as ${cause}`);
      suspensions.push(at - suspendedAt);
      peer.process.kill('SIGKILL');
      continue;
    }
    const gone = once(peer.process, 'exit');
    const killedAt = machineTime();
    peer.process.kill('SIGKILL');
    const { cause, at } = await peer.leaving();
    if (cause !== 'crashed') throw new Error(`a killed process left as ${cause}`);
    crashes.push(at - killedAt);
    await gone;
  }
  for (const { process } of [host, watcher]) process.kill('SIGKILL');
  const heartbeats = suspensions.map((time) => time / PING_INTERVAL);
  const faults = faultsOfPresence({ crashes, suspensions: heartbeats });
  const line = `presence: heard of a kill -9 after ${spread(crashes)}; of a suspension after ${spread(heartbeats, 'heartbeats')}`;
  if (faults.length > 0) throw new Error(`${faults.join('; ')}\n${line}`);
  return line;
});
