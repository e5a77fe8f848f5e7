// Take-over loses and doubles nothing: real processes, publishers that never pause, and hosts that are killed.
import { expect, it } from 'vitest';
import type { ChildPeer } from '../support/child-peer.js';
import { busFolder } from '../support/scratch.js';
import { accountOf, candidate, finish, flows, hostAmong, publisher, receiver } from './crew.js';

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
