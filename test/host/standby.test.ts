// Who is named to stand first when the host is gone.
import { expect, it } from 'vitest';
import { PEER_STALL_TIMEOUT } from '../../src/limits.js';
import { type BenchPeer, RelayBench } from './relay-bench.js';

/** Lets in a peer that may host, or may not. */
function letIn(bench: RelayBench, name: string, mayHost = true): BenchPeer {
  const peer = bench.link(name);
  peer.join({ mayHost });
  bench.clock.settle();
  return peer;
}

/** Who this peer believes to be the standby: a peer, nobody, or it was never told. */
function toldOf(peer: BenchPeer): Uint8Array | undefined | 'nothing' {
  const notices = peer.dataOf('standby') as { id?: Uint8Array }[];
  return notices.length === 0 ? 'nothing' : notices.at(-1)!.id;
}

const idOf = (peer: BenchPeer): Uint8Array => Uint8Array.from(peer.id.bytes);

it('the oldest peer that may host is the standby, and all who may host are told', () => {
  const bench = new RelayBench();
  const guest = letIn(bench, 'guest', false);
  const [first, second] = [letIn(bench, 'first'), letIn(bench, 'second')];
  expect(toldOf(first)).toEqual(idOf(first));
  expect(toldOf(second)).toEqual(idOf(first));
  expect(toldOf(guest)).toBe('nothing');
  expect(first.of('standby')).toHaveLength(1);
});

it("the peer in the host's own process is no standby", () => {
  const bench = new RelayBench({ owner: 'owner' });
  const owner = letIn(bench, 'owner');
  expect(toldOf(owner)).toBeUndefined();
  const other = letIn(bench, 'other');
  expect(toldOf(owner)).toEqual(idOf(other));
});

it('when the standby leaves, the next one is named', () => {
  const bench = new RelayBench();
  const [first, second, third] = [letIn(bench, 'first'), letIn(bench, 'second'), letIn(bench, 'third')];
  first.crash();
  bench.clock.settle();
  expect([toldOf(second), toldOf(third)]).toEqual([idOf(second), idOf(second)]);
});

it('when another peer leaves, nobody is told anything', () => {
  const bench = new RelayBench();
  const [first, second] = [letIn(bench, 'first'), letIn(bench, 'second')];
  second.crash();
  bench.clock.settle();
  expect(first.of('standby')).toHaveLength(1);
});

it('a stalled standby is replaced', () => {
  const bench = new RelayBench();
  const first = bench.link('first');
  first.join({ mayHost: true, slots: [{ id: 1, role: 'slot', pattern: 'a' }] });
  const second = letIn(bench, 'second');
  first.suspend();
  second.publish('a', 1);
  for (let waited = 0; waited <= PEER_STALL_TIMEOUT + 2_000; waited += 1_000) bench.clock.advance(1_000);
  expect(toldOf(second)).toEqual(idOf(second));
});
