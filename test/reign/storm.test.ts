// Many processes want the same bus at the same instant: one of them hosts, and all are soon on it. The long forms, with the
// numbers that are promised, are in scripts/torture/storm.ts.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { afterwards, busFolder } from '../support/scratch.js';

const PROCESSES = 12;
/** A second is promised for fifty on a quiet machine; these share two cores with other tests. */
const JOINED_WITHIN = 10_000;
const program = fileURLToPath(new URL('./fixtures/starter.mjs', import.meta.url));

interface Joined {
  epoch: number;
  hosting: boolean;
  took: number;
}

/** So many processes that have loaded everything and wait for the word. */
async function starters(directory: string): Promise<{ joined: Promise<Joined>; start(): void }[]> {
  return Promise.all(
    Array.from({ length: PROCESSES }, async () => {
      const child = fork(program, [directory]);
      afterwards(() => child.kill('SIGKILL'));
      await once(child, 'message');
      const joined = once(child, 'message').then(([report]) => report as Joined);
      return { joined, start: () => child.send('start') };
    }),
  );
}

async function storm(directory: string): Promise<Joined[]> {
  const all = await starters(directory);
  for (const { start } of all) start();
  return Promise.all(all.map(({ joined }) => joined));
}

function expectOneHost(joined: Joined[]): void {
  expect(joined.filter(({ hosting }) => hosting)).toHaveLength(1);
  expect(new Set(joined.map(({ epoch }) => epoch)).size).toBe(1);
  expect(Math.max(...joined.map(({ took }) => took))).toBeLessThan(JOINED_WITHIN);
}

it('processes that open a bus at once on a fresh directory have one host, and all are connected', async () => {
  expectOneHost(await storm(busFolder()));
}, 30_000);

it('the same on the stale directory of a host that was killed', async () => {
  const directory = busFolder();
  const former = await childPeer(directory);
  await former.kill();
  expectOneHost(await storm(directory));
}, 30_000);
