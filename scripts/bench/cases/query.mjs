// One asker and one responder that sends the question back, in processes of their own. For the plain relay it is
// the two-hop echo: asker → relay → echoer → relay → asker.
import { messagesFor, untilSteady } from '../cells.mjs';
import { QUERY_P50_CEILING } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';
import { percentile } from '../statistics.mjs';

export const title = 'Queries of 128 B';
export const name = 'query';

const SIZE = 128;
const WIDTH = 64;
const FIRST_QUERIES = 2_000;

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
    const askInFlight = async (count) => (count / (await asker.call('askInFlight', count, WIDTH))) * 1000;
    const askOneByOne = async (count) => 1000 / mean(await asker.call('askOneByOne', count));
    const rate = await steadily(askInFlight, duration);
    const count = messagesFor(await untilSteady(await askOneByOne(FIRST_QUERIES), askOneByOne), duration);
    const microseconds = (await asker.call('askOneByOne', count)).map((time) => time * 1000);
    return { p50: percentile(microseconds, 0.5), p99: percentile(microseconds, 0.99), rate };
  });
}

/** Queries per second in a run of `duration` ms, when the rate rises no more. */
async function steadily(ask, duration) {
  return ask(messagesFor(await untilSteady(await ask(FIRST_QUERIES), ask), duration));
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
