// Checks who imports whom and who reaches for the outside world: the layers of docs/ARCHITECTURE.md, as data.
// It reads the text of the sources, not their types: a name built at run time escapes it.
//
//   node scripts/check-imports.mjs [folder with src/]
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blankComments, blankLiterals } from './blank-source.mjs';

// Folder → the folders it may import. Every entry names only layers below it, which is what rules out cycles.
const layers = {
  util: [],
  wire: ['util'],
  transport: ['wire', 'util'],
  host: ['transport', 'wire', 'util'],
  peer: ['transport', 'wire', 'util'],
  cli: ['peer', 'host', 'transport', 'wire', 'util'],
};
const leaves = ['errors.ts', 'limits.ts'];
// Modules directly in src that are no leaves: they put the layers together, and only cli/ builds on them.
const assemblies = ['index.ts', 'open-bus.ts'];

const within = (folder) => (file) => file.startsWith(`${folder}/`);
const only =
  (...files) =>
  (file) =>
    files.includes(file);
const nobody = () => false;

const clock = only('util/clock.ts');
const handshake = only('wire/handshake.ts');
const cli = within('cli');
const noTime =
  'time, timers and randomness come from a Clock (util/clock.ts), so that the simulator can replace them';
const noPort = 'the package opens no TCP or UDP socket';
const noTerminal = 'only cli/ uses the terminal and ends the process';

// Modules of Node and packages → who may import them, and why nobody else.
const modules = {
  'node:net': [within('transport'), 'only transport/ knows sockets'],
  'node:dgram': [nobody, noPort],
  'node:http': [nobody, noPort],
  'node:http2': [nobody, noPort],
  'node:https': [nobody, noPort],
  'node:tls': [nobody, noPort],
  'node:dns': [nobody, noPort],
  'node:inspector': [nobody, noPort],
  'node:timers': [clock, noTime],
  'node:timers/promises': [clock, noTime],
  'node:perf_hooks': [clock, noTime],
  'node:process': [cli, noTerminal],
  'node:console': [cli, noTerminal],
  'node:readline': [cli, noTerminal],
  'node:readline/promises': [cli, noTerminal],
  'p-queue': [within('peer'), 'only peer/ runs handlers'],
  commander: [cli, 'only cli/ parses arguments'],
};

// Names of node:crypto → who may import them; any other name of it is refused.
const cryptoNames = {
  randomBytes: [clock, noTime],
  createHmac: [handshake, 'only the handshake proves the key'],
  timingSafeEqual: [handshake, 'only the handshake proves the key'],
  createHash: [within('transport'), 'only transport/ names machines and endpoints'],
};

// What can be reached without an import → who may, and why nobody else.
const globals = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|(?<![.\w])(?<!new )Date\(/, clock, noTime],
  [/(?<![.\w])performance\s*\./, clock, noTime],
  [/(?<![.\w])(?:set|clear)(?:Timeout|Interval|Immediate)\b/, clock, noTime],
  [/\bprocess\.(?:nextTick|hrtime|uptime)\b|\bAbortSignal\.timeout\b/, clock, noTime],
  [/\bMath\.random\b|(?<![.\w])crypto\s*\.|\bglobalThis\b/, clock, noTime],
  [/(?<![.\w])console\b/, cli, noTerminal],
  [/\bprocess\.(?:stdin|stdout|stderr|exit|exitCode|abort|chdir)\b/, cli, noTerminal],
  // The script's name is the default label of its peer.
  [/\bprocess\.argv\b/, (file) => cli(file) || file === 'open-bus.ts', noTerminal],
];

const importPattern =
  /(?<![.\w])(?:import|export)\s+(?:type\s+)?([^'";()]*?)\s*from\s*(['"])(.+?)\2|(?<![.\w])import\s*\(?\s*(['"])(.+?)\4/g;

/** @returns {{ file: string, line: number, what: string, why: string }[]} */
export function findBreaches(root) {
  const src = join(root, 'src');
  const files = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(src, join(entry.parentPath, entry.name)).split(sep).join('/'));
  return files.sort().flatMap((file) => breachesOf(file, readFileSync(join(src, file), 'utf8')));
}

function breachesOf(file, text) {
  const found = [...importBreaches(file, blankComments(text)), ...globalBreaches(file, blankLiterals(text))];
  return found
    .map(({ index, what, why }) => ({
      file: `src/${file}`,
      line: text.slice(0, index).split('\n').length,
      what,
      why,
    }))
    .sort((a, b) => a.line - b.line);
}

function importBreaches(file, text) {
  return [...text.matchAll(importPattern)].flatMap(
    ({ 0: statement, index, 1: names, 3: source, 5: bare }) => {
      const specifier = source ?? bare;
      const why = specifier.startsWith('.')
        ? relativeBreach(file, specifier)
        : moduleBreach(file, specifier, names ?? '*');
      return why ? [{ index: index + statement.search(/\S/), what: `imports '${specifier}'`, why }] : [];
    },
  );
}

function relativeBreach(file, specifier) {
  const target = posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
  if (target.startsWith('../')) return 'it lies outside src/';
  if (leaves.includes(file)) return 'a leaf imports nothing of the package';
  const from = folderOf(file);
  if (from === undefined && !assemblies.includes(file))
    return 'src/ holds no other modules than the ones this check lists';
  if (leaves.includes(target)) return undefined;
  const to = folderOf(target);
  return from === undefined ? undefined : layerBreach(from, to);
}

function layerBreach(from, to) {
  if (from === to) return undefined;
  if (!(from in layers)) return `${from}/ has no place among the layers yet`;
  if (to === undefined) return from === 'cli' ? undefined : 'only cli/ builds on the assembled package';
  const allowed = layers[from].map((name) => `${name}/`).join(', ') || 'no other folder';
  return layers[from].includes(to) ? undefined : `${from}/ may import ${allowed}, not ${to}/`;
}

function moduleBreach(file, specifier, names) {
  if (specifier === 'node:crypto') return cryptoBreach(file, names);
  if (specifier in modules) return explain(modules[specifier], file);
  if (specifier.startsWith('node:')) return undefined;
  return 'it is neither a node: module nor one of the packages this check lists';
}

function cryptoBreach(file, names) {
  const list = /^\{(.*)\}$/s.exec(names.trim());
  if (!list) return 'node:crypto is imported by names, so that this check can see them';
  const imported = list[1].split(',').map((name) => name.replace(/\btype\b|\bas\b.*/gs, '').trim());
  return imported
    .filter((name) => name !== '')
    .map((name) => explain(cryptoNames[name] ?? [nobody, `${name} is not on the list of this check`], file))
    .find((why) => why !== undefined);
}

function globalBreaches(file, text) {
  return globals.flatMap(([pattern, allowed, why]) => {
    if (allowed(file)) return [];
    const uses = [...text.matchAll(new RegExp(pattern, 'g'))];
    return uses.map(({ 0: what, index }) => ({ index, what: `uses ${what.replace(/\W+$/, '')}`, why }));
  });
}

const explain = ([allowed, why], file) => (allowed(file) ? undefined : why);
const folderOf = (file) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : undefined);

const script = fileURLToPath(import.meta.url);
if (process.argv[1] && resolve(process.argv[1]) === script) {
  const root = resolve(process.argv[2] ?? join(dirname(script), '..'));
  const breaches = findBreaches(root);
  for (const { file, line, what, why } of breaches) console.error(`${file}:${line}: ${what}: ${why}`);
  console.log(
    breaches.length === 0 ? 'imports: every layer in its place' : `imports: ${breaches.length} breaches`,
  );
  process.exitCode = breaches.length === 0 ? 0 : 1;
}
