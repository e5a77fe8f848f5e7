import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const all = 'test/**/*.test.ts';
const units = 'test/{bench,history,host,peer,util,wire}/**/*.test.ts';

// Behaviour tests import the package by its name and so run what users get (dist, built by `npm test` first);
// unit tests import single modules from src.
export default defineConfig({
  resolve: { alias: { mailslot: fileURLToPath(new URL('./dist/index.js', import.meta.url)) } },
  test: {
    globalSetup: ['test/support/fresh-build.ts'],
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 15_000,
    hookTimeout: 15_000,
    // Vitest would leave one core free, and so run file after file on two; most tests wait for other processes.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      // One process runs many of these files, and loads src once: they open nothing and change nothing outside
      // themselves. A support module with hooks of its own, such as scratch.ts, would serve the first file only.
      { extends: true, test: { name: 'units', include: [units], isolate: false } },
      { extends: true, test: { name: 'behaviour', include: [all], exclude: [units, 'node_modules/**'] } },
    ],
  },
});
