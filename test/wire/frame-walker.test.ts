// The walk over frames: `alike` spares look-ups, so it must never be true for a frame that goes elsewhere, and
// should be true whenever it may.
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import {
  encodeFrame,
  encodeHeaders,
  Flag,
  FrameFault,
  type FrameFields,
  Kind,
} from '../../src/wire/frame.js';
import { FrameWalker, joinHalves } from '../../src/wire/frame-walker.js';

const senders = [Buffer.from('0102030405060708', 'hex'), Buffer.from('0102030405060709', 'hex')];
// one letter apart in every place, at every length around the words that are compared
const subjects = Array.from({ length: 12 }, (_, length) => 'a'.repeat(length + 1)).flatMap((same) => [
  same,
  ...Array.from(same, (_, at) => `${same.slice(0, at)}b${same.slice(at + 1)}`),
]);

function walk(frames: Buffer[]): FrameWalker {
  const walker = new FrameWalker();
  const bytes = Buffer.concat(frames);
  walker.begin(bytes, 0, bytes.length);
  return walker;
}

function isAlike(one: FrameFields, other: FrameFields): boolean {
  const shape = ({ kind, flags, sender, subject }: FrameFields) =>
    [kind, flags, Buffer.from(sender).toString('hex'), subject].join();
  const isPlain = ({ headers, ttl }: FrameFields) => headers === undefined && ttl === undefined;
  return shape(one) === shape(other) && isPlain(one) && isPlain(other);
}

describe('frames alike', () => {
  it('are those that differ in nothing but length, sequence, order, time and data', () => {
    const random = new SeededRandom(7);
    let alike = 0;
    for (let round = 0; round < 20_000; round += 1) {
      const make = (): FrameFields => ({
        kind: random.pick([Kind.publish, Kind.publish, Kind.publish, 16]),
        flags: random.pick([0, 0, 0, Flag.ackSoon, Flag.noEcho]),
        sender: random.pick(senders),
        sequence: random.below(1_000),
        order: random.below(1_000_000),
        time: random.below(1_000_000),
        subject: random.pick(subjects.slice(0, 14)),
        headers: random.below(8) === 0 ? encodeHeaders({ a: 'b' }) : undefined,
        ttl: random.below(8) === 0 ? 5 : undefined,
        data: Buffer.alloc(1 + random.below(9), 0xf6),
      });
      const first = make();
      const second = random.below(2) === 0 ? make() : { ...make(), ...first, data: Buffer.of(0xf6, 0xf6) };
      const walker = walk([encodeFrame(first), encodeFrame(second)]);
      walker.next();
      expect(walker.alike).toBe(false);
      walker.next();
      expect(walker.alike, JSON.stringify([first, second])).toBe(isAlike(first, second));
      if (walker.alike) alike += 1;
    }
    expect(alike).toBeGreaterThan(1_000);
  });

  it.each(subjects)('tells "%s" from every subject one letter away', (subject) => {
    const frameOf = (text: string): Buffer =>
      encodeFrame({ kind: Kind.publish, sender: senders[0]!, subject: text, data: Buffer.of(0xf6) });
    for (const other of subjects) {
      const walker = walk([frameOf(subject), frameOf(other)]);
      walker.next();
      walker.next();
      expect(walker.alike, other).toBe(subject === other);
    }
  });
});

describe('the walk', () => {
  const frame = encodeFrame({
    kind: Kind.publish,
    sender: senders[0]!,
    sequence: 2 ** 40 + 3,
    order: 2 ** 50 + 5,
    time: 1_800_000_000_000,
    subject: 'a.b',
    data: Buffer.of(0x01),
  });

  it('reads the numbers of a frame, and stamps its order', () => {
    const walker = walk([frame]);
    expect(walker.next()).toBe(true);
    expect(walker.sequence).toBe(2 ** 40 + 3);
    expect(joinHalves(walker.orderHigh, walker.orderLow)).toBe(2 ** 50 + 5);
    expect(joinHalves(walker.timeHigh, walker.timeLow)).toBe(1_800_000_000_000);
    walker.stampOrder(2 ** 52 - 1);
    expect(joinHalves(walker.orderHigh, walker.orderLow)).toBe(2 ** 52 - 1);
  });

  it('stops where the first frame begins that is not whole', () => {
    for (let missing = 1; missing < frame.length; missing += 1) {
      const bytes = Buffer.concat([frame, frame.subarray(0, frame.length - missing)]);
      const walker = new FrameWalker();
      walker.begin(bytes, 0, bytes.length);
      expect(walker.next()).toBe(true);
      expect(walker.next()).toBe(false);
      expect(walker.at).toBe(frame.length);
    }
  });

  it('refuses a frame alike in front that lacks a fixed byte', () => {
    for (const at of [30, 39]) {
      const broken = Buffer.from(frame);
      broken[at] = 0;
      const walker = walk([frame, broken]);
      walker.next();
      expect(() => walker.next()).toThrow(FrameFault);
    }
  });
});
