// Slots at full load: readers that fall behind under every policy count exactly what they miss, who joins misses nothing,
// and a slot that nobody reads holds the publisher back once.
//   npx tsx scripts/torture/slots.ts [seconds] [seed] [--messages n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { machineTime, until } from './crew.js';
import { faultsOfSlots, type SlotReading } from './judges.js';
import { runPart } from './part.js';

const program = fileURLToPath(new URL('./slots-peer.mjs', import.meta.url));
const STALL_TIMEOUT = 1_000;

interface Report {
  ready?: boolean;
  published?: number;
  total?: number;
  joined?: number;
  fault?: string;
  accounts?: SlotReading[];
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
    // one that has ended already says no more
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }
}

await runPart(async ({ directory, goOn, aims }) => {
  const start = (role: string): Promise<Peer> => new Peer(directory, role).ready();
  const host = await start('host');
  const reader = await start('reader');
  const publisher = await start('publisher');
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
  // whoever ended too early is not asked for its account
  if (faults().length === 0) {
    await joiner.end();
    publisher.process.send('stop');
    await until(() => publisher.known.total !== undefined || faults().length > 0, 'the last receipt');
  }
  if (faults().length === 0) {
    reader.process.send('account');
    await until(() => reader.known.accounts !== undefined || faults().length > 0, 'the accounts');
  }
  const { total = 0 } = publisher.known;
  const { accounts = [] } = reader.known;
  const { joined: joins = 0 } = joiner.known;
  const problems = faults();
  if (problems.length === 0)
    problems.push(
      ...faultsOfSlots({
        published: total,
        readings: accounts,
        joins,
        standstill: longest,
        stallTimeout: STALL_TIMEOUT,
      }),
    );
  await Promise.all(all.map((peer) => peer.end()));
  if (problems.length > 0) throw new Error(`slots: ${problems.join('\n')}`);
  const shares = accounts.map(({ overflow, announced }) => `${overflow} ${announced}`).join(', ');
  return (
    `slots: ${total} messages, of which were announced as missing, and every other one delivered: ${shares}; ` +
    `${joins} joined and read 10,000 without a hole; the publisher stood still for ${longest.toFixed(0)} ms at most ` +
    `(a slot was never read, its stallTimeout ${STALL_TIMEOUT} ms)`
  );
});
