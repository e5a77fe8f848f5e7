// How long a process that already runs takes to be on a bus, and to have the first message it publishes there delivered
// to itself: joining one that has a host, and becoming the host of an empty directory. All are medians of many tries in
// one process; for the plain relay joining is connecting.
import { BECOME_HOST_CEILING, JOIN_CEILING } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';
import { spread } from '../statistics.mjs';
import { OURS } from '../systems.mjs';

export const title = 'Time to be on a bus (median of many in a process that already runs)';
export const name = 'join';

const JOINS = 30;
const REIGNS = 12;

const rows = [
  { label: 'join a live host', method: 'join', ceiling: JOIN_CEILING },
  { label: 'join to first delivery', method: 'joinAndHear' },
  { label: 'become the host', method: 'becomeHost', hosting: true, ceiling: BECOME_HOST_CEILING },
  { label: 'become the host to first delivery', method: 'becomeHostAndHear', hosting: true },
];

export async function run(setup) {
  const results = [];
  for (const { label, method, hosting = false, ceiling } of rows) {
    const systems = hosting ? setup.systems.filter((system) => system.startsWith(OURS)) : setup.systems;
    const rounds = await runRounds({ ...setup, systems }, label, (system) =>
      inDirectory((directory) => measure(system, { directory, method, hosting })),
    );
    results.push({ label, unit: 'ms', better: 'lower', ceiling, rounds });
  }
  return results;
}

function measure(system, { directory, method, hosting }) {
  return withWorkers(async (open) => {
    if (!hosting) await open(system, 'openServer', { directory });
    const joiner = await open(system, 'openJoiner', { directory });
    return spread(await joiner.call(method, hosting ? REIGNS : JOINS)).median;
  });
}
