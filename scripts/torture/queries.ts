// Queries while hosts and responders are killed: each has one outcome, none hangs, and a deadline is kept. Some are asked of
// somebody who never answers.
//   npx tsx scripts/torture/queries.ts [seconds] [seed] [--messages n]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from './crew.js';
import { sum } from './figures.js';
import { runPart } from './part.js';

const program = fileURLToPath(new URL('./query-peer.mjs', import.meta.url));
const CANDIDATES = 4;
const ASKERS = 3;
/** ms a deadline may be late, in 999 of 1,000 cases. */
const LATEST = 50;

interface Report {
  hosting?: boolean;
  settled?: number;
  hanging?: number;
  outcomes?: Record<string, number>;
  late?: Record<string, number>;
  isLast?: boolean;
}

class Peer {
  readonly process: ChildProcess;
  last: Report = {};

  constructor(directory: string, role: 'candidate' | 'silent' | 'asker') {
    this.process = fork(program, [JSON.stringify({ directory, role })], { execArgv: [] });
    this.process.on('message', (report) => {
      this.last = report as Report;
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

/** The value below which this share of them lies; `counts` by value. */
function quantile(counts: Map<string, number>, share: number): number {
  let left = share * sum(counts.values());
  const sorted = [...counts]
    .map(([value, count]) => [Number(value), count] as const)
    .sort(([a], [b]) => a - b);
  for (const [value, count] of sorted) {
    left -= count;
    if (left <= 0) return value;
  }
  return sorted.at(-1)?.[0] ?? 0;
}

await runPart(async ({ directory, random, goOn, aims }) => {
  const start = (role: 'candidate' | 'silent' | 'asker'): Peer => new Peer(directory, role);
  const candidates = Array.from({ length: CANDIDATES }, () => start('candidate'));
  await until(() => candidates.every(({ isThere }) => isThere), 'everybody who answers');
  const silent = start('silent');
  await until(() => silent.isThere, 'who never answers');
  const askers = Array.from({ length: ASKERS }, () => start('asker'));
  await until(() => askers.every(({ isThere }) => isThere), 'everybody who asks');
  const settled = (): number => sum(askers.map(({ last }) => last.settled ?? 0));
  let [hosts, responders] = [0, 0];
  while (aims.messages === undefined ? goOn() : settled() < aims.messages) {
    await pause(200 + random.below(800));
    await until(() => candidates.some(({ last }) => last.hosting), 'a host');
    const isHost = random.below(3) > 0;
    const index = candidates.findIndex(({ last }) => last.hosting === isHost);
    if (index === -1) continue;
    await candidates.splice(index, 1)[0]!.kill();
    candidates.push(start('candidate'));
    if (isHost) hosts += 1;
    else responders += 1;
  }
  for (const { process } of askers) process.send('finish');
  await until(() => askers.every(({ last }) => last.isLast), 'the end of every query');
  const outcomes = addUp(askers.map(({ last }) => last.outcomes));
  const late = addUp(askers.map(({ last }) => last.late));
  const hanging = sum(askers.map(({ last }) => last.hanging ?? 0));
  const total = settled();
  for (const { process } of [...candidates, silent, ...askers]) process.kill('SIGKILL');
  const [p50, p999, max] = [0.5, 0.999, 1].map((share) => quantile(late, share)) as [number, number, number];
  const line =
    `queries: ${total} while ${hosts} hosts and ${responders} responders were killed: ` +
    `${[...outcomes].map(([what, count]) => `${count} ${what}`).join(', ')}; ${hanging} hang; ` +
    `deadlines late p50 ${p50}, p99.9 ${p999}, max ${max} ms (aim ${LATEST})`;
  if (sum(outcomes.values()) !== total) throw new Error(`not every query has one outcome; ${line}`);
  if (hanging > 0 || outcomes.has('WRONG ANSWER')) throw new Error(line);
  return line;
});
