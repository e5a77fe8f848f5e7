// What the publisher writes for messages in a row: which of them share a frame, and that the frames hold exactly what
// was published, with the sequences in between accounted for.
import { expect, it } from 'vitest';
import { WINDOW_FRAMES } from '../../src/limits.js';
import { At, Flag, messageCount, readFlags, readU64 } from '../../src/wire/frame.js';
import { messagesOf, PublishBench } from './publish-bench.js';

const counts = (frames: Buffer[]) => frames.map((frame) => messageCount(frame, 0));

it('messages in a row on one subject share a frame, until another subject or a long one comes between', () => {
  const bench = new PublishBench();
  for (const subject of ['a', 'b']) bench.warm(subject);
  const sent: [string, unknown][] = [
    ['a', 1],
    ['a', 'two'],
    ['b', new Uint8Array(30)],
    ['b', new Uint8Array(0)],
    ['a', undefined],
    ['a', new Uint8Array(4_094)],
    ['a', 6],
    ['a', new Uint8Array(4_093)],
    ['a', 8],
    ['b', 9],
  ];
  for (const [subject, data] of sent) bench.publish(subject, data);
  const frames = bench.frames();
  expect(counts(frames)).toEqual([2, 2, 1, 1, 3, 1]);
  expect(messagesOf(frames)).toEqual(sent.map(([subject, data], i) => ({ sequence: i + 3, subject, data })));
});

it('a message without a subject joins nothing, whatever was open before', async () => {
  const bench = new PublishBench();
  bench.warm('a');
  for (const data of [1, 2]) bench.publish('a', data);
  await bench.publisher.publish('a', 3, { ttl: 1_000 });
  for (const subject of ['', undefined as never]) expect(bench.publisher.tryPublish(subject, 4)).toBe(false);
  expect(messagesOf(bench.frames()).map(({ data }) => data)).toEqual([1, 2, 3]);
});

it('a message is never added to a frame that was sent', () => {
  const bench = new PublishBench();
  bench.warm('a');
  const frames = [1, 2, 3].flatMap((data) => {
    bench.publish('a', data);
    bench.publish('a', -data);
    return bench.frames();
  });
  expect(counts(frames)).toEqual([2, 2, 2]);
  expect(messagesOf(frames).map(({ data }) => data)).toEqual([1, -1, 2, -2, 3, -3]);
});

it('what is settled while a frame is open is that much and no more', () => {
  const bench = new PublishBench();
  bench.warm('a');
  // after this one nothing tells a batch that is not closed from an empty one
  for (let i = 0; i < 3; i += 1) bench.publish('a', new Uint8Array(40));
  bench.settle(1);
  for (let i = 3; i < 5; i += 1) bench.publish('a', new Uint8Array(40));
  expect(bench.outbox.unsettledFrames).toBe(5);
  const frames = bench.frames();
  expect(messagesOf(frames).map(({ sequence }) => sequence)).toEqual([2, 3, 4, 5, 6]);
  expect(bench.outbox.unsettledBytes).toBe(frames.reduce((sum, frame) => sum + frame.length, 0));
  bench.settle(6);
  expect([bench.outbox.unsettledFrames, bench.outbox.unsettledBytes]).toEqual([0, 0]);
});

it('a host that settles what was not sent yet loses nobody the next message', () => {
  const bench = new PublishBench();
  bench.warm('a');
  for (let i = 0; i < 3; i += 1) bench.publish('a', i);
  bench.settle(4);
  bench.publish('a', 3);
  expect(messagesOf(bench.frames())).toEqual([{ sequence: 5, subject: 'a', data: 3 }]);
});

it('a batch that is settled in part is sent again whole, as it was, and counts until its end is settled', () => {
  const bench = new PublishBench();
  bench.warm('a');
  for (let i = 0; i < 10; i += 1) bench.publish('a', i);
  const [first] = bench.frames();
  bench.settle(6);
  expect([bench.outbox.firstUnsettled, bench.outbox.unsettledFrames]).toEqual([7, 5]);
  expect(bench.outbox.unsettledBytes).toBe(first!.length);
  bench.outbox.rewind();
  for (let i = 10; i < 12; i += 1) bench.publish('a', i);
  const frames = bench.frames();
  expect(counts(frames)).toEqual([10, 2]);
  expect(frames.map((frame) => readFlags(frame, 0) & Flag.resent)).toEqual([Flag.resent, 0]);
  expect(messagesOf(frames)).toEqual(
    Array.from({ length: 12 }, (_, i) => ({ sequence: i + 2, subject: 'a', data: i })),
  );
  bench.settle(10);
  expect(bench.outbox.unsettledBytes).toBe(frames[0]!.length + frames[1]!.length);
  bench.settle(11);
  expect(bench.outbox.unsettledBytes).toBe(frames[1]!.length);
});

it('a frame that stays open for long takes nothing that was published later: it has one time', () => {
  const bench = new PublishBench();
  bench.warm('a');
  const published: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    for (let twice = 0; twice < 2; twice += 1) {
      published.push(bench.clock.wallTime());
      bench.publish('a', i);
    }
    bench.clock.settle();
    bench.clock.advance(1_000);
  }
  const frames = bench.frames();
  expect(counts(frames)).toEqual([2, 2, 2]);
  expect(frames.flatMap((frame) => [readU64(frame, At.time), readU64(frame, At.time)])).toEqual(published);
});

it('each message of a batch counts in the window', () => {
  const bench = new PublishBench();
  bench.warm('a');
  let published = 1;
  while (bench.publisher.tryPublish('a', 7)) published += 1;
  expect(published).toBe(WINDOW_FRAMES);
  expect(bench.outbox.unsettledFrames).toBe(WINDOW_FRAMES);
  const frames = bench.frames();
  expect(frames.length).toBeLessThan(10);
  const sent = messagesOf(frames);
  expect(sent.length).toBe(WINDOW_FRAMES - 1);
  expect(sent.every(({ sequence, data }, i) => sequence === i + 2 && data === 7)).toBe(true);
  const asking = frames.filter((frame) => readFlags(frame, 0) & Flag.ackSoon);
  expect(asking.length).toBeGreaterThan(0);
});

it('the window of bytes is as full as its frames are long', () => {
  const windowBytes = 100_000;
  const bench = new PublishBench({ windowBytes });
  bench.warm('a');
  while (bench.publisher.tryPublish('a', new Uint8Array(50)));
  const frames = bench.frames();
  const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
  const first = bench.outbox.unsettledBytes - bytes;
  expect(bytes).toBeLessThanOrEqual(windowBytes - first);
  expect(bytes).toBeGreaterThan(windowBytes - first - 53);
  expect(messagesOf(frames).every(({ data }) => (data as Uint8Array).length === 50)).toBe(true);
});

it('a batch in which an early acknowledgement is due asks for it', () => {
  const bench = new PublishBench({ windowBytes: 40_000 });
  bench.warm('a');
  for (let i = 0; i < 5; i += 1) bench.publish('a', new Uint8Array(1_000));
  expect(bench.frames().map((frame) => readFlags(frame, 0) & Flag.ackSoon)).toEqual([0]);
  for (let i = 0; i < 6; i += 1) bench.publish('a', new Uint8Array(1_000));
  expect(bench.frames().map((frame) => readFlags(frame, 0) & Flag.ackSoon)).toEqual([Flag.ackSoon]);
});

it('a getter that publishes comes first, and harms nobody', () => {
  const bench = new PublishBench();
  bench.warm('a');
  bench.publish('a', 'before');
  bench.publish('a', {
    get inner() {
      bench.publish('a', 'inside');
      return 'outside';
    },
  });
  bench.publish('a', 'behind');
  const data = messagesOf(bench.frames()).map((message) => message.data);
  expect(data).toEqual(['before', 'inside', { inner: 'outside' }, 'behind']);
});

it('what a program does to its data after publish() is not sent', () => {
  const bench = new PublishBench();
  bench.warm('a');
  const data = new Uint8Array(16);
  for (let i = 1; i <= 50; i += 1) {
    data.fill(i);
    bench.publish('a', data);
  }
  data.fill(99);
  const sent = messagesOf(bench.frames()).map((message) => [...new Set(message.data as Uint8Array)]);
  expect(sent).toEqual(Array.from({ length: 50 }, (_, i) => [i + 1]));
});

it('subjects of 255 bytes, and data at the edge of a limit, are as exact in a row as alone', () => {
  const subject = 'x'.repeat(255);
  const maxMessageBytes = 1_000;
  const bench = new PublishBench({ maxMessageBytes });
  bench.warm(subject);
  const fits = maxMessageBytes - At.subject - subject.length - 2 - 3;
  for (const length of [1, fits, fits + 1, 2, fits]) bench.publish(subject, new Uint8Array(length));
  const lengths = messagesOf(bench.frames()).map(({ data }) => (data as Uint8Array).length);
  expect(lengths).toEqual([1, fits, 2, fits]);
});

it('a slab that is full begins a new frame and loses nothing', () => {
  const bench = new PublishBench();
  bench.warm('a');
  const sizes = Array.from({ length: 2_000 }, (_, i) => (i * 37) % 300);
  for (const size of sizes) bench.publish('a', new Uint8Array(size));
  const frames = bench.frames();
  expect(frames.length).toBeLessThan(10);
  expect(messagesOf(frames).map(({ data }) => (data as Uint8Array).length)).toEqual(sizes);
});
