// The answering side by itself: what is sent, and when.
import { beforeEach, expect, it } from 'vitest';
import { MailslotError } from '../../src/errors.js';
import { MAX_FRAME_BYTES } from '../../src/limits.js';
import { Responders } from '../../src/peer/responder.js';
import { Deadlines } from '../../src/util/deadlines.js';
import { readControl } from '../../src/wire/control.js';
import { encodeFrame, Flag, Kind, readFlags, readRef, readTail } from '../../src/wire/frame.js';
import { peerIdAt } from '../../src/wire/peer-id.js';
import { decodeValue, encodeValue } from '../../src/wire/values.js';
import { ManualClock } from '../support/manual-clock.js';

const asker = Buffer.from('an asker');

let clock: ManualClock;
let responders: Responders;
/** [ref, answer or error code] */
let sent: [number, unknown][];

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  responders = new Responders({
    clock,
    deadlines: new Deadlines(clock),
    peerId: peerIdAt(Buffer.from('answerer'), 0),
    maxMessageBytes: 10_000,
    send: (frame) => {
      const { data } = readTail(frame, 0, frame.length);
      const isError = readFlags(frame, 0) & Flag.error;
      const answer = isError
        ? readControl('error REPLY', frame, 0, frame.length).code
        : decodeValue(frame, data, frame.length);
      sent.push([readRef(frame, 0), answer]);
      return true;
    },
    onClosed() {},
  });
});

function ask(id: number, value: unknown, ttl = 1_000): void {
  const data = Buffer.from(encodeValue(value));
  const frame = encodeFrame({ kind: Kind.query, sender: asker, sequence: id, subject: 'q', ttl, data });
  responders.takeQuery(frame, 0, frame.length);
}

const microtasks = () => new Promise((resolve) => setImmediate(resolve));

it('what a handler answers at once is sent before anything else runs', () => {
  responders.add(1, 'q', ({ data }) => (data as number) * 2, 1);
  for (let id = 1; id <= 3; id += 1) ask(id, id);
  expect(sent).toEqual([
    [1, 2],
    [2, 4],
    [3, 6],
  ]);
  expect([responders.answered, clock.timers]).toEqual([3, 0]);
});

it('CREDIT and CANCEL that name no query end the link', () => {
  const [credit, cancel] = [Kind.credit, Kind.cancel].map((kind) =>
    encodeFrame({ kind, sender: asker, data: Buffer.from(encodeValue(1)) }),
  );
  expect(() => responders.takeCredit(credit!, 0, credit!.length)).toThrow('CREDIT lacks `ref`');
  expect(() => responders.cancel(cancel!, 0)).toThrow('CANCEL lacks `ref`');
});

it('what a handler throws at once is sent as quickly', () => {
  responders.add(
    1,
    'q',
    () => {
      throw new Error('no');
    },
    1,
  );
  ask(1, 1);
  expect(sent).toEqual([[1, 'MAILSLOT_RESPONDER_FAILED']]);
});

it('a handler that is later than its deadline answers nobody', async () => {
  let answer: (value: unknown) => void = () => {};
  const signals: AbortSignal[] = [];
  responders.add(
    1,
    'q',
    (_, { signal }) => {
      signals.push(signal);
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
    1,
  );
  ask(1, 1, 500);
  clock.advance(499);
  expect(signals[0]!.aborted).toBe(false);
  clock.advance(1);
  expect(signals[0]!.reason).toMatchObject({ code: 'MAILSLOT_TIMEOUT' });
  answer('too late');
  await microtasks();
  expect(sent).toEqual([]);
  await responders.whenIdle();
  expect(clock.timers).toBe(0);
});

it('a question that waits for its turn has its deadline from the moment it came', async () => {
  const deadlines: number[] = [];
  const ends: (() => void)[] = [];
  const handler = (_: unknown, { deadline }: { deadline: number }): Promise<void> => {
    deadlines.push(deadline);
    return new Promise((resolve) => ends.push(resolve));
  };
  responders.add(1, 'q', handler, 1);
  const start = clock.wallTime();
  ask(1, 1);
  ask(2, 2);
  clock.advance(300);
  ends[0]!();
  await microtasks();
  expect(deadlines).toEqual([start + 1_000, start + 1_000]);
  ends[1]!();
  await responders.whenIdle();
});

it('an error whose data has no room in a reply is sent without it', async () => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 64; depth += 1) deep = [deep];
  const failure = Object.assign(new Error('no'), { data: deep });
  responders.add(
    1,
    'q',
    ({ data }) => {
      if (data === 'at once') throw failure;
      return Promise.reject(failure);
    },
    1,
  );
  ask(1, 'at once');
  ask(2, 'later');
  await responders.whenIdle();
  expect(sent).toEqual([
    [1, 'MAILSLOT_RESPONDER_FAILED'],
    [2, 'MAILSLOT_RESPONDER_FAILED'],
  ]);
});

it('an answer that cannot be sent is told as that, and an error of the same code that the handler met is not', () => {
  const met = new MailslotError('MAILSLOT_NOT_ENCODABLE', 'publish: data holds a function');
  responders.add(
    1,
    'q',
    ({ data }) => {
      if (data === 'met') throw met;
      return data === 'function' ? () => {} : new Uint8Array(MAX_FRAME_BYTES + 1);
    },
    1,
  );
  for (const [index, what] of ['met', 'function', 'too much'].entries()) ask(index, what);
  expect(sent).toEqual([
    [0, 'MAILSLOT_RESPONDER_FAILED'],
    [1, 'MAILSLOT_NOT_ENCODABLE'],
    [2, 'MAILSLOT_MESSAGE_TOO_LARGE'],
  ]);
});
