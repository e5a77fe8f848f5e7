// Mutation testing of the simulator and its checker: they are worth something only if they find bugs that are known
// to be there. The bugs are planted in copies of what is simulated of the compiled package.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contend } from './elections.js';
import type { Find } from './hunt.js';
import { FOUND_IN_BULK, MUTANTS } from './mutants.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ms-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const script = join(folder, 'hunt.mjs');

// Bundled, for without a loader in it the process loads and runs the modules with each bug in half the time.
beforeAll(async () => {
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  await build({
    entryPoints: [fileURLToPath(new URL('./hunt.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
});

function hunt(kind: 'mixed' | 'bulk'): Promise<Find[]> {
  const child = fork(script, [root, folder, kind]);
  const finds: Find[] = [];
  child.on('message', (find) => finds.push(find as Find));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => resolve(finds));
  });
}

describe('M2: the checkers are alive', () => {
  it('nothing is found where no bug was planted', async () => {
    expect(await contend(join(root, 'dist'), mkdtempSync(join(folder, 'none-')))).toEqual([]);
  });

  it('all planted bugs are found', { timeout: 240_000 }, async () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(10);
    const finds = await hunt('mixed');
    expect(finds.map(({ mutant }) => mutant)).toEqual(MUTANTS.map(({ name }) => name));
    expect(finds.filter(({ rule }) => rule === undefined)).toEqual([]);
  });

  it('those of order are found in a few long bursts', { timeout: 60_000 }, async () => {
    const finds = await hunt('bulk');
    expect(finds.map(({ mutant }) => mutant).sort()).toEqual([...FOUND_IN_BULK].sort());
    expect(finds.filter(({ rule }) => rule === undefined)).toEqual([]);
  });
});
