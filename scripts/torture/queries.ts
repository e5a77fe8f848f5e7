// Queries while hosts and responders are killed: each has one outcome, none hangs or is handled twice, and a deadline is
// kept. Some are asked of somebody who never answers.
//   npx tsx scripts/torture/queries.ts [seconds] [seed] [--messages n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from './crew.js';
import { sum, tallyQuantile } from './figures.js';
import { faultsOfQueries, LATEST_DEADLINE } from './judges.js';
import { runPart } from './part.js';

const program = fileURLToPath(new URL('./query-peer.mjs', import.meta.url));
const CANDIDATES = 4;
const ASKERS = 3;

interface Report {
  hosting?: boolean;
  settled?: number;
  hanging?: number;
  repeated?: number;
  outcomes?: Record<string, number>;
  late?: Record<string, number>;
  isLast?: boolean;
}

class Peer {
  readonly process: ChildProcess;
  last: Report = {};
  /** Queries that it handled again. */
  repeated = 0;

  constructor(directory: string, role: 'candidate' | 'silent' | 'asker') {
    this.process = fork(program, [JSON.stringify({ directory, role })], { execArgv: [] });
    this.process.on('message', (report) => {
      this.last = report as Report;
      this.repeated += this.last.repeated ?? 0;
    });
  }

  get isThere(): boolean {
    return this.last.hosting !== undefined || this.last.settled !== undefined;
  }

  async kill(): Promise<void> {
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }
}

function addUp(counts: (Record<string, number> | undefined)[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const one of counts)
    for (const [what, count] of Object.entries(one ?? {})) total.set(what, (total.get(what) ?? 0) + count);
  return total;
}

await runPart(async ({ directory, random, goOn, aims }) => {
  const start = (role: 'candidate' | 'silent' | 'asker'): Peer => new Peer(directory, role);
  const candidates = Array.from({ length: CANDIDATES }, () => start('candidate'));
  const responders = new Set(candidates);
  await until(() => candidates.every(({ isThere }) => isThere), 'everybody who answers');
  const silent = start('silent');
  await until(() => silent.isThere, 'who never answers');
  const askers = Array.from({ length: ASKERS }, () => start('asker'));
  await until(() => askers.every(({ isThere }) => isThere), 'everybody who asks');
  const settled = (): number => sum(askers.map(({ last }) => last.settled ?? 0));
  let [killedHosts, killedResponders] = [0, 0];
  while (aims.messages === undefined ? goOn() : settled() < aims.messages) {
    await pause(200 + random.below(800));
    await until(() => candidates.some(({ last }) => last.hosting), 'a host');
    // somebody has to be left who answers
    await until(
      () => candidates.filter(({ isThere }) => isThere).length > CANDIDATES / 2,
      'those who answer',
    );
    const isHost = random.below(3) > 0;
    const index = candidates.findIndex(({ last }) => last.hosting === isHost);
    if (index === -1) continue;
    await candidates.splice(index, 1)[0]!.kill();
    const successor = start('candidate');
    candidates.push(successor);
    responders.add(successor);
    if (isHost) killedHosts += 1;
    else killedResponders += 1;
  }
  for (const { process } of askers) process.send('finish');
  await until(
    () => askers.every(({ last }) => last.isLast),
    'the end of every query',
    () => `${sum(askers.map(({ last }) => last.hanging ?? 0))} hang`,
  );
  const outcomes = addUp(askers.map(({ last }) => last.outcomes));
  const late = addUp(askers.map(({ last }) => last.late));
  const hanging = sum(askers.map(({ last }) => last.hanging ?? 0));
  const account = {
    settled: settled(),
    hanging,
    repeated: sum([...responders].map(({ repeated }) => repeated)),
    outcomes,
    late,
  };
  for (const { process } of [...candidates, silent, ...askers]) process.kill('SIGKILL');
  const [p50, p999, max] = [0.5, 0.999, 1].map((share) => tallyQuantile(late, share)) as [
    number,
    number,
    number,
  ];
  const line =
    `queries: ${account.settled} while ${killedHosts} hosts and ${killedResponders} responders were killed: ` +
    `${[...outcomes].map(([what, count]) => `${count} ${what}`).join(', ')}; ${hanging} hang; ` +
    `deadlines late p50 ${p50}, p99.9 ${p999}, max ${max} ms (aim ${LATEST_DEADLINE})`;
  const faults = faultsOfQueries(account);
  if (faults.length > 0) throw new Error(`queries: ${faults.join('; ')}\n${line}`);
  return line;
});
