// What a message costs as there is more of something: subscribers (per delivery), subjects published to in turn, and
// patterns of which one matches. Each row is the cost with many by the cost with one, measured one after the other in
// the same round. Subscribers are compared with four, since the publisher's own work would make one look dear.
import { messagesFor, runOnce, warmUp, withCell } from '../cells.mjs';
import { GROWTH_CEILING } from '../floors.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';

export const title = 'Growth: cost of a message with many, by its cost with few (128 B)';
export const name = 'growth';

const SIZE = 128;
/** Subscribers live in few processes, each with a link of its own. */
const RECEIVER_PROCESSES = 4;
const FIRST_GUESS = 5_000;

export async function run(setup) {
  const rows = [];
  for (const growth of growthsOf(setup.growth)) {
    const rounds = await runRounds(setup, `${name}, ${growth.label}`, async (system) => {
      const [one, many] = [await cost(system, growth.one, setup), await cost(system, growth.many, setup)];
      return many / one;
    });
    rows.push({
      label: growth.label,
      unit: 'ratio',
      better: 'lower',
      ceiling: GROWTH_CEILING,
      rounds,
    });
  }
  return rows;
}

const subjectsOf = (count) => Array.from({ length: count }, (_, index) => `bench.fan-out.s${index}`);
const patternsOf = (count) => Array.from({ length: count }, (_, index) => `bench.p${index}.*`);

function growthsOf({ subscribers, subjects, patterns }) {
  const toOne = ['bench.p0.message'];
  return [
    {
      label: `${subscribers} subscribers by ${RECEIVER_PROCESSES}, per delivery`,
      one: { receivers: RECEIVER_PROCESSES, options: {} },
      many: { receivers: RECEIVER_PROCESSES, options: { links: subscribers / RECEIVER_PROCESSES } },
    },
    ...subjects.map((count) => ({
      label: `${count} subjects by one`,
      one: { options: { patterns: ['bench.fan-out.*'] }, subjects: subjectsOf(1) },
      many: { options: { patterns: ['bench.fan-out.*'] }, subjects: subjectsOf(count) },
    })),
    {
      label: `${patterns} patterns, one matches, by one`,
      one: { options: { patterns: patternsOf(1) }, subjects: toOne },
      many: { options: { patterns: patternsOf(patterns) }, subjects: toOne },
    },
  ];
}

/** Milliseconds per delivery. */
function cost(system, { receivers = 1, options, subjects }, { duration, warmUpTime }) {
  const place = (directory) => ({ directory, size: SIZE, ...options });
  return inDirectory((directory) =>
    withCell(system, { receivers, options: place(directory) }, async (cell) => {
      const run = { size: SIZE, subjects };
      const deliveries = receivers * (options.links ?? 1);
      const rate = await warmUp(cell, run, { known: FIRST_GUESS / deliveries, leastTime: warmUpTime });
      return 1000 / (await runOnce(cell, { ...run, count: messagesFor(rate, duration) })) / deliveries;
    }),
  );
}
