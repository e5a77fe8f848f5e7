// How fast a bus recovers: the hosting one of 21 processes is killed, again and again. Measured is from the kill to the next
// pointer (by what the file system says of it, since who looks has to wait for a processor as well), to the moment when
// every survivor is connected again, and to that when each has got a message again: one of them publishes all
// the time. Figures mean something on a quiet machine only; what fails here is a bus that does not recover.
//   npx tsx scripts/torture/take-over-times.ts [seconds] [seed] [--peers n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inTime, runPart } from './part.js';

/** A standby warms its thread a second after it was named. */
const WARM_UP = 2_000;
const program = fileURLToPath(new URL('./take-over-peer.mjs', import.meta.url));

/** Times are on the machine's monotonic clock, ms. */
type Report =
  | { said: 'connected'; epoch: number; hosting: boolean; at: number }
  | { said: 'heard'; at: number };

const machineTime = (): number => Number(process.hrtime.bigint()) / 1e6;

class Peer {
  readonly process: ChildProcess;
  epoch = 0;
  hosting = false;
  /** When it was connected to this epoch. */
  connectedAt = 0;
  /** …and when the first message came after that; undefined until then. */
  heardAt: number | undefined;

  constructor(directory: string, publishes: boolean) {
    this.process = fork(program, publishes ? [directory, 'publish'] : [directory], { execArgv: [] });
    this.process.on('message', (report) => this.#take(report as Report));
  }

  #take(report: Report): void {
    if (report.said === 'heard') {
      this.heardAt = report.at;
      return;
    }
    this.epoch = report.epoch;
    this.hosting = report.hosting;
    this.connectedAt = report.at;
    this.heardAt = undefined;
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const look = async (): Promise<void> => {
    while (!holds()) await pause(1);
  };
  await inTime(look(), what);
}

const highest = (directory: string): number =>
  Math.max(...readdirSync(join(directory, 'b-test')).map((name) => Number(/^e(\d+)$/.exec(name)?.[1] ?? 0)));

/** The values at the middle and near the end, as text. */
function spread(values: number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

await runPart(async ({ directory, goOn, aims: { peers: survivors = 20 } }) => {
  if (survivors < 2) throw new TypeError('--peers takes 2 or more: one of them publishes and never hosts');
  const peers: Peer[] = [];
  const grow = async (publishes = false): Promise<void> => {
    const peer = new Peer(directory, publishes);
    peers.push(peer);
    await until(() => peer.epoch > 0, 'a peer on the bus');
  };
  await grow();
  await grow(true);
  while (peers.length <= survivors) await grow();
  const pointers: number[] = [];
  const allBack: number[] = [];
  const allHeard: number[] = [];
  do {
    await pause(WARM_UP);
    const host = peers.find(({ hosting }) => hosting);
    if (host === undefined) throw new Error('nobody hosts');
    peers.splice(peers.indexOf(host), 1);
    const { epoch } = host;
    const mark = join(directory, 'mark');
    writeFileSync(mark, '');
    const killedAt = machineTime();
    await host.kill();
    await until(() => peers.every((peer) => peer.epoch > epoch), 'everybody back');
    if (new Set(peers.map((peer) => peer.epoch)).size > 1) throw new Error('there is more than one host');
    const pointer = join(directory, 'b-test', `e${highest(directory)}`);
    pointers.push(statSync(pointer).mtimeMs - statSync(mark).mtimeMs);
    allBack.push(Math.max(...peers.map(({ connectedAt }) => connectedAt)) - killedAt);
    await until(() => peers.every(({ heardAt }) => heardAt !== undefined), 'a message for everybody');
    allHeard.push(Math.max(...peers.map(({ heardAt = 0 }) => heardAt)) - killedAt);
    await grow();
  } while (goOn());
  for (const { process } of peers) process.kill('SIGKILL');
  const times = [
    `new host ${spread(pointers)}`,
    `all ${survivors} back ${spread(allBack)}`,
    `a message for all of them ${spread(allHeard)}`,
  ];
  return `take-over: ${allBack.length} hosts killed; ${times.join('; ')}`;
});
