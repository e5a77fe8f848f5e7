// Slots at full load: readers that fall behind under every policy count exactly what they miss, who joins misses nothing,
// and a slot that nobody reads holds the publisher back once.
//   npx tsx scripts/torture/slots.ts [seconds] [seed] [--messages n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { machineTime, until } from './crew.js';
import { runPart } from './part.js';

const program = fileURLToPath(new URL('./slots-peer.mjs', import.meta.url));
const STALL_TIMEOUT = 1_000;

interface Report {
  ready?: boolean;
  published?: number;
  total?: number;
  joined?: number;
  fault?: string;
  accounts?: { overflow: string; delivered: number; announced: number; missed: number }[];
}

class Peer {
  readonly process: ChildProcess;
  readonly faults: string[] = [];
  known: Report = {};

  constructor(directory: string, role: string) {
    this.process = fork(program, [JSON.stringify({ directory, role, stallTimeout: STALL_TIMEOUT })], {
      execArgv: [],
    });
    this.process.on('message', (message) => {
      const report = message as Report;
      if (report.fault !== undefined) this.faults.push(report.fault);
      Object.assign(this.known, report);
    });
    this.process.once('exit', (code, signal) => {
      if (signal === null) this.faults.push(`${role} ended with ${code}`);
    });
  }

  async ready(): Promise<this> {
    await until(() => this.known.ready === true || this.faults.length > 0, 'a process on the bus');
    return this;
  }

  async end(): Promise<void> {
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }
}

await runPart(async ({ directory, goOn, aims }) => {
  const start = (role: string): Promise<Peer> => new Peer(directory, role).ready();
  const host = await start('host');
  const reader = await start('reader');
  const publisher = new Peer(directory, 'publisher');
  const joiner = new Peer(directory, 'joiner');
  const all = [host, reader, publisher, joiner];
  const published = (): number => publisher.known.published ?? 0;
  const faults = (): string[] => all.flatMap((peer) => peer.faults);
  // how long the publisher stood still, while nobody read one of the slots
  let [last, since, longest] = [0, machineTime(), 0];
  while ((aims.messages === undefined ? goOn() : published() < aims.messages) && faults().length === 0) {
    await pause(20);
    if (published() > last) [last, since] = [published(), machineTime()];
    longest = Math.max(longest, machineTime() - since);
  }
  const joins = joiner.known.joined ?? 0;
  await joiner.end();
  publisher.process.send('stop');
  await until(() => publisher.known.total !== undefined || faults().length > 0, 'the last receipt');
  reader.process.send('account');
  await until(() => reader.known.accounts !== undefined || faults().length > 0, 'the accounts');
  const total = publisher.known.total ?? 0;
  const accounts = reader.known.accounts ?? [];
  const wrong = accounts
    .filter(({ delivered, announced, missed }) => delivered + announced !== total || announced !== missed)
    .map((one) => `${JSON.stringify(one)} of ${total}`);
  await Promise.all([host, reader, publisher].map((peer) => peer.end()));
  const problems = [...faults(), ...wrong];
  if (problems.length > 0) throw new Error(`slots: ${problems.join('\n')}`);
  const shares = accounts.map(({ overflow, announced }) => `${overflow} ${announced}`).join(', ');
  return (
    `slots: ${total} messages, of which were announced as missing, and every other one delivered: ${shares}; ` +
    `${joins} joined and read 10,000 without a hole; the publisher stood still for ${longest.toFixed(0)} ms at most ` +
    `(a slot was never read, its stallTimeout ${STALL_TIMEOUT} ms)`
  );
});
