// CPU that a bus with 20 peers uses while nobody says anything: server and peers, each peer in its own process,
// summed, as per cent of one core. Idle Node processes use a little by themselves; the plain relay's row is that.
import { setTimeout as wait } from 'node:timers/promises';
import { IDLE_CPU_CEILING } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';

export const title = 'Idle CPU of a server with 20 peers';
export const name = 'idle';

const PEERS = 20;
const DURATION = 10_000;
/** For some ten seconds after its start V8 collects and compiles, whatever the process does. */
const SETTLING = 30_000;

export async function run(setup) {
  const once = { ...setup, rounds: 1 };
  const rounds = await runRounds(once, name, (system) =>
    inDirectory((directory) => measure(system, directory)),
  );
  return [
    { label: `${PEERS} peers`, unit: '% of a core', better: 'lower', ceiling: IDLE_CPU_CEILING, rounds },
  ];
}

function measure(system, directory) {
  return withWorkers(async (open) => {
    const server = await open(system, 'openServer', { directory });
    const peers = await Promise.all(
      Array.from({ length: PEERS }, () => open(system, 'openIdlePeers', { directory })),
    );
    await Promise.all(peers.map((peer) => peer.call('add', 1)));
    await wait(SETTLING);
    const used = await Promise.all([server, ...peers].map((worker) => worker.call('cpu', DURATION)));
    return (used.reduce((sum, microseconds) => sum + microseconds, 0) / 1000 / DURATION) * 100;
  });
}
