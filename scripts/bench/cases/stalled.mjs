// What a subscriber that takes nothing costs the others: the time per message of a healthy receiver beside it, by that
// without it, measured before and after in the same round. One subscriber is suspended, process and all, for so long that
// the host has given it up; the other one has a slot that drops, and is never read.
import { compile, messagesFor, runOnce, warmUp } from '../cells.mjs';
import { STALLED_COST_CEILING } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';
import { spread } from '../statistics.mjs';
import { OURS } from '../systems.mjs';

export const title =
  'Stalled: cost of a message beside a subscriber that takes nothing, by its cost without (128 B)';
export const name = 'stalled';

const SIZE = 128;
/** Several windows, and what the sockets hold: it ends only when the host has given the suspended one up. */
const UNTIL_GIVEN_UP = 20 * 1024 * 1024;
const RUNS = 5;

const neighbours = [
  { label: 'suspended, by nobody there', open: openSuspended },
  { label: 'unread and dropping, by read', open: openUnread, without: openRead },
];

// Others cut such a subscriber, or keep everything for it: there is nothing to compare.
const isOurs = (system) => system.split('@')[0] === OURS;

export async function run(setup) {
  const ours = { ...setup, systems: setup.systems.filter(isOurs) };
  const rows = [];
  for (const { label, ...neighbour } of neighbours) {
    const rounds = await runRounds(ours, `${name}, ${label}`, (system) =>
      inDirectory((directory) => cost(system, { directory, setup, ...neighbour })),
    );
    rows.push({ label, unit: 'ratio', better: 'lower', ceiling: STALLED_COST_CEILING, rounds });
  }
  return rows;
}

function cost(system, { directory, setup, open: openNeighbour, without = () => undefined }) {
  return withWorkers(async (open) => {
    const options = { directory, size: SIZE };
    await open(system, 'openServer', options);
    const healthy = await open(system, 'openReceiver', options);
    const publisher = await open(system, 'openPublisher', { ...options, receivers: 1 });
    const cell = { publisher, readers: [healthy] };
    await compile(cell);
    const openMore = (more) => open(system, 'openReceiver', { ...options, ...more });
    const rates = [];
    for (const openNext of [without, openNeighbour, without]) {
      const neighbour = await openNext(openMore, cell);
      rates.push(await rateOf(cell, setup));
      await neighbour?.stop();
    }
    const [before, beside, after] = rates;
    return (before + after) / 2 / beside;
  });
}

async function rateOf(cell, { duration, warmUpTime }) {
  const rate = await warmUp(cell, { size: SIZE }, { known: Infinity, leastTime: warmUpTime });
  const rates = [];
  while (rates.length < RUNS)
    rates.push(await runOnce(cell, { size: SIZE, count: messagesFor(rate, duration) }));
  return spread(rates).median;
}

async function openSuspended(openMore, cell) {
  const neighbour = await openMore({});
  neighbour.suspend();
  await runOnce(cell, { size: SIZE, count: UNTIL_GIVEN_UP / SIZE });
  return neighbour;
}

function openUnread(openMore) {
  return openMore({ overflow: 'drop-oldest', unread: true });
}

function openRead(openMore) {
  return openMore({ overflow: 'drop-oldest' });
}
