// CPU per delivery: what all processes of a system used together, user and kernel, while one publisher kept four
// receivers busy, by the number of messages received.
import { compile, formatSize, messagesFor, runOnce, warmUp, withCell } from '../cells.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';

export const title = 'CPU of all processes per delivery, 1 → 4';
export const name = 'cpu';

const RECEIVERS = 4;
const SIZES = [128, 16 * 1024];

export async function run(setup) {
  const results = [];
  for (const size of SIZES) {
    const label = formatSize(size);
    const rounds = await runRounds(setup, `${name} ${label}`, (system) =>
      inDirectory((directory) => measure(system, { directory, size, setup })),
    );
    results.push({ label, size, unit: 'µs', better: 'lower', rounds });
  }
  return results;
}

function measure(system, { directory, size, setup: { duration, warmUpTime } }) {
  return withCell(system, { receivers: RECEIVERS, options: { directory, size } }, async (cell) => {
    const rate = await warmUp(cell, { size }, { known: await compile(cell), leastTime: warmUpTime });
    const count = messagesFor(rate, duration);
    const before = await usedBy(cell);
    await runOnce(cell, { size, count });
    return ((await usedBy(cell)) - before) / (count * RECEIVERS);
  });
}

async function usedBy({ all }) {
  const used = await Promise.all(all.map((worker) => worker.call('cpuSoFar')));
  return used.reduce((sum, microseconds) => sum + microseconds, 0);
}
