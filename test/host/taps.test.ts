// What the host reads for taps: the data of large messages is in files, and reading one holds up everybody.
import { expect, it } from 'vitest';
import { controlFrame } from '../../src/wire/control.js';
import { encodeFrame, Kind } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import { batchDataOf } from '../support/batch-data.js';
import { filesFor } from './files.js';
import type { BenchPeer } from './relay-bench.js';
import { RelayBench } from './relay-bench.js';

function tap(peer: BenchPeer, pattern: string): void {
  const fields = { kind: Kind.query, sender: peer.id.bytes, sequence: 1, subject: '$tap', ttl: 60_000 };
  peer.send(encodeFrame({ ...fields, data: Buffer.from(encodeValue({ pattern })) }));
}

it('is what a tap wants, and not what the peer that taps publishes itself', () => {
  const read: number[] = [];
  const data = Buffer.alloc(200_000, 0xf6);
  const files = filesFor({ 1: data, 2: data, 3: data }, (number) => read.push(number));
  const bench = new RelayBench({ files });
  const tapping = bench.join('t');
  tap(tapping, 'a');
  const publisher = bench.join('p');
  const size = 200_000;
  publisher.send(publisher.filed('b', { number: 1, size }), publisher.filed('a', { number: 2, size }));
  tapping.send(tapping.filed('a', { number: 3, size }));
  expect(read).toEqual([2]);
});

it('is a batch with its messages in it, or so many that were dropped where its file is gone', () => {
  const data = batchDataOf([1, 2, 3]);
  const bench = new RelayBench({ files: filesFor({ 1: data }) });
  const tapping = bench.join('t');
  tap(tapping, 'a');
  const publisher = bench.join('p');
  for (const number of [1, 2]) publisher.send(publisher.filed('a', { number, size: data.length, count: 3 }));
  publisher.publish('a', 'last');
  const copies = tapping.of('reply').map((reply) => reply.data as { frames: Buffer; dropped: number });
  const whole = copies.map(({ frames, dropped }) => [frames.length, dropped]);
  expect(whole).toEqual([
    [0, 0],
    [54 + data.length, 0],
    [54 + encodeValue('last').length, 3],
  ]);
});

it('is what a peer published in the same breath as its goodbye', () => {
  const bench = new RelayBench();
  const tapping = bench.join('t');
  tap(tapping, 'a');
  const publisher = bench.join('p');
  const goodbye = controlFrame('GOAWAY', publisher.id.bytes, { code: 'closed', reason: '' });
  publisher.send(Buffer.concat([publisher.message('a', 'last'), goodbye]));
  const copies = tapping.of('reply').map((reply) => reply.data as { frames: Buffer });
  expect(copies.map(({ frames }) => frames.length)).toEqual([0, 54 + encodeValue('last').length]);
});
