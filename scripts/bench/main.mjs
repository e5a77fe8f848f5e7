// `npm run bench`: measures the systems in turn, prints a table per case and writes everything as JSON.
// docs/PERFORMANCE.md says what is measured and how; this file ties the parts together.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AIM_COLUMNS, aimsOf } from './aims.mjs';
import { readCommandLine, usage } from './args.mjs';
import { CannotBuild, compareWith } from './compare.mjs';
import { publish } from './publish.mjs';
import { align, formatTable, judge } from './report.mjs';
import { findSystems, OURS, systemsFor } from './systems.mjs';

const LATEST = fileURLToPath(new URL('./results/latest.json', import.meta.url));

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

/** Measures the cases one after the other; `onCase` gets each as it is done. */
async function runCases(setup, onCase) {
  const cases = {};
  for (const name of setup.only) {
    const { title, run } = await import(`./cases/${name}.mjs`);
    const rows = await run({ ...setup, systems: await systemsFor(name, setup.systems) });
    cases[name] = { title, rows };
    showProgress('');
    onCase(cases[name]);
  }
  return cases;
}

async function measure({ systems, ...asked }) {
  const { available, reasons } = await findSystems(systems);
  for (const reason of reasons) console.log(reason);
  const setup = { ...asked, systems: available };
  const { node, platform, cores, cpu } = machine();
  console.log(`Node ${node} on ${platform}, ${cores} cores (${cpu}); rounds: ${setup.rounds}`);
  const measuredAt = new Date().toISOString();
  const cases = await runCases({ ...setup, progress: showProgress }, ({ title, rows }) =>
    console.log(
      `\n${formatTable(
        title,
        rows.map((row) => judge(row)),
      )}`,
    ),
  );
  return { measuredAt, machine: machine(), setup, cases };
}

async function save(results, file) {
  await mkdir(dirname(resolve(file)), { recursive: true });
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(`\nall numbers are in ${file}`);
}

async function load(file) {
  const results = JSON.parse(await readFile(file, 'utf8'));
  for (const { title, rows } of Object.values(results.cases))
    console.log(
      `\n${formatTable(
        title,
        rows.map((row) => judge(row)),
      )}`,
    );
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

async function bench({ json, from, floors, publish: isPublished, ...setup }) {
  const results = from === undefined ? await measure(setup) : await load(from);
  if (from === undefined) await save(results, json ?? LATEST);
  if (isPublished) await publish(results);
  const reached = aimsOf(results.cases);
  if (reached.length > 0) console.log(`\n${align([AIM_COLUMNS, ...reached]).join('\n')}\n`);
  const rows = Object.values(results.cases).flatMap((one) => one.rows.map((row) => judge(row)));
  const missed = rows.filter(({ met }) => met === false).length;
  console.log(`${missed} limits missed`);
  return reportFailures(rows) > 0 || (floors && missed > 0) ? 1 : 0;
}

async function compare({ json, ...setup }) {
  const { results, worse } = await compareWith(setup, { runCases, progress: showProgress });
  if (json !== undefined) await save(results, json);
  const rows = Object.values(results.cases).flatMap((one) => one.rows);
  reportFailures(rows);
  const broken = rows.some(({ rounds }) => rounds[OURS].error);
  return worse > 0 || broken ? 1 : 0;
}

const isMisuse = ({ code, message }) => String(code).startsWith('ERR_PARSE_ARGS') || message.startsWith('--');

try {
  const { help, ...setup } = readCommandLine(process.argv.slice(2));
  if (help) console.log(usage);
  else process.exitCode = await (setup.compare === undefined ? bench(setup) : compare(setup));
} catch (error) {
  if (error instanceof CannotBuild) {
    console.error(error.message);
    process.exitCode = 3;
  } else if (isMisuse(error)) {
    console.error(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else throw error;
}
