// How long a process that already runs takes to be on a bus: joining one that has a host, and becoming the host of
// an empty directory. Both are medians of many tries in one process; for the plain relay joining is connecting.
import { BECOME_HOST_CEILING, JOIN_CEILING } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';
import { spread } from '../statistics.mjs';

export const title = 'Time to be on a bus (median of many in a process that already runs)';
export const name = 'join';

const JOINS = 30;
const REIGNS = 12;

export async function run(setup) {
  const hosting = { ...setup, systems: setup.systems.filter((system) => system === 'mailslot') };
  return [
    {
      label: 'join a live host',
      unit: 'ms',
      better: 'lower',
      ceiling: JOIN_CEILING,
      rounds: await runRounds(setup, 'join', (system) =>
        inDirectory((directory) => measureJoin(system, directory)),
      ),
    },
    {
      label: 'become the host',
      unit: 'ms',
      better: 'lower',
      ceiling: BECOME_HOST_CEILING,
      rounds: await runRounds(hosting, 'become host', (system) =>
        inDirectory((directory) => measureHosting(system, directory)),
      ),
    },
  ];
}

function measureJoin(system, directory) {
  return withWorkers(async (open) => {
    await open(system, 'openServer', { directory });
    const joiner = await open(system, 'openJoiner', { directory });
    return spread(await joiner.call('join', JOINS)).median;
  });
}

function measureHosting(system, directory) {
  return withWorkers(async (open) => {
    const joiner = await open(system, 'openJoiner', { directory });
    return spread(await joiner.call('becomeHost', REIGNS)).median;
  });
}
