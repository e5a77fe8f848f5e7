// Take-over loses and doubles nothing: real processes, publishers that never pause, and hosts that are killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { afterwards, busFolder } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';
import {
  candidate,
  hostAmong,
  type Publisher,
  publisher,
  publisherProcess,
  type Receiver,
  receiver,
  receiverProcess,
} from './crew.js';

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
async function expectWhole(receivers: readonly Receiver[], publishers: readonly Publisher[]): Promise<void> {
  const counts: Record<string, number> = {};
  for (const one of publishers) counts[one.id] = await one.finish();
  for (const one of receivers) {
    expect(await one.account()).toEqual({ counts, faults: [], gaps: [], ordered: true });
  }
}

async function allFlows(receivers: readonly Receiver[], publishers: readonly Publisher[]): Promise<void> {
  await Promise.all(receivers.flatMap((to) => publishers.map((from) => to.flows(from))));
}

describe('take-over loses and doubles nothing', { timeout: 60_000 }, () => {
  it('when the host is killed again and again: FIFO, and orders rise', async () => {
    const directory = busFolder();
    const candidates = await Promise.all([1, 2, 3].map(() => candidate(directory)));
    const children = await Promise.all([receiverProcess(directory), receiverProcess(directory)]);
    const receivers = [...children, await receiver(directory)];
    const publishers = await Promise.all(
      ['n.a', 'n.b'].map((subject) => publisherProcess(directory, subject)),
    );
    for (const { child } of children) {
      await allFlows(receivers, publishers);
      const host = await hostAmong(candidates);
      candidates.splice(candidates.indexOf(host), 1);
      await host.kill();
      // one whose event loop is blocked meanwhile
      await child.run(() => {
        const end = performance.now() + 300;
        while (performance.now() < end);
      });
    }
    await allFlows(receivers, publishers);
    await expectWhole(receivers, publishers);
  });

  it('when a host is killed inside its gate', async () => {
    const directory = busFolder();
    const candidates = await Promise.all([1, 2, 3].map(() => candidate(directory)));
    const [to, from] = [await receiverProcess(directory), await publisher(directory, 'n.a')];
    await to.flows(from);
    // the gate waits for one of the roster that lives and does not come
    to.child.suspend();
    for (let kill = 0; kill < 2; kill += 1) {
      const { epoch, pid } = highestEpoch(directory);
      const host = candidates.find((one) => one.pid === pid)!;
      candidates.splice(candidates.indexOf(host), 1);
      await host.kill();
      await eventually(() => highestEpoch(directory).epoch > epoch, 'a new host');
    }
    to.child.resume();
    await to.flows(from);
    await expectWhole([to], [from]);
  });

  it.each(['close', 'SIGTERM'])('when the host ends by %s: it hands over', async (how) => {
    const directory = busFolder();
    const dedicated = how === 'SIGTERM' ? await startCliHost(directory) : undefined;
    const host = dedicated ? undefined : await candidate(directory);
    const next = await candidate(directory);
    const [to, from] = [await receiver(directory), await publisher(directory, 'n.a')];
    await to.flows(from);
    await host?.run(({ bus }) => bus.close());
    if (dedicated) expect(await dedicated.terminate()).toBe(0);
    await hostAmong([next]);
    await to.flows(from);
    await expectWhole([to], [from]);
  });

  it('but who comes when the gate is open is told of a gap, and loses nothing from then on', async () => {
    const directory = busFolder();
    const candidates = await Promise.all([1, 2].map(() => candidate(directory)));
    const [late, punctual] = [await receiverProcess(directory), await receiver(directory)];
    const from = await publisher(directory, 'n.a');
    await allFlows([late, punctual], [from]);
    late.child.suspend();
    await (await hostAmong(candidates)).kill();
    await punctual.flows(from);
    late.child.resume();
    await late.flows(from);
    await from.finish();
    expect(await punctual.account()).toMatchObject({ faults: [], gaps: [] });
    const { gaps, faults, counts } = await late.account();
    expect(gaps).toEqual([undefined]);
    // what passed it by was in one piece, where the gap is
    expect(faults.length).toBeLessThanOrEqual(1);
    expect(counts).toEqual((await punctual.account()).counts);
  });
});
