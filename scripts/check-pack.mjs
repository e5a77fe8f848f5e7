// Checks the package as a user would install it: what npm would put into the tarball, and whether that works.
// It builds nothing: run `npm run build` first.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { blankComments } from './blank-source.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// Whatever else lands in the tarball is there by mistake.
const allowed = [
  /^package\.json$/,
  /^(?:README|LICENSE|CHANGELOG|SECURITY)(?:\.md)?$/,
  /^dist\/(?:index|mailslot|cli\/main)\.js(?:\.map)?$/,
  /^dist\/host\/host-worker\.cjs$/,
  /^dist\/[\w/-]+\.d\.ts$/,
  /^docs\/[\w/-]+\.(?:md|svg)$/,
  /^test\/vectors\/[\w-]+\.(?:md|json)$/,
];
const wanted = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
  'dist/host/host-worker.cjs',
  'docs/ARCHITECTURE.md',
  'docs/PROTOCOL.md',
  'docs/ERRORS.md',
  'test/vectors/README.md',
];
// npm runs these on the machine of whoever installs the package.
const installScripts = ['preinstall', 'install', 'postinstall', 'prepublish', 'prepare'];

const importPattern =
  /(?<![.\w])(?:from|import)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1|new URL\(\s*(['"])(\.{1,2}\/[^'"]+)\3/g;

function packedFiles() {
  const { status, stdout, stderr, error } = spawnSync(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts'],
    {
      cwd: root,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  );
  if (status !== 0) throw new Error(`npm pack failed: ${error?.message ?? stderr}`);
  return JSON.parse(stdout)[0];
}

function listProblems(files) {
  const strays = files.filter((file) => !allowed.some((pattern) => pattern.test(file)));
  const missing = wanted.filter((file) => !files.includes(file));
  return [
    ...strays.map((file) => `${file}: packed, but no part of the package`),
    ...missing.map((file) => `${file}: not packed`),
  ];
}

function scriptProblems() {
  return installScripts
    .filter((name) => name in (manifest.scripts ?? {}))
    .map((name) => `package.json: a script "${name}" would run on the user's machine`);
}

const targetsOf = (value) =>
  typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(targetsOf);

function entryProblems(files) {
  const entries = [manifest.exports, manifest.types, manifest.bin].flatMap(targetsOf);
  return [...new Set(entries.map((entry) => posix.normalize(entry)))]
    .filter((entry) => !files.includes(entry))
    .map((entry) => `package.json: points to ${entry}, which is not packed`);
}

// A declaration may name a module by its .js path, which then stands for the .d.ts beside it.
function importProblems(files, file) {
  const text = blankComments(readFileSync(join(root, file), 'utf8'));
  return [...text.matchAll(importPattern)].flatMap(({ 2: imported, 4: located }) => {
    const target = posix.join(posix.dirname(file), imported ?? located);
    const needed = file.endsWith('.d.ts') ? target.replace(/\.js$/, '.d.ts') : target;
    return files.includes(needed) ? [] : [`${file}: needs ${needed}, which is not packed`];
  });
}

function mapProblems(file) {
  const { sources, sourcesContent } = JSON.parse(readFileSync(join(root, file), 'utf8'));
  return sourcesContent?.length === sources.length ? [] : [`${file}: refers to sources that are not packed`];
}

/** A folder counts as packed when something in it is. */
function linkProblems(files, file) {
  const prose = readFileSync(join(root, file), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  const targets = [...prose.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map(([, target]) =>
    posix.join(posix.dirname(file), target),
  );
  return targets
    .filter((target) => !files.some((one) => one === target || one.startsWith(target.replace(/\/?$/, '/'))))
    .map((target) => `${file}: links to ${target}, which is not packed`);
}

function contentProblems(files) {
  const documents = files.filter((file) => file.endsWith('.md'));
  const modules = files.filter((file) => /^dist\/.*\.(?:js|d\.ts)$/.test(file));
  const maps = files.filter((file) => file.endsWith('.map'));
  return [
    ...modules.flatMap((file) => importProblems(files, file)),
    ...maps.flatMap(mapProblems),
    ...documents.flatMap((file) => linkProblems(files, file)),
  ];
}

async function lintProblems() {
  const { messages, pkg } = await publint({ pkgDir: root, strict: true, pack: 'npm' });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`);
}

if (!existsSync(join(root, 'dist', 'index.js'))) {
  console.error('dist/index.js is missing: run `npm run build` first');
  process.exit(1);
}
const packed = packedFiles();
const files = packed.files.map((file) => file.path);
const problems = [
  ...listProblems(files),
  ...scriptProblems(),
  ...entryProblems(files),
  ...contentProblems(files),
  ...(await lintProblems()),
];
for (const problem of problems) console.error(problem);
const kibibytes = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
const sizes = `${files.length} files, ${kibibytes(packed.size)} packed, ${kibibytes(packed.unpackedSize)} unpacked`;
console.log(problems.length === 0 ? `pack: ${sizes}` : `pack: ${problems.length} problems; ${sizes}`);
process.exitCode = problems.length === 0 ? 0 : 1;
