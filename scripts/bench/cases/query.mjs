// One asker and one responder that sends the question back, in processes of their own. For the plain relay it is
// the two-hop echo: asker → relay → echoer → relay → asker.
import { QUERY_P50_CEILING } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';
import { percentile } from '../statistics.mjs';

export const title = 'Queries of 128 B';
export const name = 'query';

const SIZE = 128;
const WIDTH = 64;
const WARM_UP_QUERIES = 2_000;

export async function run(setup) {
  const rounds = await runRounds(setup, name, (system) =>
    inDirectory((directory) => measure(system, directory, setup.duration)),
  );
  return [
    {
      label: 'round trip p50',
      unit: 'µs',
      better: 'lower',
      floor: QUERY_P50_CEILING,
      rounds: pick(rounds, 'p50'),
    },
    { label: 'round trip p99', unit: 'µs', better: 'lower', rounds: pick(rounds, 'p99') },
    { label: `${WIDTH} in flight`, unit: 'queries/s', better: 'higher', rounds: pick(rounds, 'rate') },
  ];
}

function pick(rounds, key) {
  const entries = Object.entries(rounds);
  return Object.fromEntries(
    entries.map(([system, { values, error }]) => [
      system,
      { values: values.map((value) => value[key]), error },
    ]),
  );
}

function measure(system, directory, duration) {
  return withWorkers(async (open) => {
    await open(system, 'openServer', { directory });
    await open(system, 'openResponder', { directory });
    const asker = await open(system, 'openAsker', { directory, size: SIZE });
    const warmUp = await asker.call('askOneByOne', WARM_UP_QUERIES);
    const count = Math.ceil(duration / percentile(warmUp, 0.5));
    const microseconds = (await asker.call('askOneByOne', count)).map((time) => time * 1000);
    const probe = await asker.call('askInFlight', WARM_UP_QUERIES, WIDTH);
    const many = Math.max(WARM_UP_QUERIES, Math.round((WARM_UP_QUERIES / probe) * duration));
    const rate = (many / (await asker.call('askInFlight', many, WIDTH))) * 1000;
    return { p50: percentile(microseconds, 0.5), p99: percentile(microseconds, 0.99), rate };
  });
}
