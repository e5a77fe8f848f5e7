// One message per millisecond to 16 receivers: how long each took from the publisher's call to the receiver's hands. The
// slowest receiver is the one with the greatest p99. What the processors are busy with meanwhile says why: who shares two of
// them with seventeen others waits for his turn.
import { failIfBroken, runOnce, withCell } from '../cells.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';
import { percentile } from '../statistics.mjs';

export const title = 'One message of 128 B per millisecond to 16 receivers';
export const name = 'latency';

const RECEIVERS = 16;
const SIZE = 128;
const INTERVAL = 1;
const WARM_UP_MESSAGES = 10_000;
/** Sixteen receivers on two cores compile for ten seconds: until then that is what is measured. */
const WARM_UP_TIME = 10_000;
/** How many times the duration of a fan-out run: a p99 needs its thousands. */
const STRETCH = 4;

export async function run(setup) {
  const rounds = await runRounds(setup, name, (system) =>
    inDirectory((directory) => measure(system, directory, setup.duration * STRETCH)),
  );
  const row = (label, key, unit = 'µs') => ({
    label,
    unit,
    better: 'lower',
    rounds: Object.fromEntries(
      Object.entries(rounds).map(([system, { values, error }]) => [
        system,
        { values: values.map((value) => value[key]), error },
      ]),
    ),
  });
  return [
    row('p50', 'p50'),
    row('p99', 'p99'),
    row('p99 of the slowest receiver', 'slowest'),
    row('CPU of the server', 'server', '% of a core'),
    row('CPU of publisher and receivers', 'clients', '% of a core'),
  ];
}

function measure(system, directory, duration) {
  const options = { directory, size: SIZE, kind: 'times' };
  return withCell(system, { receivers: RECEIVERS, options }, async (cell) => {
    await runOnce(cell, { size: SIZE, count: WARM_UP_MESSAGES });
    await runPaced(cell, WARM_UP_TIME);
    const before = await usedBy(cell);
    const startedAt = performance.now();
    const delays = await runPaced(cell, duration);
    const elapsed = performance.now() - startedAt;
    const used = await usedBy(cell);
    const share = (key) => ((used[key] - before[key]) / 1000 / elapsed) * 100;
    return { ...summarise(delays), server: share('server'), clients: share('clients') };
  });
}

/** The microseconds of every message, by receiver. */
async function runPaced({ publisher, readers }, duration) {
  const count = duration / INTERVAL;
  await Promise.all(readers.map((reader) => reader.call('arm', count, SIZE)));
  const finished = readers.map((reader) => reader.call('finished'));
  const [{ sentAt }, ...reports] = await Promise.all([
    publisher.call('publishPaced', count, SIZE, INTERVAL),
    ...finished,
  ]);
  failIfBroken(reports);
  const arrivals = await Promise.all(readers.map((reader) => reader.call('times')));
  return arrivals.map((times) => times.map((time, number) => (time - sentAt[number]) * 1000));
}

/** Microseconds that the processes have used so far. */
async function usedBy({ server, publisher, readers }) {
  const [ofServer, ...ofClients] = await Promise.all(
    [server, publisher, ...readers].map((worker) => worker.call('cpuSoFar')),
  );
  return { server: ofServer, clients: ofClients.reduce((sum, used) => sum + used, 0) };
}

function summarise(delays) {
  const all = delays.flat();
  const slowest = Math.max(...delays.map((ofOne) => percentile(ofOne, 0.99)));
  return { p50: percentile(all, 0.5), p99: percentile(all, 0.99), slowest };
}
