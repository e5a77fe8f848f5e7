// `npm run bench`: measures the systems in turn, prints a table per case and writes everything as JSON.
// docs/PERFORMANCE.md says what is measured and how; this file reads the command line and ties the parts together.
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as fanOut from './cases/fan-out.mjs';
import * as idle from './cases/idle.mjs';
import * as join from './cases/join.mjs';
import * as memory from './cases/memory.mjs';
import * as query from './cases/query.mjs';
import { formatTable, judge } from './report.mjs';

const cases = [fanOut, query, join, memory, idle];
const knownSystems = ['mailslot', 'plain-relay', 'nats'];

const usage = `npm run bench -- [options]
  --quick               one short round of a few cells: a look, not a measurement
  --only a,b            of ${cases.map(({ name }) => name).join(', ')}
  --systems a,b         of ${knownSystems.join(', ')}
  --sizes a,b           message sizes of fan-out, such as 16,1KiB,1MiB
  --receivers a,b       receiver processes of fan-out
  --rounds n            default 3
  --long                memory with 1,000 peers as well
  --json file           default scripts/bench/results/latest.json
  --floors              exit with 1 when a limit is missed`;

const full = {
  sizes: [16, 128, 1024, 16 * 1024, 1024 * 1024],
  receivers: [1, 4, 16],
  rounds: 3,
  duration: 700,
};
const quick = { sizes: [16, 1024, 16 * 1024], receivers: [1, 4], rounds: 1, duration: 300 };

function readCommandLine() {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      quick: { type: 'boolean' },
      only: { type: 'string' },
      systems: { type: 'string' },
      sizes: { type: 'string' },
      receivers: { type: 'string' },
      rounds: { type: 'string' },
      long: { type: 'boolean', default: false },
      json: { type: 'string', default: fileURLToPath(new URL('./results/latest.json', import.meta.url)) },
      floors: { type: 'boolean', default: false },
    },
  });
  const defaults = values.quick ? quick : full;
  return {
    ...values,
    only: readList(
      values.only,
      '--only',
      cases.map(({ name }) => name),
    ),
    systems: readList(values.systems, '--systems', knownSystems),
    sizes: values.sizes?.split(',').map(readSize) ?? defaults.sizes,
    receivers:
      values.receivers?.split(',').map((text) => readCount(text, '--receivers')) ?? defaults.receivers,
    rounds: values.rounds === undefined ? defaults.rounds : readCount(values.rounds, '--rounds'),
    duration: defaults.duration,
  };
}

function readList(text, option, known) {
  if (text === undefined) return known;
  const names = text.split(',');
  for (const name of names) {
    if (!known.includes(name)) throw new TypeError(`${option} knows ${known.join(', ')}, not "${name}"`);
  }
  return known.filter((name) => names.includes(name));
}

function readCount(text, option) {
  if (!/^[1-9]\d*$/.test(text)) throw new TypeError(`${option} takes whole numbers above 0, not "${text}"`);
  return Number(text);
}

function readSize(text) {
  const [, digits, unit] = /^(\d+)(KiB|MiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * ({ KiB: 1024, MiB: 1024 * 1024 }[unit] ?? 1);
  if (!(bytes >= 16))
    throw new TypeError(`--sizes takes sizes from 16 on, such as 128 or 1KiB, not "${text}"`);
  return bytes;
}

/** The systems that can run here; each of the others is named once, with the reason. */
async function availableSystems(names) {
  const available = [];
  for (const name of names) {
    const { unavailable } = await import(`./systems/${name}.mjs`);
    const reason = await unavailable();
    if (reason === undefined) available.push(name);
    else console.log(`${name} is left out: ${reason}`);
  }
  return available;
}

function showProgress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}

function machine() {
  const [cpu] = cpus();
  return {
    node: process.version,
    platform: process.platform,
    cores: availableParallelism(),
    cpu: cpu?.model,
  };
}

async function runCases(setup) {
  const results = {};
  for (const { name, title, run } of cases.filter(({ name }) => setup.only.includes(name))) {
    results[name] = (await run(setup)).map(judge);
    showProgress('');
    console.log(`\n${formatTable(title, results[name], setup.systems)}`);
  }
  return results;
}

function reportFailures(rows) {
  let failures = 0;
  for (const row of rows) {
    for (const [system, { error }] of Object.entries(row.rounds)) {
      if (!error) continue;
      failures += 1;
      console.log(`\n${row.label}, ${system} failed: ${error}`);
    }
  }
  return failures;
}

async function main() {
  const { help, json, floors, ...options } = readCommandLine();
  if (help) return console.log(usage);
  const setup = { ...options, systems: await availableSystems(options.systems), progress: showProgress };
  const { node, platform, cores, cpu } = machine();
  console.log(`Node ${node} on ${platform}, ${cores} cores (${cpu}); rounds: ${setup.rounds}`);
  const results = await runCases(setup);
  const rows = Object.values(results).flat();
  await mkdir(dirname(resolve(json)), { recursive: true });
  const { progress, ...plainSetup } = setup;
  const content = { measuredAt: new Date().toISOString(), machine: machine(), setup: plainSetup, results };
  await writeFile(json, `${JSON.stringify(content, undefined, 2)}\n`);
  const missed = rows.filter(({ met }) => met === false).length;
  console.log(`\n${missed} limits missed; all numbers are in ${json}`);
  if (reportFailures(rows) > 0 || (floors && missed > 0)) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
