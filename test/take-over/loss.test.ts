// Take-over loses and doubles nothing: real processes, publishers that never pause, and hosts that are killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { ChildPeer } from '../support/child-peer.js';
import { afterwards, busFolder } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';
import { accountOf, candidate, finish, flows, hostAmong, publisher, receiver } from './crew.js';

/** What the highest pointer says. */
function highestEpoch(directory: string): { epoch: number; pid: number } {
  const folder = join(directory, 'b-test');
  const epochs = readdirSync(folder).map((name) => Number(/^e(\d+)$/.exec(name)?.[1] ?? 0));
  const epoch = Math.max(...epochs);
  return { epoch, pid: JSON.parse(readFileSync(join(folder, `e${epoch}`), 'utf8')).pid };
}

/** `mailslot host`, and how to stop it. */
async function startCliHost(directory: string): Promise<{ terminate(): Promise<number | null> }> {
  const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const args = [command, 'host', '--bus', 'test', '--directory', directory];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  afterwards(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await once(child.stderr, 'data');
  return {
    async terminate() {
      child.kill('SIGTERM');
      const [code] = (await ended) as [number | null];
      return code;
    },
  };
}

/** Everything that was published arrived once, in order, and nobody was told of a gap. */
async function expectWhole(receivers: readonly ChildPeer[], publishers: readonly ChildPeer[]): Promise<void> {
  const counts: Record<string, number> = {};
  for (const one of publishers) counts[one.id] = await finish(one);
  for (const one of receivers) {
    expect(await accountOf(one)).toEqual({ counts, faults: [], gaps: [], ordered: true });
  }
}

it('a host that is killed again and again: nothing lost, nothing doubled, FIFO, orders rise', async () => {
  const directory = busFolder();
  const candidates = [await candidate(directory), await candidate(directory), await candidate(directory)];
  const receivers = [await receiver(directory), await receiver(directory), await receiver(directory)];
  const publishers = [await publisher(directory, 'n.a'), await publisher(directory, 'n.b')];
  for (let kill = 0; kill < 2; kill += 1) {
    for (const to of receivers) for (const from of publishers) await flows(to, from);
    const host = await hostAmong(candidates);
    candidates.splice(candidates.indexOf(host), 1);
    await host.kill();
    // one whose event loop is blocked meanwhile
    await receivers[kill]!.run(() => {
      const end = performance.now() + 300;
      while (performance.now() < end);
    });
  }
  for (const to of receivers) for (const from of publishers) await flows(to, from);
  await expectWhole(receivers, publishers);
});

it('a host that is killed inside its gate costs nothing', async () => {
  const directory = busFolder();
  const candidates = [await candidate(directory), await candidate(directory), await candidate(directory)];
  const to = await receiver(directory);
  const from = await publisher(directory, 'n.a');
  await flows(to, from);
  // the gate waits for one of the roster that lives and does not come
  to.suspend();
  for (let kill = 0; kill < 2; kill += 1) {
    const epoch = highestEpoch(directory);
    const host = candidates.find(({ pid }) => pid === epoch.pid)!;
    candidates.splice(candidates.indexOf(host), 1);
    await host.kill();
    await eventually(() => highestEpoch(directory).epoch > epoch.epoch, 'a new host');
  }
  to.resume();
  await flows(to, from);
  await expectWhole([to], [from]);
});

it.each(['close', 'drain', 'SIGTERM'])(
  'a host that ends by %s hands over without loss or gap',
  async (how) => {
    const directory = busFolder();
    const dedicated = how === 'SIGTERM' ? await startCliHost(directory) : undefined;
    const host = dedicated ? undefined : await candidate(directory);
    const next = await candidate(directory);
    const receivers = [await receiver(directory), await receiver(directory)];
    const from = await publisher(directory, 'n.a');
    for (const to of receivers) await flows(to, from);
    if (how === 'close') await host?.run(({ bus }) => bus.close());
    else if (how === 'drain') await host?.run(({ bus }) => bus.drain());
    else expect(await dedicated?.terminate()).toBe(0);
    await hostAmong([next]);
    for (const to of receivers) await flows(to, from);
    await expectWhole(receivers, [from]);
  },
);

it('who comes when the gate is open is told of a gap, and loses nothing from then on', async () => {
  const directory = busFolder();
  const candidates = [await candidate(directory), await candidate(directory)];
  const receivers = [await receiver(directory), await receiver(directory)];
  const from = await publisher(directory, 'n.a');
  for (const to of receivers) await flows(to, from);
  const [late, punctual] = receivers;
  late!.suspend();
  await candidates[0]!.kill();
  await flows(punctual!, from);
  late!.resume();
  await flows(late!, from);
  await finish(from);
  expect(await accountOf(punctual!)).toMatchObject({ faults: [], gaps: [] });
  const { gaps, faults, counts } = await accountOf(late!);
  expect(gaps).toEqual([undefined]);
  // what passed it by was in one piece, where the gap is
  expect(faults.length).toBeLessThanOrEqual(1);
  expect(counts).toEqual((await accountOf(punctual!)).counts);
});
