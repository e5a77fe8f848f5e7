// Compiles src to dist, module by module, and then puts what a process loads into few files: the library, what the
// command adds to it, and the host's worker thread. Loading a module costs more than running it. The modules stay
// beside the bundles for the tests; only the bundles and the declarations are packed.
// A build is skipped when dist is newer than everything it is made from, so that `npm test` after `npm run demo` does
// not pay twice.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = (...names) => join(root, 'dist', ...names);
const stamp = dist('.built');

function newestIn(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}

function compile() {
  rmSync(dist(), { recursive: true, force: true });
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
};

function bundle() {
  return Promise.all([bundleEntries(), bundleHostThread()]);
}

// The command reaches behind the public names, and so must run the very modules that the library is made of: what both
// use becomes a file of its own, mailslot.js, beside index.js. The maps lead back to the sources.
function bundleEntries() {
  return build({
    ...common,
    entryPoints: [dist('index.js'), dist('cli', 'main.js')],
    outdir: dist(),
    allowOverwrite: true,
    splitting: true,
    chunkNames: 'mailslot',
    format: 'esm',
    sourcemap: true,
  });
}

// A classic script: an ES module as the entry of a thread costs 10 ms more.
function bundleHostThread() {
  return build({
    ...common,
    entryPoints: [dist('host', 'host-worker.js')],
    outfile: dist('host', 'host-worker.cjs'),
    format: 'cjs',
  });
}

const sources = ['src', 'tsconfig.json', 'package.json', 'scripts/build.mjs'].map((name) => join(root, name));
const upToDate = existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...sources.map(newestIn));
if (!upToDate) {
  compile();
  await bundle();
  chmodSync(dist('cli', 'main.js'), 0o755);
  writeFileSync(stamp, '');
}
