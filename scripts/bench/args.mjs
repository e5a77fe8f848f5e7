// The command line of the bench: options to a setup. It starts nothing and prints nothing; what is wrong with an option
// is a TypeError whose message says so.
import { parseArgs } from 'node:util';
import { knownSystems, OURS } from './systems.mjs';

export const knownCases = [
  'fan-out',
  'objects',
  'query',
  'latency',
  'join',
  'memory',
  'cpu',
  'growth',
  'stalled',
  'idle',
];

export const usage = `npm run bench -- [options]
  --quick               one short round of a few cells: a look, not a measurement (under 2 minutes)
  --only a,b            of ${knownCases.join(', ')}
  --systems a,b         of ${knownSystems.join(', ')}
  --sizes a,b           message sizes of fan-out, such as 16,1KiB,1MiB
  --receivers a,b       receiver processes of fan-out and objects
  --peers a,b           idle peers of memory
  --rounds n            default 3
  --json file           default scripts/bench/results/latest.json
  --from file           print the tables of an earlier run instead of measuring
  --publish             put tables and picture into README.md and docs/
  --floors              exit with 1 when a limit is missed
  --compare ref         this tree beside another commit of it, side by side, instead of other systems
  --fail-below ratio    with --compare: exit with 1 when a ratio is below it in every round

Everything with all systems takes about four hours on two cores, with mailslot, plain-relay and nats an hour and a half.`;

const full = {
  only: knownCases,
  sizes: [16, 128, 1024, 16 * 1024, 1024 * 1024],
  receivers: [1, 4, 16, 64],
  peers: [100, 1_000],
  growth: { subscribers: 1_000, subjects: [2, 1_000, 10_000], patterns: 10_000 },
  rounds: 3,
  duration: 700,
  // with one receiver of 128 B 2.9M messages/s go after 2 s, 4.2M after 8 and 4.7M after 10
  warmUpTime: 12_000,
};
const quick = {
  only: ['fan-out', 'query', 'join'],
  sizes: [128, 16 * 1024],
  receivers: [4],
  peers: [100],
  growth: { subscribers: 100, subjects: [1_000], patterns: 1_000 },
  rounds: 1,
  duration: 200,
  warmUpTime: 0,
};
const compared = {
  ...full,
  only: ['fan-out', 'query'],
  sizes: [16, 128, 1024, 16 * 1024],
  receivers: [1, 4],
};
const comparedQuickly = { ...quick, only: ['fan-out', 'query'], rounds: 3 };

const options = {
  help: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  only: { type: 'string' },
  systems: { type: 'string' },
  sizes: { type: 'string' },
  receivers: { type: 'string' },
  peers: { type: 'string' },
  rounds: { type: 'string' },
  json: { type: 'string' },
  from: { type: 'string' },
  publish: { type: 'boolean', default: false },
  floors: { type: 'boolean', default: false },
  compare: { type: 'string' },
  'fail-below': { type: 'string' },
};

/** The setup that `args` ask for. */
export function readCommandLine(args) {
  const { values } = parseArgs({ args, options });
  const { help, json, from, publish, floors, compare } = values;
  if (compare !== undefined && values.systems !== undefined)
    throw new TypeError(`--compare takes no --systems: it measures ${OURS} only`);
  const failBelow = readRatio(values['fail-below']);
  if (failBelow !== undefined && compare === undefined)
    throw new TypeError('--fail-below needs --compare: it judges ratios of two builds');
  return { help, json, from, publish, floors, compare, failBelow, ...readSetup(values) };
}

function readSetup(values) {
  const defaults = defaultsFor(values);
  return {
    only: readNames(values.only, '--only', knownCases) ?? defaults.only,
    systems: readNames(values.systems, '--systems', knownSystems) ?? knownSystems,
    sizes: readList(values.sizes, readSize) ?? defaults.sizes,
    receivers: readList(values.receivers, (text) => readCount(text, '--receivers')) ?? defaults.receivers,
    peers: readList(values.peers, (text) => readCount(text, '--peers')) ?? defaults.peers,
    rounds: values.rounds === undefined ? defaults.rounds : readCount(values.rounds, '--rounds'),
    growth: defaults.growth,
    duration: defaults.duration,
    warmUpTime: defaults.warmUpTime,
  };
}

function defaultsFor({ quick: isQuick, compare }) {
  if (compare !== undefined) return isQuick ? comparedQuickly : compared;
  return isQuick ? quick : full;
}

function readList(text, readOne) {
  return text?.split(',').map(readOne);
}

function readNames(text, option, known) {
  const names = text?.split(',');
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`${option} knows ${known.join(', ')}, not "${unknown}"`);
  return names && known.filter((name) => names.includes(name));
}

function readCount(text, option) {
  if (!/^[1-9]\d*$/.test(text)) throw new TypeError(`${option} takes whole numbers above 0, not "${text}"`);
  return Number(text);
}

function readRatio(text) {
  if (text === undefined) return undefined;
  const ratio = text.trim() === '' ? Number.NaN : Number(text);
  if (!(ratio > 0 && ratio <= 1)) throw new TypeError(`--fail-below takes a ratio up to 1, not "${text}"`);
  return ratio;
}

function readSize(text) {
  const [, digits, unit] = /^(\d+)(KiB|MiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * ({ KiB: 1024, MiB: 1024 * 1024 }[unit] ?? 1);
  if (!(bytes >= 16))
    throw new TypeError(`--sizes takes sizes from 16 on, such as 128 or 1KiB, not "${text}"`);
  return bytes;
}
