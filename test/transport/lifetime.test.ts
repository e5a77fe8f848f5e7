// Nothing in this layer keeps a process alive but Clock.keepAlive.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { later, temporaryFolder, until } from './helper.js';

const fixture = fileURLToPath(new URL('./fixtures/lifetime.mjs', import.meta.url));

function run(...args: string[]) {
  const child = fork(fixture, [temporaryFolder(), ...args], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  later(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += String(chunk);
  });
  const linked = () => until(() => output === 'linked', 'the link');
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, linked, exited };
}

it('a process whose listener, links, timers and watches are all that is left ends by itself', async () => {
  const { linked, exited } = run();
  await linked();
  expect(await exited).toBe(0);
});

it('a process that is held open goes on until it is released', async () => {
  const { child, linked, exited } = run('keep');
  await linked();
  // A few turns of its event loop and of ours: without the hold it would be gone by then, as the test above shows.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(child.exitCode).toBeNull();
  child.send('release');
  expect(await exited).toBe(0);
});
