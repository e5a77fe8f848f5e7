// Batches that leave in a file: which do, what is sent in their place, and that nothing is lost or counted otherwise for it.
import { beforeEach, describe, expect, it } from 'vitest';
import { FILED_PACE_BYTES, PACE_BYTES, SHORTEST_FILED_BYTES } from '../../src/limits.js';
import type { MessageFile, MessageFiles } from '../../src/transport/message-files.js';
import { readWholeFrame } from '../../src/transport/message-files.js';
import { readFileReference } from '../../src/wire/file-reference.js';
import { Flag, messageCount, readFlags } from '../../src/wire/frame.js';
import { messagesOf, PublishBench } from './publish-bench.js';

/** Files in memory, and what has become of each. */
class FakeFiles implements MessageFiles {
  shortest = SHORTEST_FILED_BYTES;
  isReady = true;
  readonly told: string[] = [];
  readonly content = new Map<number, Buffer>();
  #written = 0;

  keep(parts: readonly Uint8Array[]): MessageFile | undefined {
    if (!this.isReady) return undefined;
    const number = ++this.#written;
    const content = Buffer.concat(parts);
    this.content.set(number, content);
    return {
      number,
      size: content.length,
      isInPlace: () => this.content.has(number),
      read: (target) => target.set(content) === undefined,
      remove: () => {
        this.content.delete(number);
        this.told.push(`removed ${number}`);
      },
      leave: () => void this.told.push(`left ${number}`),
    };
  }

  read({ number, size }: { number: number; size: number }, memory: () => Uint8Array): boolean {
    const content = this.content.get(number);
    if (content?.length !== size) return false;
    memory().set(content);
    return true;
  }

  /** The frames as their receivers have them. */
  whole(frames: Buffer[]): Buffer[] {
    return frames.map((bytes) => {
      if (!(readFlags(bytes, 0) & Flag.file)) return bytes;
      return readWholeFrame(this, { bytes, at: 0, size: bytes.length }, 1)!;
    });
  }
}

let files: FakeFiles;
let bench: PublishBench;

function start(shortest: number): void {
  files = new FakeFiles();
  files.shortest = shortest;
  bench = new PublishBench({ files });
  bench.warm('a');
}

beforeEach(() => start(2_000));

const publish = (count: number, length = 100, subject = 'a') => {
  for (let i = 0; i < count; i += 1) bench.publish(subject, new Uint8Array(length).fill(i));
};
const isFiled = (frames: Buffer[]) => frames.map((frame) => (readFlags(frame, 0) & Flag.file) !== 0);
const sequences = (frames: Buffer[]) => messagesOf(files.whole(frames)).map(({ sequence }) => sequence);
const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

describe('a batch in a file', () => {
  it('is one that is long enough, and holds what was published', () => {
    publish(15);
    const short = bench.frames();
    publish(30);
    const long = bench.frames();
    expect([isFiled(short), isFiled(long)]).toEqual([[false], [true]]);
    expect(messageCount(long[0]!, 0)).toBe(30);
    const messages = messagesOf(files.whole(long));
    expect(messages.map(({ sequence }) => sequence)).toEqual(from(17, 30));
    expect(messages.map(({ data }) => (data as Uint8Array)[99])).toEqual(from(0, 30));
  });

  it('takes the room of its messages, and its file goes when they are settled', () => {
    publish(30);
    const frames = bench.frames();
    bench.settle(1);
    expect(bench.outbox.unsettledBytes).toBe(files.whole(frames)[0]!.length);
    bench.settle(20);
    expect([bench.outbox.unsettledFrames, files.told]).toEqual([11, []]);
    bench.settle(31);
    expect([bench.outbox.unsettledBytes, bench.outbox.unsettledFrames, files.told]).toEqual([
      0,
      0,
      ['removed 1'],
    ]);
  });

  it('leaves between what was published before and behind it', () => {
    bench.warm('b');
    publish(2, 100, 'b');
    publish(30);
    publish(3, 100, 'b');
    const frames = bench.frames();
    expect(isFiled(frames)).toEqual([false, true, false]);
    expect(sequences(frames)).toEqual(from(3, 35));
  });

  it('goes through the host when no file can be had', () => {
    files.isReady = false;
    publish(30);
    const frames = bench.frames();
    expect([isFiled(frames), sequences(frames)]).toEqual([[false], from(2, 30)]);
  });

  it('is sent again as it was, and with its data in it where its file is gone', () => {
    publish(30);
    bench.frames();
    publish(30);
    bench.frames();
    publish(30);
    files.content.delete(1);
    bench.outbox.rewind();
    const frames = bench.frames();
    // the first one went out in warming up
    expect(isFiled(frames)).toEqual([false, false, true, true]);
    expect(sequences(frames)).toEqual(from(1, 91));
    const resent = frames.map((frame) => (readFlags(frame, 0) & Flag.resent) !== 0);
    expect(resent).toEqual([true, true, true, false]);
    expect(files.told).toEqual(['removed 1']);
    bench.settle(91);
    expect([bench.outbox.unsettledBytes, files.content.size]).toEqual([0, 0]);
  });

  it('that was sent is left behind when the Bus closes, and no other', () => {
    publish(30);
    bench.frames();
    publish(30);
    bench.frames();
    publish(30);
    // looks at what is written, and sends nothing
    bench.settle(1);
    bench.outbox.rewind();
    bench.outbox.leave();
    expect(files.told).toEqual(['left 1', 'left 2', 'removed 3']);
  });

  it('says which file that is, how long, and how many messages are in it', () => {
    publish(30);
    const [frame] = bench.frames();
    const size = files.content.get(1)!.length;
    expect(readFileReference(frame!, 0, frame!.length)).toEqual({ number: 1, size, count: 30 });
  });
});

describe('a publisher with much to say', () => {
  beforeEach(() => start(SHORTEST_FILED_BYTES));

  it('writes so much in one turn that it fits into one file', () => {
    expect(bench.outbox.paceBytes).toBe(PACE_BYTES);
    // the first slab is short, and tells that there will be more
    publish(12, 16 * 1024);
    bench.frames();
    expect(bench.outbox.paceBytes).toBe(FILED_PACE_BYTES);
    for (let turn = 0; turn < 3; turn += 1) {
      publish(28, 16 * 1024);
      const sent = isFiled(bench.frames());
      // the slab of the turn before has room for some of the first
      if (turn > 0) expect(sent).toEqual([true]);
    }
    expect(files.content.get(2)!.length).toBeGreaterThanOrEqual(FILED_PACE_BYTES);
  });

  it.each([
    [64, FILED_PACE_BYTES],
    [50, PACE_BYTES],
  ])('that says it in messages of %i bytes has turns of %i', (length, turn) => {
    publish(3_000, length);
    bench.frames();
    expect(bench.outbox.paceBytes).toBe(turn);
  });

  it.each([
    ['says it in short messages', 10, 20_000],
    ['may write no files', 16 * 1024, 12],
  ])('has no longer turns when it %s', (_what, length, count) => {
    files.isReady = length === 10;
    publish(count, length);
    bench.frames();
    publish(count, length);
    const frames = bench.frames();
    expect([bench.outbox.paceBytes, isFiled(frames).includes(true)]).toEqual([PACE_BYTES, false]);
  });

  it('has no longer turns when it takes many subjects in turn, or a host grants little', () => {
    for (const subject of 'bcd') bench.warm(subject);
    for (let turn = 0; turn < 8; turn += 1) for (const subject of 'abcd') publish(1, 16 * 1024, subject);
    expect(bench.outbox.paceBytes).toBe(PACE_BYTES);
    bench.frames();
    bench.settle(36);
    bench.outbox.grant(1024 * 1024);
    publish(12, 16 * 1024);
    expect(bench.outbox.paceBytes).toBe(PACE_BYTES);
  });

  it('goes on with long turns after a message that has a file of its own', () => {
    publish(12, 16 * 1024);
    publish(1, 200_000);
    publish(1, 16 * 1024);
    expect(bench.outbox.paceBytes).toBe(FILED_PACE_BYTES);
  });

  it.each([
    ['little is published for a while', 1, 16 * 1024],
    ['as much is said in short messages', 60_000, 10],
  ])('goes back to short turns when %s', (_what, count, length) => {
    publish(12, 16 * 1024);
    bench.frames();
    bench.settle(13);
    publish(28, 16 * 1024);
    expect([isFiled(bench.frames()), bench.outbox.paceBytes]).toEqual([[true], FILED_PACE_BYTES]);
    bench.settle(41);
    publish(count, length);
    bench.frames();
    bench.settle(41 + count);
    expect(bench.outbox.paceBytes).toBe(PACE_BYTES);
  });
});
