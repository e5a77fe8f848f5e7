// Which file the demo sends: the one that was asked for, else a large text the installation brings along.
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DemoFailure } from './failure.mjs';

const require = createRequire(import.meta.url);

function folderOf(name, from = require) {
  try {
    return dirname(from.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

// TypeScript 7 keeps its library in the package of its platform, earlier ones in their own.
function defaultPaths() {
  const typescript = folderOf('typescript');
  const platform =
    typescript &&
    folderOf(
      `@typescript/typescript-${process.platform}-${process.arch}`,
      createRequire(join(typescript, 'package.json')),
    );
  const biome = folderOf('@biomejs/biome');
  return [
    typescript && join(typescript, 'lib', 'lib.dom.d.ts'),
    platform && join(platform, 'lib', 'lib.dom.d.ts'),
    biome && join(biome, 'configuration_schema.json'),
    fileURLToPath(new URL('../../package-lock.json', import.meta.url)),
  ].filter((path) => path !== undefined);
}

async function tryInput(path) {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isFile() ? { path, bytes: stats.size } : undefined;
}

/** The input of the demo: its path and size. */
export async function findInput(path) {
  const candidates = path === undefined ? defaultPaths() : [resolve(path)];
  for (const candidate of candidates) {
    const input = await tryInput(candidate);
    if (input) return input;
  }
  throw new DemoFailure(`no such file: ${candidates.join(', ')}; give the path of a text file`);
}
