// Small objects, `{ id, type, subject, at }`, built anew for each message and looked at by every receiver: as values
// where a system carries them, as JSON elsewhere.
import { compile, messagesFor, runOnce, warmUp, withCell } from '../cells.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';

export const title = 'Small objects: messages per second received by all';
export const name = 'objects';

const objects = { method: 'publishObjects' };

export async function run(setup) {
  const results = [];
  for (const receivers of setup.receivers.filter((count) => count <= 16)) {
    const label = `1 → ${receivers}`;
    const rounds = await runRounds(setup, `${name} ${label}`, (system) =>
      inDirectory((directory) => measure(system, { directory, receivers, setup })),
    );
    results.push({ label, receivers, unit: 'messages/s', better: 'higher', rounds });
  }
  return results;
}

function measure(system, { directory, receivers, setup: { duration, warmUpTime } }) {
  const options = { directory, kind: 'objects' };
  const publisherOptions = { directory, text: true };
  return withCell(system, { receivers, options, publisherOptions }, async (cell) => {
    const known = await compile(cell, objects);
    const rate = await warmUp(cell, objects, { known, leastTime: warmUpTime });
    return runOnce(cell, { ...objects, count: messagesFor(rate, duration) });
  });
}
