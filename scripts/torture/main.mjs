// `npm run torture`: the long forms of what the tests do shortly, each in a process of its own, one after the other.
// It stops at the first part that fails; the seed it prints makes the same inputs again, though not the same timing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const usage = `npm run torture -- [part …] [options]
  parts         words of their titles; all of them by default
  --minutes n   for all parts together, default 10
  --seed n      of the random inputs, default a new one
  --kills n, --messages n, --rounds n
                for parts that count them: how far to go, however long that takes
  --peers n     of recovery, default 20`;

const parts = [
  { title: 'values: bytes at the scanner and the codec', script: '../fuzz/main.ts' },
  { title: 'host: damaged streams at a living host', script: './host.ts' },
  { title: 'bus: damaged streams at a living Bus', script: './bus.ts' },
  { title: 'simulation: runs of relay, gate and Bus on a virtual clock', script: './simulation.ts' },
  { title: 'bulk: simulated runs of long bursts, a million deliveries a second', script: './bulk.ts' },
  { title: 'elections: kill -9 of each host among 20 processes', script: './elections.ts' },
  { title: 'take-over: kill -9 of each host under full load, and what arrives', script: './take-over.ts' },
  { title: 'queries: asked without pause while hosts and responders are killed', script: './queries.ts' },
  { title: 'slots: readers that fall behind, and some that join, at full load', script: './slots.ts' },
  { title: 'presence: how soon a killed or suspended process is missed', script: './presence.ts' },
  { title: 'suspend: SIGSTOP of each host, and what it says when it wakes', script: './suspend.ts' },
  { title: 'deleted: files removed under everybody', script: './deleted.ts' },
  { title: 'recovery: how soon 20 peers are back after kill -9', script: './take-over-times.ts' },
  { title: 'storm: many processes and links at once', script: './storm.ts' },
];

function readCommandLine() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      kills: { type: 'string' },
      messages: { type: 'string' },
      rounds: { type: 'string' },
      peers: { type: 'string' },
    },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0)) throw new TypeError(`--minutes takes a number above 0, not "${values.minutes}"`);
  if (!Number.isSafeInteger(seed)) throw new TypeError(`--seed takes a whole number, not "${values.seed}"`);
  return { help: values.help, minutes, seed, aims: readAims(values), parts: chooseParts(positionals) };
}

/** As parts take them, see part.ts. */
function readAims(values) {
  return ['kills', 'messages', 'rounds', 'peers'].flatMap((aim) => {
    if (values[aim] === undefined) return [];
    if (!(Number(values[aim]) > 0))
      throw new TypeError(`--${aim} takes a number above 0, not "${values[aim]}"`);
    return [`--${aim}`, values[aim]];
  });
}

function chooseParts(words) {
  const unknown = words.find((word) => !parts.some(({ title }) => title.includes(word)));
  if (unknown !== undefined) throw new TypeError(`no part is called "${unknown}"`);
  return parts.filter(({ title }) => words.length === 0 || words.some((word) => title.includes(word)));
}

/** Resolves to whether the part found nothing. */
async function run({ title, script }, { seconds, seed, aims }) {
  console.log(`\n${title}, for ${aims.join(' ') || `${seconds} s`}`);
  const file = fileURLToPath(new URL(script, import.meta.url));
  const args = ['--import', 'tsx', file, String(seconds), String(seed), ...aims];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return code === 0;
}

async function torture({ minutes, seed, aims, parts }) {
  const seconds = Math.max(1, Math.round((minutes * 60) / parts.length));
  console.log(`torture: ${parts.length} parts, ${minutes} min, seed ${seed}`);
  for (const [index, part] of parts.entries()) {
    if (await run(part, { seconds, seed, aims })) continue;
    console.log(
      `\ntorture: FAILED in "${part.title}", seed ${seed}; ${index} of ${parts.length} parts passed`,
    );
    return 1;
  }
  console.log(`\ntorture: ${parts.length} of ${parts.length} parts passed, seed ${seed}`);
  return 0;
}

try {
  const options = readCommandLine();
  if (options.help) console.log(usage);
  else process.exitCode = await torture(options);
} catch (error) {
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
