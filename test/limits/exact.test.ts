// PROMISES.md P3: one below a limit and the limit itself pass, one above gets the typed error, and the link goes on.
import { type Bus, MailslotError, type MailslotErrorCode, openBus } from 'mailslot';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  MAX_FRAME_BYTES,
  MAX_HEADERS,
  MAX_HEADERS_BYTES,
  MAX_KEY_BYTES,
  MAX_LABEL_BYTES,
  MAX_OPEN_QUERIES,
  MAX_SUBJECT_BYTES,
  MAX_SUBSCRIPTIONS_PER_PEER,
  MAX_VALUE_DEPTH,
  MAX_VALUE_ITEMS,
  OUTBOX_WINDOWS,
  WINDOW_BYTES_MIN,
} from '../../src/limits.js';
import { readControl } from '../../src/wire/control.js';
import { Kind } from '../../src/wire/frame.js';
import { rawPeer } from '../support/raw-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually, take } from '../support/waiting.js';

const LIMIT = 2_048;

let directory: string;
let alice: Bus;
let bob: Bus;
let events: EventLog[];

beforeEach(async () => {
  directory = busFolder();
  alice = await joinBus(directory, { hostThread: 'inline', maxMessageBytes: LIMIT });
  bob = await joinBus(directory, { hostThread: 'inline', maxMessageBytes: LIMIT });
  events = [new EventLog(alice), new EventLog(bob)];
});

afterEach(async () => {
  await using slot = await bob.subscribe<string>('still.there');
  await alice.publish('still.there', 'yes');
  expect((await take(slot, 1))[0]?.data).toBe('yes');
  expect(events.flatMap((log) => log.of('disconnected'))).toEqual([]);
});

async function fails(call: Promise<unknown>, code: MailslotErrorCode, message: RegExp): Promise<void> {
  const error = await call.then(
    () => 'nothing failed',
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'MailslotError', code, message: expect.stringMatching(message) });
  expect(MailslotError.is(error, code)).toBe(true);
}

/** Bytes of data with which a message on `subject` has exactly so many bytes as a frame. */
async function dataFor(subject: string, frameBytes: number): Promise<Uint8Array> {
  await using slot = await bob.subscribe(subject);
  await alice.publish(subject, new Uint8Array(1_000), { confirm: true });
  return new Uint8Array(frameBytes - slot.info.nextBytes! + 1_000);
}

describe('maxMessageBytes', () => {
  // with options, and the first time on a subject, another piece of code checks it
  it.each([
    ['a', undefined],
    ['a', {}],
    ['b', undefined],
  ])('is the size of the largest frame that is published, on %s with %j', async (subject, options) => {
    const data = await dataFor('a', LIMIT);
    await using slot = await bob.subscribe<Uint8Array>(subject);
    await alice.publish(subject, data, options);
    await alice.publish(subject, data.subarray(1), options);
    await fails(
      alice.publish(subject, new Uint8Array(data.length + 1), options),
      'MAILSLOT_MESSAGE_TOO_LARGE',
      /^publish: the message for "[ab]" has 2049 bytes, more than maxMessageBytes of 2048; /,
    );
    await alice.publish(subject, 'after');
    const lengths = (await take(slot, 3)).map((message) => message.data.length);
    expect(lengths).toEqual([data.length, data.length - 1, 'after'.length]);
  });

  it('holds for queries', async () => {
    await using _responder = await bob.respond<Uint8Array>('q', ({ data }) => data.length);
    const sizeOf = async (length: number) => (await alice.query('q', new Uint8Array(length))).data;
    let length = LIMIT - 100;
    while (
      await sizeOf(length + 1).then(
        () => true,
        () => false,
      )
    )
      length += 1;
    await fails(
      sizeOf(length + 1),
      'MAILSLOT_MESSAGE_TOO_LARGE',
      /^query: the message for "q" has 2049 bytes/,
    );
    expect(await sizeOf(length)).toBe(length);
  });

  it('holds for answers, on the side of the responder', async () => {
    await using _responder = await bob.respond<number>('q', ({ data }) => new Uint8Array(data));
    const answer = async (length: number) => (await alice.query<Uint8Array>('q', length)).data.length;
    let length = LIMIT - 100;
    while (
      await answer(length + 1).then(
        () => true,
        () => false,
      )
    )
      length += 1;
    await fails(
      answer(length + 1),
      'MAILSLOT_MESSAGE_TOO_LARGE',
      /the answer has 2049 bytes, more than the responder/,
    );
    expect(await answer(length)).toBe(length);
  });

  it('of the asker holds for answers it gets', async () => {
    const carol = await joinBus(directory, { maxMessageBytes: 2 * LIMIT });
    await using _responder = await carol.respond<number>('q', ({ data }) => new Uint8Array(data));
    await fails(
      alice.query('q', LIMIT),
      'MAILSLOT_MESSAGE_TOO_LARGE',
      /^query: the answer to "q" has \d+ bytes/,
    );
    const outcomes = [];
    for await (const { error } of alice.queryAll('q', LIMIT)) outcomes.push(error?.code);
    expect(outcomes).toEqual(['MAILSLOT_MESSAGE_TOO_LARGE']);
  });

  it('of a responder holds for queries it gets', async () => {
    const carol = await joinBus(directory, { maxMessageBytes: 2 * LIMIT });
    await using _responder = await bob.respond('q', () => 'read');
    await fails(
      carol.query('q', new Uint8Array(LIMIT)),
      'MAILSLOT_MESSAGE_TOO_LARGE',
      /^query: \d+ bytes exceed the responder/,
    );
  });

  it('of a receiver makes a gap of one that names the sender; others get the message', async () => {
    const carol = await joinBus(directory, { maxMessageBytes: 2 * LIMIT });
    await using small = await bob.subscribe<Uint8Array>('a', { gaps: true });
    await using large = await carol.subscribe<Uint8Array>('a');
    const data = await dataFor('a', LIMIT);
    for (const length of [data.length, data.length + 1, 1]) {
      await carol.publish('a', new Uint8Array(length), { confirm: true });
    }
    const items = [await small.read(), await small.read(), await small.read(), await small.read()];
    // the first one is that of dataFor
    expect(items.slice(1).map((item) => (item && 'gap' in item ? item : item?.data.length))).toEqual([
      data.length,
      { gap: { missed: 1 } },
      1,
    ]);
    expect(small.info).toMatchObject({ missed: 1, dropped: 0 });
    expect(events[1]!.of('gap')).toMatchObject([
      {
        pattern: 'a',
        missed: 1,
        sender: carol.id,
        reason: expect.stringMatching(/2049 bytes exceed .* of 2048/),
      },
    ]);
    expect((await take(large, 4)).length).toBe(4);
  });

  it('is at most 64 MiB, and such a message passes whole', { timeout: 60_000 }, async () => {
    const options = { maxMessageBytes: MAX_FRAME_BYTES, hostThread: 'inline', timeout: 15_000 } as const;
    const carol = await joinBus(directory, options);
    await using slot = await carol.subscribe<Uint8Array>('huge');
    // a few bytes more than go beside the data, so that the largest size is found from above
    const head = 59;
    let data = new Uint8Array(MAX_FRAME_BYTES - head);
    await fails(
      carol.publish('huge', new Uint8Array(MAX_FRAME_BYTES)),
      'MAILSLOT_MESSAGE_TOO_LARGE',
      /publish/,
    );
    while ((await tooLarge(carol, data)) === true) data = data.subarray(1);
    const message = await slot.read({ timeout: 50_000 });
    expect(slot.info.missed).toBe(0);
    expect(message?.data.length).toBe(data.length);
    expect(await tooLarge(carol, new Uint8Array(data.length + 1))).toBe(true);
    await fails(carol.query('huge', new Uint8Array(data.length)), 'MAILSLOT_MESSAGE_TOO_LARGE', /^query: /);
    expect(carol.state).toBe('connected');
  });

  async function tooLarge(bus: Bus, data: Uint8Array): Promise<boolean> {
    return bus.publish('huge', data).then(
      () => false,
      (error: unknown) => MailslotError.is(error, 'MAILSLOT_MESSAGE_TOO_LARGE'),
    );
  }
});

describe('subjects', () => {
  it.each([MAX_SUBJECT_BYTES - 1, MAX_SUBJECT_BYTES])('of %i bytes pass everywhere', async (length) => {
    const subject = `${'s'.repeat(length - 2)}.x`;
    await using slot = await bob.subscribe<number>(subject);
    await using _responder = await bob.respond(subject, () => 'answer');
    await alice.publish(subject, 1);
    expect((await take(slot, 1))[0]?.subject).toBe(subject);
    expect((await alice.query(subject)).data).toBe('answer');
  });

  const wrong: Record<string, [string, RegExp]> = {
    'one byte too long': ['s'.repeat(MAX_SUBJECT_BYTES + 1), /has 256 characters of at most 255/],
    empty: ['', /is empty/],
    'with an empty token': ['a..b', /is "a..b"/],
    'with a blank': ['a b', /is "a b"/],
    'not in ASCII': ['ä', /is "ä"/],
    'of the bus itself': ['$peers', /begins with \$/],
    'of the wrong type': [7 as unknown as string, /is of the type number/],
  };
  it.each(Object.entries(wrong))('%s are refused by every call', async (_, [subject, found]) => {
    const named = (call: string) => new RegExp(`^${call}: the (?:subject|pattern) .*${found.source}.*; `);
    const code = 'MAILSLOT_INVALID_SUBJECT';
    await fails(alice.publish(subject, 1), code, named('publish'));
    await fails(alice.query(subject), code, named('query'));
    await fails(alice.subscribe(subject), code, named('subscribe'));
    await fails(
      alice.respond(subject, () => 1),
      code,
      named('respond'),
    );
    await fails((async () => alice.queryAll(subject))(), code, named('queryAll'));
  });

  it.each(['a.>.b', '>.a', 'a*', '*a.b', '**'])('pattern %s is refused', async (pattern) => {
    await fails(
      alice.subscribe(pattern),
      'MAILSLOT_INVALID_SUBJECT',
      /^subscribe: the pattern is ".*"; patterns are/,
    );
    await fails(
      alice.respond(pattern, () => 1),
      'MAILSLOT_INVALID_SUBJECT',
      /^respond: the pattern/,
    );
  });

  it.each(['a.*', '>'])('to publish on pattern %s is refused', async (pattern) => {
    await fails(alice.publish(pattern, 1), 'MAILSLOT_INVALID_SUBJECT', /^publish: the subject is/);
    await fails(alice.query(pattern, 1), 'MAILSLOT_INVALID_SUBJECT', /^query: the subject is/);
  });
});

describe('headers', () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, `${i}`]));
  /** Encoded: two bytes of name, three in front of the value. */
  const long = (bytes: number) => ({ h: 'x'.repeat(bytes - 5) });

  it.each([
    ['31 of them', many(MAX_HEADERS - 1)],
    ['32 of them', many(MAX_HEADERS)],
    ['4,095 bytes', long(MAX_HEADERS_BYTES - 1)],
    ['4,096 bytes', long(MAX_HEADERS_BYTES)],
    ['text of any kind', { 'ä ö': '\u0000😀', __proto__: 'x', '': '' }],
  ])('%s pass', async (_, headers: Record<string, string>) => {
    const carol = await joinBus(directory);
    const dave = await joinBus(directory);
    await using slot = await dave.subscribe('a');
    await using _responder = await dave.respond('q', (message) => message.headers);
    await carol.publish('a', 1, { headers });
    expect((await take(slot, 1))[0]?.headers).toEqual(headers);
    expect((await carol.query('q', 1, { headers })).data).toEqual(headers);
  });

  it.each<[string, unknown, MailslotErrorCode, RegExp]>([
    [
      '33 of them',
      many(MAX_HEADERS + 1),
      'MAILSLOT_INVALID_OPTION',
      /33 headers of \d+ bytes; at most 32 of 4096/,
    ],
    [
      '4,097 bytes',
      long(MAX_HEADERS_BYTES + 1),
      'MAILSLOT_INVALID_OPTION',
      /1 headers of 4097 bytes; at most/,
    ],
    ['a list', ['a'], 'MAILSLOT_INVALID_OPTION', /`headers` is object; it takes an object of texts/],
    ['a text', 'a', 'MAILSLOT_INVALID_OPTION', /`headers` is "a"; it takes an object of texts/],
    [
      'a number in them',
      { a: 1 },
      'MAILSLOT_NOT_ENCODABLE',
      /header "a" is 1; headers are well-formed texts/,
    ],
    [
      'with half a character as a value',
      { a: '\ud800' },
      'MAILSLOT_NOT_ENCODABLE',
      /header "a" is .*; headers are well-formed/,
    ],
  ])('headers with %s are refused', async (_, headers, code, message) => {
    const options = { headers: headers as Record<string, string> };
    await fails(alice.publish('a', 1, options), code, new RegExp(`^publish: .*${message.source}`));
    await fails(alice.query('a', 1, options), code, new RegExp(`^query: .*${message.source}`));
  });
});

describe('labels', () => {
  it.each(['x'.repeat(MAX_LABEL_BYTES), 'é'.repeat(MAX_LABEL_BYTES / 2)])(
    'of 128 bytes pass',
    async (label) => {
      await joinBus(directory, { label });
      expect((await alice.peers()).map((peer) => peer.label)).toContain(label);
    },
  );

  it.each(['x'.repeat(MAX_LABEL_BYTES + 1), `${'é'.repeat(MAX_LABEL_BYTES / 2)}x`, '\ud800', 7, null])(
    'that are longer or no texts are refused',
    async (label) => {
      const opening = openBus('test', { directory, label: label as string });
      await fails(
        opening,
        'MAILSLOT_INVALID_OPTION',
        /^openBus: `label` is .*; it takes a well-formed text of at most 128/,
      );
    },
  );
});

describe('values', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 0 : [nested(depth - 1)]);
  const passing: Record<string, unknown> = {
    'nested 63 deep': nested(MAX_VALUE_DEPTH - 1),
    'nested 64 deep': nested(MAX_VALUE_DEPTH),
    'with a key of 255 bytes': { ['k'.repeat(MAX_KEY_BYTES - 1)]: 1 },
    'with a key of 256 bytes': { ['k'.repeat(MAX_KEY_BYTES)]: 1 },
    'with a bigint of 64 bytes': 2n ** 512n - 1n,
  };
  it.each(Object.entries(passing))('%s pass', async (_, value) => {
    await using slot = await bob.subscribe('a');
    await alice.publish('a', value);
    expect((await take(slot, 1))[0]?.data).toEqual(value);
  });

  const cycle: unknown[] = [];
  cycle.push(cycle);
  const refused: Record<string, [unknown, RegExp]> = {
    'nested 65 deep': [nested(MAX_VALUE_DEPTH + 1), /deep/],
    'with a key of 257 bytes': [
      { ['k'.repeat(MAX_KEY_BYTES + 1)]: 1 },
      /is a key of 257 bytes; keys have at most 256/,
    ],
    'with a bigint of 65 bytes': [
      { n: 2n ** 512n },
      /data\.n is a bigint of more than 64 bytes; send it as text/,
    ],
    'of more than 1 Mi items': [new Array(MAX_VALUE_ITEMS).fill(0), /above 1048576 items; send it in parts/],
    'with a function': [{ a: [() => {}] }, /data\.a\[0\] is a function; send what it returns/],
    'with a symbol': [Symbol('s'), /data is a symbol; /],
    'with a cycle': [cycle, /itself|cycle/],
    'with a Promise': [{ p: Promise.resolve() }, /data\.p is of the kind Promise; /],
    'with an Error': [new Error('x'), /data is of the kind Error; /],
    'with a WeakMap': [new WeakMap(), /kind WeakMap/],
    'with an invalid Date': [new Date(Number.NaN), /is an invalid Date; send undefined/],
    'with half a character': ['\udc00', /half of a surrogate pair; /],
    'with a getter that throws': [
      {
        get a() {
          throw new Error('no');
        },
      },
      /cannot be read; see the cause/,
    ],
    'with a key __proto__': [JSON.parse('{"__proto__":1}'), /would replace a prototype; use another key/],
  };
  it.each(Object.entries(refused))('%s are refused before anything is sent', async (_, [value, message]) => {
    await using slot = await bob.subscribe('>');
    const code = 'MAILSLOT_NOT_ENCODABLE';
    await fails(alice.publish('a', value), code, new RegExp(`^publish: .*${message.source}`));
    await fails(alice.publish('a', value), code, message);
    await fails(alice.query('a', value), code, new RegExp(`^query: .*${message.source}`));
    await fails((async () => alice.queryAll('a', value))(), code, /^queryAll: /);
    await using _responder = await bob.respond('q', () => value);
    await fails(alice.query('q'), code, new RegExp(`^respond: .*${message.source}`));
    await alice.publish('a', 'after');
    expect((await take(slot, 1))[0]?.data).toBe('after');
  });
});

describe('an error that a handler throws', () => {
  const hostile = Object.defineProperty(new Error('x'), 'data', {
    get() {
      throw new Error('no');
    },
  });
  it.each<[string, unknown, string]>([
    ['half a character', new Error('a\ud800'), 'a\ufffd'],
    ['no text at all', Object.create(null), 'the handler threw something that has no text'],
    ['a text', 'plainly', 'plainly'],
    ['nothing', undefined, 'undefined'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['a property that throws', hostile, 'x'],
    ['data that cannot be sent', Object.assign(new Error('x'), { data: () => {} }), 'x'],
    ['data over the limit', Object.assign(new Error('x'), { data: 'd'.repeat(LIMIT) }), 'x'],
  ])('with %s reaches the asker', async (_, thrown, message) => {
    await using _responder = await bob.respond('q', () => {
      throw thrown;
    });
    await expect(alice.query('q')).rejects.toMatchObject({ code: 'MAILSLOT_RESPONDER_FAILED', message });
  });

  it('with a text of 10 MiB reaches the asker, cut between characters', async () => {
    const [carol, dave] = [await joinBus(directory), await joinBus(directory)];
    await using _responder = await carol.respond('q', () => {
      throw Object.assign(new Error(`x${'é'.repeat(5 * 2 ** 20)}`), { code: 'E'.repeat(999) });
    });
    const error = (await dave.query('q').catch((reason: unknown) => reason)) as MailslotError;
    expect(error.code).toBe('MAILSLOT_RESPONDER_FAILED');
    expect(error.message).toBe(`x${'é'.repeat(2 ** 15 - 1)}`);
    expect(error.responderCode).toBe('E'.repeat(128));
  });
});

describe('what is open at the same time', () => {
  it('16,384 slots and responders of one peer, and no more', { timeout: 60_000 }, async () => {
    // one more is that of the events, one the responder
    const slots = await Promise.all(
      Array.from({ length: MAX_SUBSCRIPTIONS_PER_PEER - 2 }, (_, i) => bob.subscribe(`many.n${i}`)),
    );
    await using _responder = await bob.respond('many.q', () => 'answer');
    const full = /^subscribe: 16384 slots and responders are open in this peer; close some/;
    await fails(bob.subscribe('one.more'), 'MAILSLOT_QUOTA_EXCEEDED', full);
    await fails(
      bob.respond('one.more', () => 1),
      'MAILSLOT_QUOTA_EXCEEDED',
      /^respond: 16384 slots/,
    );
    await slots[0]?.close();
    await using slot = await bob.subscribe<number>('one.more');
    await alice.publish('one.more', 1);
    expect((await take(slot, 1))[0]?.data).toBe(1);
    await Promise.all(slots.map((one) => one.close()));
  });

  it('16,384 queries of one peer at the host; further ones are answered with an error', {
    timeout: 60_000,
  }, async () => {
    await using _responder = await bob.respond('q', () => new Promise(() => {}), { concurrency: 1 });
    const peer = await rawPeer(directory);
    const query = (sequence: number) => peer.frame(Kind.query, { subject: 'q', sequence, ttl: 60_000 });
    for (let id = 1; id <= MAX_OPEN_QUERIES; id += 1) peer.write(query(id));
    await peer.isServed();
    expect(peer.frames.filter(({ kind }) => kind === Kind.reply)).toEqual([]);
    peer.write(query(MAX_OPEN_QUERIES + 1));
    const { bytes } = await peer.reply(MAX_OPEN_QUERIES + 1);
    expect(readControl('error REPLY', bytes, 0, bytes.length)).toMatchObject({
      code: 'MAILSLOT_QUOTA_EXCEEDED',
      message: expect.stringMatching(/^query: 16384 queries of this peer are open; await some/),
    });
    peer.destroy();
    await eventually(async () => (await alice.peers()).length === 2, 'its leaving');
  });

  it('more queries of a Bus than that wait, and all are answered', { timeout: 60_000 }, async () => {
    await using _responder = await bob.respond<number>('q', ({ data }) => data);
    const count = MAX_OPEN_QUERIES + 1_000;
    const asked = Array.from({ length: count }, (_, i) => alice.query<number>('q', i, { timeout: 50_000 }));
    const answers = await Promise.all(asked);
    expect(answers.every(({ data }, i) => data === i)).toBe(true);
  });

  it('as many publishes without await as four windows hold beside the one under way, and no more', async () => {
    const carol = await joinBus(directory, { windowBytes: WINDOW_BYTES_MIN });
    await using slot = await bob.subscribe<Uint8Array>('a', { capacity: 1 });
    const data = new Uint8Array(1_000);
    const outcomes = await Promise.all(
      Array.from({ length: 400 }, (_, i) => {
        const published = carol.publish('a', data);
        if (i === 399) void slot.consume(() => {}).catch(() => {});
        return published.then(
          () => 'admitted',
          (error: unknown) => error,
        );
      }),
    );
    const refused = outcomes.filter((outcome) => outcome !== 'admitted');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({
      code: 'MAILSLOT_OUTBOX_FULL',
      retryable: true,
      message: expect.stringMatching(
        /^publish: \d+ messages \(\d+ bytes\) wait for room already; await publish\(\)/,
      ),
    });
    const room = (1 + OUTBOX_WINDOWS) * WINDOW_BYTES_MIN;
    expect(400 - refused.length).toBeGreaterThan(room / 1_100 - 2);
    expect(400 - refused.length).toBeLessThan(room / 1_000);
  });
});
