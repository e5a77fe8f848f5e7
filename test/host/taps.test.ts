// What the host reads for taps: the data of large messages is in files, and reading one holds up everybody.
import { expect, it } from 'vitest';
import { encodeFrame, Kind } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import type { BenchPeer } from './relay-bench.js';
import { RelayBench } from './relay-bench.js';

function tap(peer: BenchPeer, pattern: string): void {
  const fields = { kind: Kind.query, sender: peer.id.bytes, sequence: 1, subject: '$tap', ttl: 60_000 };
  peer.send(encodeFrame({ ...fields, data: Buffer.from(encodeValue({ pattern })) }));
}

it('is what a tap wants, and not what the peer that taps publishes itself', () => {
  const read: number[] = [];
  const bench = new RelayBench({
    files: {
      shortest: 200_000,
      keep: () => undefined,
      read: ({ number }, memory) => {
        memory().fill(0xf6);
        return read.push(number) > 0;
      },
    },
  });
  const tapping = bench.join('t');
  tap(tapping, 'a');
  const publisher = bench.join('p');
  const size = 200_000;
  publisher.send(publisher.filed('b', { number: 1, size }), publisher.filed('a', { number: 2, size }));
  tapping.send(tapping.filed('a', { number: 3, size }));
  expect(read).toEqual([2]);
});
