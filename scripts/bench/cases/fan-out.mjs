// One publisher, some receivers, each in its own process: messages per second that all receivers have got, from the
// first publish to the last message of the last receiver.
import { compile, formatSize, messagesFor, runOnce, warmUp, withCell } from '../cells.mjs';
import { fanOutFloor } from '../floors.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';
import { MESSAGE_REFERENCE } from '../systems.mjs';

export const title = 'Fan-out: messages per second received by all';
export const name = 'fan-out';

export async function run(setup) {
  const results = [];
  for (const receivers of setup.receivers) {
    for (const size of setup.sizes) {
      const label = `1 → ${receivers}, ${formatSize(size)}`;
      const rounds = await runRounds(setup, `${name} ${label}`, (system) =>
        inDirectory((directory) => measure(system, { directory, receivers, size, setup })),
      );
      results.push({
        label,
        receivers,
        size,
        unit: 'messages/s',
        better: 'higher',
        floor: fanOutFloor(size),
        beside: MESSAGE_REFERENCE,
        rounds,
      });
    }
  }
  return results;
}

function measure(system, { directory, receivers, size, setup: { duration, warmUpTime } }) {
  return withCell(system, { receivers, options: { directory, size } }, async (cell) => {
    const rate = await warmUp(cell, { size }, { known: await compile(cell), leastTime: warmUpTime });
    return runOnce(cell, { size, count: messagesFor(rate, duration) });
  });
}
