// What one idle peer costs the server's process: its resident bytes with many peers, less those with a few, per
// peer. Garbage is collected before each reading. The peers live in other processes.
import { PEER_MEMORY_CEILING } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';

export const title = "Server's memory per idle peer";
export const name = 'memory';

const PEER_PROCESSES = 4;
/** Peers that are there before the first reading, so that code and pools loaded once are not counted. */
const PEERS_BEFORE = 64;

export async function run(setup) {
  const results = [];
  for (const peers of setup.peers) {
    const rounds = await runRounds(setup, `${name}, ${peers} peers`, (system) =>
      inDirectory((directory) => measure(system, directory, peers)),
    );
    results.push(row(`${peers} peers, resident`, rounds, 'rss', PEER_MEMORY_CEILING));
    results.push(row(`${peers} peers, heap and buffers`, rounds, 'heap'));
  }
  return results;
}

function row(label, rounds, key, ceiling) {
  const entries = Object.entries(rounds);
  const picked = entries.map(([system, { values, error }]) => [
    system,
    { values: values.map((value) => value[key]).filter((value) => value !== undefined), error },
  ]);
  return { label, unit: 'bytes', better: 'lower', ceiling, rounds: Object.fromEntries(picked) };
}

function measure(system, directory, peers) {
  return withWorkers(async (open) => {
    const server = await open(system, 'openServer', { directory }, { execArgv: ['--expose-gc'] });
    const holders = [];
    for (let index = 0; index < PEER_PROCESSES; index++) {
      holders.push(await open(system, 'openIdlePeers', { directory }));
    }
    const addToEach = (count) => Promise.all(holders.map((holder) => holder.call('add', count)));
    await addToEach(PEERS_BEFORE / PEER_PROCESSES);
    const before = await server.call('memory');
    await addToEach(peers / PEER_PROCESSES);
    const after = await server.call('memory');
    const perPeer = (key) => (after[key] === undefined ? undefined : (after[key] - before[key]) / peers);
    return { rss: perPeer('rss'), heap: perPeer('heap') };
  });
}
