// The pages of docs/guide are true: every example runs as it stands there and prints what it says. The convention
// for writing them is in docs/guide/README.md.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  type Example,
  examplesIn,
  install,
  isAsStated,
  makeProject,
  runExample,
} from './support/examples.js';

const folder = fileURLToPath(new URL('../docs/guide', import.meta.url));
const read = (page: string) => readFileSync(join(folder, page), 'utf8');
const pages = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
const isWindows = process.platform === 'win32';
const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');

describe('docs/guide/README.md', () => {
  it('lists every page', () => {
    const listed = [...read('README.md').matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, page]) => page);
    expect(listed.sort()).toEqual(pages.sort());
  });
});

describe.each(pages)('docs/guide/%s', (page) => {
  const examples = examplesIn(read(page));

  it('has a runnable example, and says what each program prints', () => {
    const programs = examples.flatMap((example) => example.programs);
    expect(programs.length).toBeGreaterThan(0);
    expect(programs.filter(({ output, isModule }) => !isModule && output === undefined)).toEqual([]);
  });

  it.concurrent.each(examples)('does what it says: $title', { timeout: 60_000 }, async (example) => {
    if (isWindows && example.programs.some(({ file }) => file.endsWith('.sh'))) return;
    for (const { file, stdout, stderr, code } of await runExample(example)) {
      const stated = example.programs.find((program) => program.file === file)!.output!;
      if (!isAsStated(stdout, stated)) expect(stdout + stderr, file).toBe(stated);
      expect([0, undefined], `${file} ended with ${code}\n${stderr}`).toContain(code);
    }
  });
});

describe('TypeScript in docs/guide', () => {
  const typed = pages.flatMap((page) => examplesIn(read(page))).filter(hasTypes);

  it.runIf(typed.length > 0)('compiles', () => {
    const programs = typed.flatMap((example) => example.programs);
    const project = makeProject(programs);
    try {
      install('@types/node', join(project.path, 'node_modules'));
      const files = programs.map(({ file }) => file).filter((file) => file.endsWith('.ts'));
      expect(new Set(files).size, 'every program of the guide has a name of its own').toBe(files.length);
      const { compilerOptions } = JSON.parse(
        readFileSync(fileURLToPath(new URL('types/tsconfig.json', import.meta.url)), 'utf8'),
      );
      const settings = { ...compilerOptions, skipLibCheck: true };
      writeFileSync(
        join(project.path, 'tsconfig.json'),
        JSON.stringify({ compilerOptions: settings, files }),
      );
      const { stdout } = spawnSync(process.execPath, [tsc, '-p', project.path], { encoding: 'utf8' });
      expect(stdout).toBe('');
    } finally {
      project.remove();
    }
  });
});

function hasTypes({ programs }: Example): boolean {
  return programs.some(({ file }) => file.endsWith('.ts'));
}

describe('an example', () => {
  const run = async (file: string, source: string) =>
    (await runExample({ title: '', programs: [{ file, source, output: '', isModule: false }] }))[0]!;

  it('may leave parts of its output open, within a line', () => {
    expect(isAsStated('7 counts\n', '… counts\n')).toBe(true);
    expect(isAsStated('7\n8 counts\n', '… counts\n')).toBe(false);
    expect(isAsStated('7 counts\nmore\n', '… counts\n')).toBe(false);
    expect(isAsStated('a.b\n', 'a.b\n') && !isAsStated('a-b\n', 'a.b\n')).toBe(true);
  });

  it('that fails is seen to fail', async () => {
    const { code, stderr } = await run('throws.mjs', "throw new Error('as expected')");
    expect([code, stderr.includes('as expected')]).toEqual([1, true]);
  });

  it.skipIf(isWindows)('of the shell stops at the first command that fails', async () => {
    const { code, stdout } = await run('stops.sh', 'mailslot --version\nfalse\necho on\n');
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });

  it('is found below its heading, with what it prints', () => {
    const page =
      '# A\n```js a.mjs\n# 1\n```\n## B\n```js\nno\n```\n```sh b.sh\n2\n```\n```text b.sh\n3\n```\n';
    expect(examplesIn(page)).toEqual([
      { title: 'A', programs: [{ file: 'a.mjs', source: '# 1\n', output: undefined, isModule: false }] },
      { title: 'B', programs: [{ file: 'b.sh', source: '2\n', output: '3\n', isModule: false }] },
    ]);
  });
});
