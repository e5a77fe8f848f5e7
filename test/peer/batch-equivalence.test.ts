// A batch is nothing but its messages: whatever happens to a slot, it is the same whether they came in one frame or
// in as many. Two receivers live through the same random life, one with batches and one without; after every
// step they must agree, and in the end no chunk may be held any more.
import { expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import { LAZY_ACK_DELAY } from '../../src/limits.js';
import { ChunkHold } from '../../src/peer/chunk-hold.js';
import { Inbox } from '../../src/peer/inbox.js';
import { OpenSlot } from '../../src/peer/slot.js';
import { splitBatch } from '../../src/wire/batch.js';
import { encodeFrame, Flag, Kind } from '../../src/wire/frame.js';
import { FrameWalker } from '../../src/wire/frame-walker.js';
import { encodeValue } from '../../src/wire/values.js';
import { batchDataOf } from '../support/batch-data.js';
import { ManualClock } from '../support/manual-clock.js';

const LIVES = 25;
const STEPS = 60;
const MAX_MESSAGE_BYTES = 2_000;
const PATTERNS = ['a', 'b', '*', 'a'];
const SENDERS = [Buffer.from('alice---'), Buffer.from('bob-----')];

interface Config {
  capacity: number;
  capacityBytes: number;
  overflow: 'wait' | 'drop-oldest';
  gaps: boolean;
}

class Receiver {
  readonly clock = new ManualClock();
  /** What happened lately, to each slot and to the senders. */
  readonly log: Record<string, unknown[]> = {};
  readonly holds: { hold: ChunkHold; released: number }[] = [];
  readonly slots: OpenSlot[];
  readonly inbox = new Inbox({
    clock: this.clock,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    sendAck: (list) => {
      for (const one of list) if ('upTo' in one) this.note(`ack of ${Buffer.from(one.sender)}`, one.upTo);
    },
  });

  constructor(configs: Config[]) {
    this.slots = configs.map((config, index) => this.#slot(config, index));
  }

  #slot(config: Config, index: number): OpenSlot {
    const slot: OpenSlot = new OpenSlot({
      id: index,
      pattern: PATTERNS[index]!,
      ...config,
      stallTimeout: 10_000,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      clock: this.clock,
      owner: {
        taken: () => this.inbox.taken(),
        gap: (_, missed, blame) => this.note(index, ['gap', missed, blame?.sender]),
        full: (crowded) => this.inbox.crowded(crowded),
        slow() {},
        left: (gone) => this.inbox.detach(gone),
        closed: (gone, unread) => {
          this.note(index, ['closed', unread]);
          this.inbox.remove(gone);
        },
      },
    });
    this.inbox.add(slot);
    slot.opened();
    return slot;
  }

  arrive(frames: Buffer[]): void {
    const chunk = Buffer.concat(frames);
    const held = {
      released: 0,
      hold: new ChunkHold(chunk, () => {
        held.released += 1;
        // whoever still needs it will see nonsense
        chunk.fill(0xff);
      }),
    };
    const { hold } = held;
    hold.messages += 1;
    this.holds.push(held);
    const walker = new FrameWalker();
    walker.begin(chunk, 0, chunk.length);
    while (walker.next()) {
      const from = this.inbox.take(walker, hold);
      if (walker.flags & Flag.ackSoon) this.inbox.hasten(from);
    }
    hold.letGo();
    this.inbox.flush();
  }

  /** How things are, and what happened since this was asked last. */
  takeState(): string {
    const slots = this.slots.map((slot) => [slot.info, slot.bytes, slot.waiting]);
    const happened = { ...this.log };
    for (const key of Object.keys(this.log)) delete this.log[key];
    const { highestOrder, messages } = this.inbox;
    return JSON.stringify({ slots, happened, highestOrder, messages }, (_, value) => value ?? 'undefined');
  }

  note(about: string | number, what: unknown): void {
    this.log[about] ??= [];
    this.log[about].push(what);
  }

  noteItem(index: number, item: object | undefined): void {
    if (item === undefined || 'gap' in item) return this.note(index, ['read', item]);
    const { subject, data, order, sequence, size, sender } = item as never;
    this.note(index, ['read', { subject, data: digest(data), order, sequence, size, sender }]);
  }
}

const digest = (data: unknown) => Buffer.from(encodeValue(data)).toString('hex');

/** Bytes of a message on `a` or `b` with a small number in it. */
const SMALL = 55;

function valueFor(random: SeededRandom, isUniform: boolean): unknown {
  if (isUniform) return random.below(24);
  const kind = random.below(6);
  if (kind === 0) return random.below(1_000);
  if (kind === 1) return 'x'.repeat(random.below(300));
  if (kind === 2) return { a: [random.below(9)] };
  return new Uint8Array(random.below(400)).fill(random.below(256));
}

function batchOf(
  [sender, sequence, order, subject]: [Buffer, number, number, string],
  random: SeededRandom,
  isUniform: boolean,
): { frame: Buffer; count: number } {
  const count = 1 + random.below(24);
  const values = Array.from({ length: count }, () => valueFor(random, isUniform));
  const flags = Flag.batch | (random.below(3) === 0 ? Flag.ackSoon : 0);
  const data = batchDataOf(values);
  const frame = encodeFrame({ kind: Kind.publish, flags, sender, sequence, order, time: 7, subject, data });
  return { frame, count };
}

const randomCapacity = (random: SeededRandom) =>
  random.below(2) === 0 ? 1_000_000 : 200 + random.below(3_000);

async function live(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  // messages of one size fill a slot to the last byte
  const isUniform = random.below(3) === 0;
  const configs = PATTERNS.map(() => ({
    capacity: 1 + random.below(20),
    capacityBytes: isUniform ? SMALL * (1 + random.below(15)) : randomCapacity(random),
    overflow: random.below(2) === 0 ? ('wait' as const) : ('drop-oldest' as const),
    gaps: random.below(2) === 0,
  }));
  const [batched, single] = [new Receiver(configs), new Receiver(configs)];
  const both = [batched, single];
  const sequences = SENDERS.map(() => 1);
  let order = 1;
  const kept: { message: { data: unknown; order: number }; like: { data: unknown; order: number } }[] = [];
  for (let step = 0; step < STEPS; step += 1) {
    const index = random.below(PATTERNS.length);
    const action = random.below(10);
    if (action < 4) {
      const frames = [];
      for (let left = random.below(3); left >= 0; left -= 1) {
        const who = random.below(SENDERS.length);
        const subject = ['a', 'b'][random.below(2)]!;
        const { frame, count } = batchOf([SENDERS[who]!, sequences[who]!, order, subject], random, isUniform);
        sequences[who]! += count;
        order += count;
        frames.push(frame);
      }
      batched.arrive(frames);
      single.arrive(frames.flatMap((frame) => splitBatch(frame, 0, frame.length)));
    } else if (action < 6) {
      for (let left = random.below(15); left >= 0; left -= 1) {
        for (const one of both) one.noteItem(index, await readNow(one.slots[index]!));
      }
    } else if (action === 6) {
      const [message, like] = both.map((one) => one.slots[index]!.peek());
      expect(message?.order).toBe(like?.order);
      if (message !== undefined) kept.push({ message, like: like! });
    } else if (action === 7) {
      const readers = 1 + random.below(2);
      for (const one of both) {
        const slot = one.slots[index]!;
        for (let left = readers; left > 0; left -= 1) {
          void slot.read().then(
            (item) => one.noteItem(index, item),
            (error) => one.note(index, error.code),
          );
        }
      }
    } else if (action === 8) {
      const missed = random.below(2) === 0 ? undefined : random.below(5) + 1;
      for (const one of both) one.slots[index]!.offerGap(missed);
    } else {
      const ms = random.below(2) * LAZY_ACK_DELAY;
      if (random.below(40) === 0) for (const one of both) await one.slots[index]!.close();
      for (const one of both) one.clock.advance(ms);
    }
    for (const one of both) one.clock.settle();
    // a read that was served takes a few turns of the microtask queue
    for (let turn = 0; turn < 8; turn += 1) await undefined;
    expect(batched.takeState()).toBe(single.takeState());
  }
  for (const { message, like } of kept)
    expect([message.data, message.order]).toEqual([like.data, like.order]);
  for (const one of both) for (const slot of one.slots) await slot.close();
  for (const one of both) one.clock.settle();
  expect(batched.takeState()).toBe(single.takeState());
  for (const [who, sender] of SENDERS.entries())
    expect(batched.inbox.records.find(sender)?.read ?? 0).toBe(sequences[who]! - 1);
  expect(new Set(batched.holds.map(({ hold, released }) => `${hold.messages} ${released}`))).toEqual(
    new Set(['0 1']),
  );
}

async function readNow(slot: OpenSlot): Promise<object | undefined> {
  try {
    return await slot.read({ timeout: 0 });
  } catch {
    return undefined;
  }
}

it('a slot that gets batches lives as one that gets their messages singly', async () => {
  for (let seed = 1; seed <= LIVES; seed += 1) {
    try {
      await live(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
