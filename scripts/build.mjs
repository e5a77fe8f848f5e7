// Compiles src to dist. A build is skipped when dist is newer than everything it is made from, so that
// `npm test` after `npm run demo` does not pay twice.
// The host's worker thread is put into one classic script besides: it loads in half the time of its modules.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = join(root, 'dist', '.built');

function newestIn(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}

const sources = ['src', 'tsconfig.json', 'package.json'].map((name) => join(root, name));
const upToDate = existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...sources.map(newestIn));
if (!upToDate) {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  await build({
    entryPoints: [join(root, 'dist', 'host', 'host-worker.js')],
    outfile: join(root, 'dist', 'host', 'host-worker.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    logLevel: 'warning',
  });
  chmodSync(join(root, 'dist', 'cli', 'main.js'), 0o755);
  writeFileSync(stamp, '');
}
