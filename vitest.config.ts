import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const all = 'test/**/*.test.ts';
// replaces modules of Node, which nobody else shall see
const alone = 'test/transport/unreadable-folder.test.ts';
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
      // One process runs many of these files, and loads what they share once. So support modules have no hooks of
      // their own, which would serve the first file only: what is to be cleaned up says so in each test (scratch.ts).
      { extends: true, test: { name: 'units', include: [units], isolate: false } },
      {
        extends: true,
        test: {
          name: 'behaviour',
          include: [all],
          exclude: [units, alone, 'node_modules/**'],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: [alone] } },
    ],
  },
});
