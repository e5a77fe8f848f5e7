import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Behaviour tests import the package by its name and so run what users get (dist, built by `npm test` first);
// unit tests import single modules from src.
export default defineConfig({
  resolve: { alias: { mailslot: fileURLToPath(new URL('./dist/index.js', import.meta.url)) } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/fresh-build.ts'],
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 15_000,
    hookTimeout: 15_000,
    // Vitest would leave one core free, and so run file after file on two; most tests wait for other processes.
    maxWorkers: Math.max(2, availableParallelism()),
  },
});
