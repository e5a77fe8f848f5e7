// Streams of frames as host and peers send them, and what becomes of them on their way to being an attack: bits
// turned, parts cut out or doubled, lengths that lie, ends that are missing.
import { writeBatchHead } from '../../src/wire/batch.js';
import {
  At,
  BATCH_HEAD_BYTES,
  encodeFrame,
  Flag,
  type FrameFields,
  frameSize,
  Kind,
  writeU32,
} from '../../src/wire/frame.js';
import type { PeerId } from '../../src/wire/peer-id.js';
import { encodeValue } from '../../src/wire/values.js';
import type { SeededRandom } from './seeded-random.js';
import { randomValue } from './value-fuzzer.js';

const SUBJECTS = ['fuzz.a', 'fuzz.b.c', 'fuzz.ask', 'nobody', '$peers', '$presence.joined', '>', 'a..b', ''];
const PATTERNS = ['fuzz.>', 'fuzz.*', '*', '>', 'fuzz.ask', '$presence.*', 'fuzz..', ''];
const LENGTHS = [0, 1, 46, 47, 48, 100, 255, 256, 65_535, 65_536, 2 ** 26, 2 ** 31, 2 ** 32 - 1];
const COUNTS = [0, 1, 2, 3, 65_535, 65_536, 65_537, 2 ** 32, 2 ** 52, 2 ** 53 - 1];
const OPTION_FLAGS = Flag.hasTo | Flag.hasTtl | Flag.hasRef | Flag.batch;
/** What each side may send; with few exceptions streams keep to it, or their first frame would be their last. */
const KINDS = {
  peer: [Kind.query, Kind.reply, Kind.credit, Kind.cancel, Kind.ack, Kind.slot, Kind.ping, 16, 19, 20, 23],
  host: [
    Kind.query,
    Kind.reply,
    Kind.cancel,
    Kind.ack,
    Kind.settled,
    Kind.gap,
    Kind.slot,
    Kind.ping,
    16,
    19,
    20,
  ],
} as const;

/** Who sends the frames, and whose ids occur in them. */
export interface Cast {
  side: 'peer' | 'host';
  self: PeerId;
  others: readonly PeerId[];
}

/** So many frames, most of them right, in the order of their sequences. */
export function randomFrames(random: SeededRandom, cast: Cast, length: number): Buffer[] {
  let messages = 0;
  let queries = 0;
  return Array.from({ length }, () => {
    const kind = randomKind(random, cast.side);
    if (kind === Kind.publish && random.below(4) === 0) {
      const values = Array.from({ length: 1 + random.below(5) }, () => randomValue(random, 3));
      messages += values.length;
      return randomBatch(random, cast, { sequence: messages - values.length + 1, values });
    }
    const sequence = kind === Kind.query ? ++queries : kind === Kind.publish || kind >= 16 ? ++messages : 0;
    const value = random.below(30) === 0 ? randomValue(random, 3) : likelyData(kind, random, cast);
    const data = Buffer.from(encodeValue(value));
    return encodeFrame({ ...randomFields(kind, random, cast), kind, sequence, data });
  });
}

/** Several messages in one frame; now and then it says that there are more, or one of them is no value. */
function randomBatch(
  random: SeededRandom,
  { self }: Cast,
  { sequence, values }: { sequence: number; values: unknown[] },
): Buffer {
  const head = Buffer.alloc(BATCH_HEAD_BYTES);
  writeBatchHead(head, 0, values.length + (random.below(20) === 0 ? 1 : 0));
  const items = values.map((value) => {
    const encoded = Buffer.from(encodeValue(value));
    if (random.below(20) === 0) encoded[0] = 0xff;
    return Buffer.from(encodeValue(encoded));
  });
  const data = Buffer.concat([head, ...items]);
  const subject = random.pick(SUBJECTS.slice(0, 3));
  return encodeFrame({ kind: Kind.publish, flags: Flag.batch, sender: self.bytes, sequence, subject, data });
}

function randomKind(random: SeededRandom, side: Cast['side']): number {
  if (random.below(40) === 0) return random.below(26);
  return random.below(3) === 0 ? Kind.publish : random.pick(KINDS[side]);
}

function randomFields(
  kind: number,
  random: SeededRandom,
  { self, others }: Cast,
): Omit<FrameFields, 'kind' | 'data'> {
  const maybe = <T>(make: () => T): T | undefined => (random.below(3) === 0 ? make() : undefined);
  const isAddressed = kind === Kind.reply || kind === Kind.credit || kind === Kind.cancel;
  const to = () => random.pick(others).bytes;
  const ref = () => count(random);
  return {
    sender: random.below(60) === 0 ? to() : self.bytes,
    flags: random.below(4) > 0 ? 0 : random.below(0x1_0000) & ~OPTION_FLAGS,
    order: count(random),
    time: count(random),
    subject: random.below(40) === 0 ? random.pick(SUBJECTS) : random.pick(SUBJECTS.slice(0, 3)),
    to: isAddressed ? to() : maybe(to),
    ttl: maybe(() => random.pick([0, 1, 1_000, 2 ** 31, 2 ** 32 - 1])),
    ref: isAddressed ? ref() : maybe(ref),
  };
}

/** The data that a kind carries, more or less. */
function likelyData(kind: number, random: SeededRandom, { side, others }: Cast): unknown {
  const n = () => count(random);
  const sender = random.pick(others).bytes;
  const patterns = random.below(20) === 0 ? PATTERNS : PATTERNS.slice(0, 5);
  const slot = {
    id: random.below(64),
    role: random.pick(['slot', 'responder']),
    pattern: random.pick(patterns),
  };
  const { id } = slot;
  const requests: object[] = [
    { do: 'open', ...slot },
    { do: 'close', id },
  ];
  const answers: object[] = [
    { do: 'opened', id, order: n() },
    { do: 'refused', id, code: 'MAILSLOT_TIMEOUT', message: 'no' },
  ];
  const likely: Record<number, unknown> = {
    [Kind.credit]: n(),
    [Kind.ack]: side === 'peer' ? [{ sender, upTo: n() }] : [sender],
    [Kind.settled]: {
      upTo: n(),
      windowBytes: n(),
      receipts: [{ sequence: n(), receivers: n(), order: n() }],
    },
    [Kind.note]: { slots: [n()], retained: true },
    [Kind.gap]: random.pick([{ id: random.below(8), missed: n() }, { id: random.below(8) }]),
    [Kind.welcome]: { minor: 0, epoch: n(), windowBytes: n(), windowFrames: n(), maxFrameBytes: n() },
    [Kind.join]: {
      minor: 0,
      label: 'fuzz',
      pid: 1,
      mayHost: true,
      lastEpoch: 0,
      highestOrder: n(),
      firstUnsettled: n(),
      slots: [slot],
    },
    [Kind.open]: { previous: n(), order: n() },
    [Kind.slot]: random.pick(side === 'peer' ? requests : answers),
    [Kind.ping]: random.pick(['ping', 'pong']),
    [Kind.goaway]: { code: random.pick(['closed', 'MAILSLOT_CLOSED', 'x']), reason: 'fuzz' },
  };
  return kind in likely ? likely[kind] : randomValue(random, 3);
}

function count(random: SeededRandom): number {
  return random.below(3) > 0 ? random.below(8) : random.pick(COUNTS);
}

/** The frames as one stream, most of them damaged in up to three places. */
export function damagedStream(random: SeededRandom, frames: readonly Buffer[]): Buffer {
  let stream: Buffer = Buffer.concat(frames);
  for (let i = Math.max(0, random.below(6) - 2); i > 0 && stream.length > 0; i -= 1)
    stream = random.pick(DAMAGES)(stream, random);
  return stream;
}

type Damage = (stream: Buffer, random: SeededRandom) => Buffer;

const DAMAGES: readonly Damage[] = [
  function turnBit(stream, random) {
    const copy = Buffer.from(stream);
    copy[random.below(copy.length)]! ^= 1 << random.below(8);
    return copy;
  },
  function overwrite(stream, random) {
    const copy = Buffer.from(stream);
    copy[random.below(copy.length)] = random.below(256);
    return copy;
  },
  function lieAboutLength(stream, random) {
    const copy = Buffer.from(stream);
    const at = frameStart(copy, random);
    if (at + At.array <= copy.length) writeU32(copy, at + At.length, random.pick(LENGTHS));
    return copy;
  },
  function cutOut(stream, random) {
    const [from, to] = range(stream, random);
    return Buffer.concat([stream.subarray(0, from), stream.subarray(to)]);
  },
  function double(stream, random) {
    const [from, to] = range(stream, random);
    return Buffer.concat([stream.subarray(0, to), stream.subarray(from)]);
  },
  function insert(stream, random) {
    const at = random.below(stream.length);
    const bytes = Buffer.from(Array.from({ length: 1 + random.below(12) }, () => random.below(256)));
    return Buffer.concat([stream.subarray(0, at), bytes, stream.subarray(at)]);
  },
  function breakOff(stream, random) {
    return stream.subarray(0, random.below(stream.length));
  },
];

/** Where one of the stream's frames begins, as far as they can be followed. */
function frameStart(stream: Buffer, random: SeededRandom): number {
  const starts = [0];
  try {
    for (let at = 0; ; starts.push(at)) {
      const size = frameSize(stream, at, stream.length);
      at += size;
      if (size === 0 || at >= stream.length) break;
    }
  } catch {
    // an earlier damage lies there
  }
  return random.pick(starts);
}

function range(stream: Buffer, random: SeededRandom): [from: number, to: number] {
  const from = random.below(stream.length);
  return [from, Math.min(stream.length, from + 1 + random.below(80))];
}

/** The stream in up to six pieces, cut anywhere. */
export function pieces(random: SeededRandom, stream: Buffer): Buffer[] {
  const cuts = Array.from({ length: random.below(6) }, () => random.below(stream.length + 1)).sort(
    (a, b) => a - b,
  );
  return [...cuts, stream.length].map((to, i) => stream.subarray(cuts[i - 1] ?? 0, to));
}
