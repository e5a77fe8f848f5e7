// The relay hands messages on: to whom, in which order, and as the very bytes that came.
import { describe, expect, it } from 'vitest';
import { HOST_FLUSH_GRACE, MAX_FRAME_BYTES, SILENCE_TIMEOUT, WINDOW_BYTES_MAX } from '../../src/limits.js';
import type { Settled, SlotSpec } from '../../src/wire/control.js';
import { At, Flag, writeU64 } from '../../src/wire/frame.js';
import { isPending } from '../support/waiting.js';
import { EPOCH, RelayBench } from './relay-bench.js';

describe('joining', () => {
  it('is WELCOME, JOIN, OPEN', () => {
    const bench = new RelayBench();
    const peer = bench.link();
    expect(peer.got.map(({ kind }) => kind)).toEqual(['welcome']);
    expect(peer.got[0]!.data).toMatchObject({ epoch: EPOCH, minor: 0 });
    peer.join();
    expect(peer.got.map(({ kind }) => kind)).toEqual(['welcome', 'open']);
    expect(peer.got[1]!.data).toMatchObject({ previous: EPOCH - 1 });
  });

  it('waits for the gate', () => {
    const bench = new RelayBench({ opened: false });
    const peer = bench.join();
    expect(peer.of('open')).toEqual([]);
    bench.relay.openGate(7);
    bench.clock.settle();
    expect(peer.dataOf('open')).toMatchObject([{ previous: 7 }]);
  });

  it('a second link of the same peer replaces the first, quietly', () => {
    const bench = new RelayBench();
    const watcher = bench.join('watcher', '$presence.*', 'a');
    const first = bench.join('double', 'a');
    const query = watcher.query('q');
    expect(query).toBe(1);
    const second = bench.join('double', 'a');
    expect(first.closed).toBe(true);
    expect(bench.relay.peers).toBe(2);
    watcher.publish('a', 1);
    expect(second.messages).toHaveLength(1);
    expect(first.messages).toHaveLength(0);
    expect(watcher.of('publish').some(({ subject }) => subject === '$presence.left')).toBe(false);
  });
});

describe('a message', () => {
  it('arrives as the bytes that were sent, with the order stamped in', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a.*')];
    const frame = publisher.message('a.b', { deep: [1n, new Date(5)] });
    publisher.send(frame);
    const [got] = receiver.messages;
    writeU64(frame, At.order, got!.order);
    expect(got!.bytes.equals(frame)).toBe(true);
    expect(got!.order).toBeGreaterThan(0);
  });

  it('that crosses chunks and waits for a slow receiver is not overwritten by those behind it', () => {
    const bench = new RelayBench();
    const receiver = bench.join('r', '>');
    const publisher = bench.link('p', (chunk) => {
      const cut = chunk.length >> 1;
      return [chunk.subarray(0, cut), chunk.subarray(cut)];
    });
    publisher.join();
    receiver.suspend();
    for (let number = 1; number <= 8; number += 1)
      publisher.publish('a', new Uint8Array(100_000).fill(number));
    receiver.resume();
    publisher.publish('a', new Uint8Array(100_000).fill(9));
    const contents = receiver.messages.map(({ data }) => [...new Set(data as Uint8Array)]);
    expect(contents).toEqual([[1], [2], [3], [4], [5], [6], [7], [8], [9]]);
  });

  it.each([1, 2, 3, 5, 50])('does not care about chunks: cut into %i bytes', (length) => {
    const bench = new RelayBench();
    const receiver = bench.join('r', '>');
    const publisher = bench.link('p', (chunk) => {
      const pieces: Buffer[] = [];
      for (let at = 0; at < chunk.length; at += length) pieces.push(chunk.subarray(at, at + length));
      return pieces;
    });
    publisher.join();
    const frames = ['a', 'a.b', 'c'].map((subject) => publisher.message(subject, subject.repeat(20)));
    publisher.send(...frames);
    expect(receiver.messages.map(({ subject, data }) => [subject, data])).toEqual([
      ['a', 'a'.repeat(20)],
      ['a.b', 'a.b'.repeat(20)],
      ['c', 'c'.repeat(20)],
    ]);
  });

  it('goes once to a peer with several matching slots', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a', '*', '>')];
    publisher.publish('a', 1);
    expect(receiver.messages).toHaveLength(1);
  });

  it('in one chunk with others finds its own receivers each time', () => {
    const bench = new RelayBench();
    const publisher = bench.join('p', 'echo');
    const [a, b] = [bench.join('a', 'a', 'both'), bench.join('b', 'b', 'both')];
    const subjects = ['a', 'a', 'both', 'nobody', 'b', 'both', 'a', 'echo', 'b', 'b'];
    publisher.send(...subjects.map((subject, i) => publisher.message(subject, i)));
    expect(a.messages.map(({ data }) => data)).toEqual([0, 1, 2, 5, 6]);
    expect(b.messages.map(({ data }) => data)).toEqual([2, 4, 5, 8, 9]);
    expect(publisher.messages.map(({ data }) => data)).toEqual([7]);
    const orders = [...a.messages, ...b.messages]
      .sort((x, y) => x.sequence - y.sequence)
      .map(({ order }) => order);
    expect(orders).toEqual([...orders].sort((x, y) => x - y));
  });

  it('without echo or for one peer is narrowed to that', () => {
    const bench = new RelayBench();
    const [publisher, one, two] = [bench.join('p', 'a'), bench.join('1', 'a'), bench.join('2', 'a')];
    publisher.publish('a', 'others', Flag.noEcho);
    publisher.send(publisher.message('a', 'one', { to: one.id }));
    publisher.publish('a', 'all');
    const data = [publisher, one, two].map((peer) => peer.messages.map((message) => message.data));
    expect(data).toEqual([['all'], ['others', 'one', 'all'], ['others', 'all']]);
  });

  it('has a higher order than anything a peer saw before', () => {
    const bench = new RelayBench();
    const highestOrder = (bench.clock.wallTime() + 3_600_000) * 1_000;
    const receiver = bench.join('r', 'a');
    const publisher = bench.link('p');
    publisher.join({ highestOrder });
    publisher.publish('a', 1);
    expect(receiver.messages[0]!.order).toBeGreaterThan(highestOrder);
  });

  it('that is sent again is dropped when it was relayed before', () => {
    const bench = new RelayBench();
    const receiver = bench.join('r', 'a');
    const publisher = bench.join('p');
    publisher.publish('a', 1);
    publisher.publish('a', 2);
    publisher.crash();
    const again = bench.link('p');
    again.join({ firstUnsettled: 2 });
    again.send(
      again.message('a', 2, { sequence: 2, flags: Flag.resent }),
      again.message('a', 3, { sequence: 3, flags: Flag.resent }),
    );
    expect(receiver.messages.map(({ data }) => data)).toEqual([1, 2, 3]);
  });
});

describe('what breaks the protocol', () => {
  const frames: [string, (peer: ReturnType<RelayBench['join']>) => Uint8Array, RegExp][] = [
    ['a foreign byte', () => Buffer.from('GET / HTTP/1.1\r\n\r\n'), /d8|byte/],
    ['a frame of a giant size', () => Buffer.from('d8185affffffff89', 'hex'), /announces/],
    ['a message in another name', (peer) => rename(peer.message('a', 1)), /another sender/],
    [
      'a sequence that falls',
      (peer) => Buffer.concat([peer.message('a', 1, { sequence: 9 }), peer.message('a', 2, { sequence: 8 })]),
      /came after/,
    ],
  ];

  it.each(frames)('%s ends the link with a reason, and nobody else notices', (_, frame, reason) => {
    const bench = new RelayBench();
    const [bad, good, receiver] = [
      bench.join('bad'),
      bench.join('good'),
      bench.join('r', 'a', '$presence.*'),
    ];
    bad.send(frame(bad));
    expect(bad.of('goaway')[0]!.data).toMatchObject({
      code: 'MAILSLOT_PROTOCOL_VIOLATION',
      reason: expect.stringMatching(reason),
    });
    expect(bad.closed).toBe(true);
    const left = receiver.of('publish').find(({ subject }) => subject === '$presence.left');
    expect(left!.data).toMatchObject({ id: bad.name, cause: 'refused' });
    good.publish('a', 'still here');
    expect(receiver.messages.at(-1)!.data).toBe('still here');
  });

  it('more bytes in files than a window has, also in one chunk, reach nobody', () => {
    const bench = new RelayBench();
    const [bad, receiver] = [bench.join('bad'), bench.join('r', 'a')];
    const size = MAX_FRAME_BYTES - 1_024;
    bad.send(bad.filed('a', { number: 1, size }));
    bad.send(bad.filed('a', { number: 2, size: WINDOW_BYTES_MAX }));
    expect(receiver.messages).toHaveLength(2);
    bad.send(...[3, 4, 5].map((number) => bad.filed('a', { number, size })));
    expect(bad.of('goaway')[0]!.data).toMatchObject({ reason: expect.stringContaining('unsettled') });
    expect(receiver.messages).toHaveLength(2);
  });

  it('more than the largest window and the largest message, unsettled, end the link', () => {
    const bench = new RelayBench();
    const [bad, receiver] = [bench.join('bad'), bench.join('r', 'a')];
    const part = Buffer.alloc((WINDOW_BYTES_MAX + MAX_FRAME_BYTES) / 4 - 1_024);
    for (let count = 0; count < 4; count += 1) bad.publish('a', part);
    expect(bad.of('goaway')).toHaveLength(0);
    bad.publish('a', part);
    expect(bad.of('goaway')[0]!.data).toMatchObject({ reason: expect.stringContaining('unsettled') });
    expect(receiver.closed).toBe(false);
  });

  it('a message before JOIN ends the link', () => {
    const peer = new RelayBench().link();
    peer.publish('a', 1);
    expect(peer.of('goaway')).toHaveLength(1);
    expect(peer.closed).toBe(true);
  });

  it('JOIN that does not come ends the link, but is no violation: the peer may have been suspended', () => {
    const bench = new RelayBench();
    const peer = bench.link();
    for (let waited = 0; waited < SILENCE_TIMEOUT + 2_000; waited += 1_000) bench.clock.advance(1_000);
    expect(peer.dataOf('goaway')).toEqual([{ code: 'closed', reason: 'JOIN did not come' }]);
    expect(peer.closed).toBe(true);
  });

  it('a frame that stops in the middle hurts nobody when its sender dies', () => {
    const bench = new RelayBench();
    const [dying, good, receiver] = [bench.join('d'), bench.join('g'), bench.join('r', 'a')];
    dying.send(dying.message('a', 'x'.repeat(1_000)).subarray(0, 500));
    dying.crash();
    good.publish('a', 1);
    expect(receiver.messages.map(({ data }) => data)).toEqual([1]);
  });
});

describe('closing the host', () => {
  it('says goodbye to everybody behind what was relayed, and leaves no timer', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    publisher.publish('a', 1);
    bench.relay.close('closed', 'because');
    bench.clock.settle();
    expect(receiver.got.slice(-2).map(({ kind }) => kind)).toEqual(['publish', 'goaway']);
    expect(receiver.got.at(-1)!.data).toEqual({ code: 'closed', reason: 'because' });
    expect([publisher.closed, receiver.closed, bench.relay.peers]).toEqual([true, true, 0]);
    bench.clock.advance(60_000);
    expect(bench.clock.timers).toBe(0);
  });
});

function rename(frame: Buffer): Buffer {
  frame.write('somebody', At.sender, 'latin1');
  return frame;
}

describe('who may have missed messages', () => {
  const slots: SlotSpec[] = [
    { id: 1, role: 'slot', pattern: 'a', new: false },
    { id: 2, role: 'slot', pattern: 'b', new: true },
    { id: 3, role: 'responder', pattern: 'c', new: false },
  ];

  it('is told ahead of OPEN, for each slot that was open before', () => {
    const bench = new RelayBench();
    const late = bench.link('late');
    late.join({ lastEpoch: EPOCH - 1, slots });
    expect(late.got.map(({ kind }) => kind)).toEqual(['welcome', 'gap', 'open']);
    expect(late.dataOf('gap')).toEqual([{ id: 1 }]);
  });

  it('counts as late when it comes again within an epoch', () => {
    const bench = new RelayBench();
    bench.join('a').crash();
    const again = bench.link('a');
    again.join({ lastEpoch: EPOCH, slots });
    expect(again.dataOf('gap')).toEqual([{ id: 1 }]);
  });

  it('is noted as gone before anything is settled without it', () => {
    const noted: string[] = [];
    const bench = new RelayBench({ opened: false, noted });
    const publisher = bench.join('p');
    const receiver = bench.join('r', 'a');
    bench.openGate();
    publisher.publish('a', 1, Flag.confirm | Flag.ackSoon);
    receiver.crash();
    expect(noted).toEqual([`opened ${publisher.name} ${receiver.name}`, `left ${receiver.name}`]);
    expect(publisher.of('settled')).toHaveLength(1);
    bench.relay.close('closed', '');
    bench.clock.settle();
    expect(noted).toHaveLength(2);
  });
});

describe('a confirm that is sent again', () => {
  it('to the same host has its receipt, whether it was settled before or not', () => {
    const bench = new RelayBench();
    const receiver = bench.join('r', 'a');
    const publisher = bench.join('p');
    for (const data of [1, 2]) publisher.publish('a', data, Flag.confirm | Flag.ackSoon);
    receiver.acknowledge(publisher, 1);
    publisher.crash();
    const again = bench.link('p');
    again.join({ lastEpoch: EPOCH, firstUnsettled: 1 });
    for (const sequence of [1, 2])
      again.send(
        again.message('a', sequence, { sequence, flags: Flag.confirm | Flag.ackSoon | Flag.resent }),
      );
    receiver.acknowledge(publisher, 2);
    const receipts = again.dataOf('settled').flatMap((data) => (data as Settled).receipts);
    expect(receipts).toMatchObject([
      { sequence: 1, receivers: 1 },
      { sequence: 2, receivers: 1 },
    ]);
    expect(receiver.messages).toHaveLength(2);
  });
});

describe('handing over', () => {
  it('lets open queries finish, but not for ever', async () => {
    const bench = new RelayBench();
    const [asker, responder] = [bench.join('a'), bench.join('r')];
    responder.open('responder', 'q', 1);
    const [first, second] = [asker.query('q'), asker.query('q')];
    const [done, late] = [bench.relay.whenQueriesEnd(5_000), bench.relay.whenQueriesEnd(1_000)];
    responder.reply(asker, first, 1);
    expect(await isPending(late)).toBe(true);
    bench.clock.advance(1_000);
    await late;
    expect(await isPending(done)).toBe(true);
    responder.reply(asker, second, 2);
    await done;
    expect(asker.of('reply')).toHaveLength(2);
  });

  it('waits for what is queued, but not for ever', async () => {
    const bench = new RelayBench();
    const [publisher, slow] = [bench.join('p'), bench.join('s', 'a')];
    slow.suspend();
    for (let number = 0; number < 5; number += 1) publisher.publish('a', new Uint8Array(100_000));
    const closed = bench.relay.close('closed', '');
    bench.clock.settle();
    expect([publisher.closed, slow.closed]).toEqual([true, false]);
    expect(await isPending(closed)).toBe(true);
    bench.clock.advance(HOST_FLUSH_GRACE);
    await closed;
  });

  it('relays and settles nothing after the goodbye: the next host is sent it again', () => {
    const bench = new RelayBench();
    const [publisher, receiver] = [bench.join('p'), bench.join('r', 'a')];
    publisher.publish('a', 1, Flag.confirm | Flag.ackSoon);
    void bench.relay.close('closed', '');
    receiver.acknowledge(publisher, 1);
    publisher.publish('a', 2);
    expect(publisher.of('settled')).toEqual([]);
    expect(receiver.messages).toHaveLength(1);
  });
});
