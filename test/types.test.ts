// Programs of users compile: the public interface under the oldest library and @types/node that are supported.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
const project = fileURLToPath(new URL('types', import.meta.url));

// The oldest @types/node contradicts itself under exactOptionalPropertyTypes, so that run leaves declarations unchecked.
test.each([
  ['declarations checked as well', 'tsconfig.json'],
  ['exact optional properties, and contracts', 'exact.tsconfig.json'],
  ['without @types/node, with two libraries in its place', 'without-node.tsconfig.json'],
])('the public interface compiles under ES2022: %s', (_title, settings) => {
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', join(project, settings)], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test('@types/node is the oldest version that is supported', () => {
  const { version } = JSON.parse(readFileSync(require.resolve('@types/node/package.json'), 'utf8'));
  expect(version).toBe('20.19.0');
});
