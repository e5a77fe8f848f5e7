// Data is held against the contract by its sender, its receiver or both, and what breaks it is told to the one who
// can do something about it.
import {
  type Bus,
  type ContractIssue,
  defineContract,
  MailslotError,
  type Message,
  message,
  openBus,
  query,
  type StandardSchema,
  type Validate,
} from 'mailslot';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { afterwards, busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually, isPending, takeData } from '../support/waiting.js';

/** Accepts what `isGood` says, a while later. */
function slowly<T>(isGood: (value: unknown) => boolean): StandardSchema<T> {
  const verdict = (value: unknown) =>
    isGood(value) ? { value: value as T } : { issues: [{ message: 'no good', path: [{ key: 'deep' }, 0] }] };
  const validate = async (value: unknown) => {
    for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
    return verdict(value);
  };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

const day = z.object({ day: z.string().transform((text) => new Date(text)) });
const contract = defineContract({
  'mail.zod': message(z.object({ from: z.object({ name: z.string() }), size: z.bigint() })),
  'mail.valibot': message(v.object({ from: v.object({ name: v.string() }), size: v.bigint() })),
  'mail.slow': message(slowly<number | string>((value) => typeof value === 'number')),
  'mail.odd': message({
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: () => {
        throw new Error('out of order');
      },
    },
  }),
  number: message(z.number()),
  'log.*': message(v.string()),
  day: message(day),
  'day.valibot': message(
    v.object({
      day: v.pipe(
        v.string(),
        v.transform((text) => new Date(text)),
      ),
    }),
  ),
  list: query(z.array(z.number()), z.number()),
  'math.half': query(z.number(), z.number().int()),
  'math.slow': query(
    slowly<number>((value) => typeof value === 'number'),
    slowly<number>((value) => Number.isInteger(value)),
  ),
  'day.next': query(day, day),
});

async function withContract<Mode extends Validate = 'both'>(
  directory: string,
  validate = 'both' as Mode,
  entries = contract,
) {
  const bus = await openBus('test', { directory, hostThread: 'inline', contract: entries, validate });
  afterwards(() => bus.close());
  return bus;
}

/** A bus whose peers use the contract as they are told, and one that knows of none. */
async function both() {
  const directory = busFolder();
  const bus = await withContract(directory);
  return { directory, bus, free: await joinBus(directory) };
}

/** The calls with arguments that the compiler would not let through. */
const untyped = (bus: object): Bus => bus as Bus;

const failure = (promise: Promise<unknown>): Promise<MailslotError> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => {
      expect(MailslotError.is(error)).toBe(true);
      return error as MailslotError;
    },
  );

const issuesOf = (error: MailslotError): ContractIssue[] => error.data as ContractIssue[];

describe('data that breaks the contract is refused by its sender', () => {
  it.each(['mail.zod', 'mail.valibot'])('with call, subject and path: %s', async (subject) => {
    const { bus, free } = await both();
    const slot = await free.subscribe('mail.*');
    const bad = { from: { name: 7 }, size: 1n };
    const error = await failure(untyped(bus).publish(subject, bad, { confirm: true }));
    expect(error.code).toBe('MAILSLOT_INVALID_OPTION');
    expect(error.retryable).toBe(false);
    expect(error.message).toMatch(new RegExp(`^publish: "${subject}" .* at data\\.from\\.name: `));
    expect(issuesOf(error)).toEqual([{ path: ['from', 'name'], message: expect.any(String) }]);
    await untyped(bus).publish(subject, { from: { name: 'ann' }, size: 1n }, { confirm: true });
    expect(slot.info.messageCount).toBe(1);
  });

  it('by query and queryAll, too', async () => {
    const { bus, free } = await both();
    let asked = 0;
    await free.respond('math.half', () => {
      asked += 1;
      return 1;
    });
    const error = await failure(untyped(bus).query('math.half', 'four'));
    expect([error.code, error.message.split(' at ')[0]]).toEqual([
      'MAILSLOT_INVALID_OPTION',
      'query: "math.half" breaks the contract',
    ]);
    expect(() => untyped(bus).queryAll('math.half', 'four')).toThrow('queryAll: "math.half" breaks');
    const replies = untyped(bus).queryAll('math.slow', 'four');
    expect((await failure(replies.next())).code).toBe('MAILSLOT_INVALID_OPTION');
    await bus.query('math.half', 4);
    expect(asked).toBe(1);
  });

  it('and a refusal that nobody awaits is an event', async () => {
    const { bus } = await both();
    const events = new EventLog(bus as Bus);
    void untyped(bus).publish('number', 'one');
    void untyped(bus).publish('mail.slow', 'one');
    void untyped(bus).publish('post.new', 'one');
    for (const subject of ['number', 'mail.slow', 'post.new']) {
      await events.first('publish-failed', (event) => event.subject === subject);
    }
  });

  it('when the validator throws', async () => {
    const { bus } = await both();
    const error = await failure(untyped(bus).publish('mail.odd', 1));
    expect(error.message).toContain('data: the validator threw: out of order');
  });

  it('with at most 16 of its issues', async () => {
    const directory = busFolder();
    const rows = defineContract({ rows: message(z.array(z.number())) });
    const bus = await openBus('test', { directory, hostThread: 'inline', contract: rows });
    afterwards(() => bus.close());
    const error = await failure(untyped(bus).publish('rows', Array(100).fill('x')));
    expect(issuesOf(error)).toHaveLength(16);
    expect(error.message).toContain('data[0]: ');
    expect(error.message).toContain('(and 15 more)');
  });
});

describe('subjects that the contract does not know are refused', () => {
  it('by every call', async () => {
    const { bus } = await both();
    const free = untyped(bus);
    const calls = [
      free.publish('post.new', 1),
      free.publish('math.half', 1),
      free.publish('log.a.b', 'x'),
      free.subscribe('post.*'),
      free.subscribe('math.>'),
      free.query('post.new'),
      free.query('number', 1),
      free.respond('post.*', () => 1),
    ];
    for (const call of calls) expect((await failure(call)).code).toBe('MAILSLOT_INVALID_SUBJECT');
    expect(() => free.queryAll('post.new')).toThrow('the contract of this bus has no query "post.new"');
  });

  it('but not where a pattern of the contract matches', async () => {
    const { bus } = await both();
    const slot = await bus.subscribe('log.web');
    await bus.publish('log.web', 'GET /');
    expect(await takeData(slot, 1)).toEqual(['GET /']);
  });
});

describe('a message that breaks the contract is dropped by its receiver', () => {
  it('and leaves a gap of one, in its place, that names the sender', async () => {
    const { bus, free } = await both();
    const events = new EventLog(bus as Bus);
    const slot = await bus.subscribe('number', { gaps: true });
    for (const data of [1, 'two', 3]) await free.publish('number', data);
    expect(await slot.read()).toMatchObject({ data: 1 });
    expect(await slot.read()).toEqual({ gap: { missed: 1 } });
    expect(await slot.read()).toMatchObject({ data: 3 });
    expect(slot.info).toMatchObject({ missed: 1, dropped: 0, messageCount: 0 });
    const gap = await events.first('gap');
    expect(gap).toMatchObject({ pattern: 'number', missed: 1, sender: free.id });
    expect(gap.reason).toMatch(/^"number" breaks the contract at data: /);
  });

  it('whatever way the slot is read', async () => {
    const { bus, free } = await both();
    const read = await bus.subscribe('number');
    const iterated = await bus.subscribe('number');
    const inBatches = await bus.subscribe('number');
    const consumed = await bus.subscribe('number');
    const handled: number[] = [];
    const slots = [read, iterated, inBatches, consumed];
    slots.push(await bus.subscribe('number', ({ data }) => handled.push(data)));
    for (const data of ['zero', 1, 'two', 3, {}]) await free.publish('number', data, { confirm: true });

    expect([await read.read(), await read.read()].map((got) => got?.data)).toEqual([1, 3]);
    const seen: number[] = [];
    for await (const { data } of iterated) if (seen.push(data) === 2) break;
    for await (const batch of inBatches.batches()) {
      seen.push(...batch.map(({ data }) => data));
      break;
    }
    const consuming = consumed.consume(({ data }) => seen.push(data), { concurrency: 2 });
    await free.publish('number', 5, { confirm: true });
    expect(await read.read()).toMatchObject({ data: 5 });
    for (const slot of slots) await slot.drain();
    await consuming;
    expect(seen).toEqual([1, 3, 1, 3, 1, 3, 5]);
    expect(handled).toEqual([1, 3, 5]);
    expect(read.info.missed).toBe(3);
  });

  it('while a read with a time-out goes on waiting, and no longer than it says', async () => {
    const { bus, free } = await both();
    const slot = await bus.subscribe('number');
    await free.publish('number', 'bad', { confirm: true });
    expect(await slot.read({ timeout: 0 })).toBeUndefined();
    expect(slot.info.missed).toBe(1);
    await free.publish('number', 'bad', { confirm: true });
    expect(await slot.read({ timeout: 20 })).toBeUndefined();
    const waiting = slot.read({ timeout: 10_000 });
    await free.publish('number', 'bad', { confirm: true });
    expect(await isPending(waiting)).toBe(true);
    await free.publish('number', 4);
    expect((await waiting)?.data).toBe(4);
  });

  it('without giving a read more time for each of them', async () => {
    const { bus, free } = await both();
    const slot = await bus.subscribe('number');
    const reading = slot.read({ timeout: 100 });
    while (await isPending(reading)) await free.publish('number', 'bad', { confirm: true });
    expect(await reading).toBeUndefined();
    expect(slot.info.missed).toBeGreaterThan(1);
  });

  it('on a subject of which the contract has no message', async () => {
    const { bus, free } = await both();
    const slot = await bus.subscribe('>');
    const events = new EventLog(bus as Bus);
    await free.publish('post.new', 1);
    await free.publish('number', 2);
    expect((await slot.read())?.data).toBe(2);
    expect(await events.first('gap')).toMatchObject({ missed: 1, sender: free.id });
  });

  it('and counts as taken', async () => {
    const { bus, free } = await both();
    await bus.subscribe('number', { capacity: 1 });
    expect(await free.publish('number', 'bad', { confirm: true })).toMatchObject({ receivers: 1 });
  });

  it('also where the validator is asynchronous', async () => {
    const { bus, free } = await both();
    const slot = await bus.subscribe('mail.slow');
    for (const data of ['one', 2, 'three', 4]) await free.publish('mail.slow', data);
    expect([(await slot.read())?.data, (await slot.read())?.data]).toEqual([2, 4]);
    expect(slot.info.missed).toBe(2);
  });
});

describe('what a schema makes of the data', () => {
  const birthday = { day: '2026-11-22' };

  it.each(['day', 'day.valibot'])('is seen by receivers, and not sent: %s', async (subject) => {
    const { bus, free } = await both();
    const slot = await untyped(bus).subscribe('>');
    const sent = await free.subscribe('>');
    await untyped(bus).publish(subject, birthday);
    expect(await takeData(slot, 1)).toEqual([{ day: new Date('2026-11-22') }]);
    expect(await takeData(sent, 1)).toEqual([birthday]);
  });

  it('is made once, also of a message that was peeked at', async () => {
    const { bus } = await both();
    const slot = await bus.subscribe('day');
    await bus.publish('day', birthday, { confirm: true });
    const expected = { day: new Date('2026-11-22') };
    expect([slot.peek()?.data, slot.peek()?.data]).toEqual([expected, expected]);
    expect((await slot.read())?.data).toEqual(expected);
  });

  it('cannot be peeked at when there is none', async () => {
    const { bus, free } = await both();
    const slot = await bus.subscribe('>');
    expect(slot.peek()).toBeUndefined();
    await free.publish('number', 'bad', { confirm: true });
    expect(() => slot.peek()).toThrow('peek: "number" of');
    expect(await slot.read({ timeout: 0 })).toBeUndefined();
    await free.publish('mail.slow', 1, { confirm: true });
    expect(() => slot.peek()).toThrow('asynchronous');
    expect((await slot.read())?.data).toBe(1);
  });

  it('is what handlers and askers see', async () => {
    const { directory, bus } = await both();
    await bus.respond('day.next', ({ data }) => {
      return { day: new Date(data.day.getTime() + 86_400_000).toISOString() };
    });
    const { data } = await bus.query('day.next', birthday);
    expect(data).toEqual({ day: new Date('2026-11-23') });
    const trusting = await withContract(directory, 'send');
    expect((await trusting.query('day.next', birthday)).data).toEqual({ day: '2026-11-23T00:00:00.000Z' });
  });
});

describe('who validates', () => {
  it("with 'send' takes everything that comes", async () => {
    const directory = busFolder();
    const bus = await withContract(directory, 'send');
    const free = await joinBus(directory);
    const slot = await bus.subscribe('>');
    await free.publish('number', 'bad');
    await free.publish('post.new', 1);
    expect(await takeData(slot, 2)).toEqual(['bad', 1]);
    expect((await failure(untyped(bus).publish('number', 'bad'))).code).toBe('MAILSLOT_INVALID_OPTION');
  });

  it("with 'receive' sends everything on the contract's subjects", async () => {
    const directory = busFolder();
    const bus = await withContract(directory, 'receive');
    const free = await joinBus(directory);
    const [own, others] = [await bus.subscribe('number'), await free.subscribe('number')];
    await untyped(bus).publish('number', 'bad');
    await bus.publish('number', 1);
    expect(await takeData(others, 2)).toEqual(['bad', 1]);
    expect((await own.read())?.data).toBe(1);
    expect((await failure(untyped(bus).publish('post.new', 1))).code).toBe('MAILSLOT_INVALID_SUBJECT');
  });
});

describe('an asynchronous validator', () => {
  it('keeps the order in which a program has published', async () => {
    const { bus, free } = await both();
    const slot = await free.subscribe('>');
    const refused = failure(untyped(bus).publish('mail.slow', 'bad'));
    const publishes: Promise<unknown>[] = [bus.publish('mail.slow', 1), bus.publish('number', 2)];
    publishes.push(bus.publish('mail.slow', 3), bus.publish('number', 4, { confirm: true }));
    expect(await takeData(slot, 4)).toEqual([1, 2, 3, 4]);
    await Promise.all(publishes);
    expect((await refused).message).toContain('at data.deep[0]: no good');
  });

  it('is waited for by drain', async () => {
    const { bus, free } = await both();
    const slot = await free.subscribe('>');
    for (const data of [1, 2]) void bus.publish('mail.slow', data);
    void bus.publish('number', 3);
    await bus.drain();
    expect(await takeData(slot, 3)).toEqual([1, 2, 3]);
  });

  it('is waited for by drain also where a handler publishes meanwhile', async () => {
    const { bus, free } = await both();
    const slot = await free.subscribe('mail.slow');
    let handle: (() => void) | undefined;
    await bus.subscribe('number', async () => {
      await new Promise<void>((resolve) => (handle = resolve));
      void bus.publish('mail.slow', 1);
    });
    await free.publish('number', 1);
    const go = await eventually(() => handle, 'the handler');
    const drained = bus.drain();
    await free.peers();
    go();
    await drained;
    expect(await takeData(slot, 1)).toEqual([1]);
  });

  it('that is none holds no query back: what is asked is what it was at the call', async () => {
    const { bus, free } = await both();
    await free.respond<number[]>('list', ({ data }) => data.length);
    const list = [1];
    const query = bus.query('list', list);
    list.push(2);
    expect((await query).data).toBe(1);
  });

  it('is waited for by query and respond', async () => {
    const { bus, free } = await both();
    await bus.respond('math.slow', ({ data }) => data / 2);
    expect((await bus.query('math.slow', 4)).data).toBe(2);
    expect((await failure(bus.query('math.slow', 3))).code).toBe('MAILSLOT_RESPONDER_FAILED');
    expect((await failure(free.query('math.slow', 'four'))).code).toBe('MAILSLOT_INVALID_OPTION');
    const replies: number[] = [];
    for await (const { data } of bus.queryAll('math.slow', 8)) replies.push(data);
    expect(replies).toEqual([4]);
  });
});

describe('a query that breaks the contract', () => {
  it("is not looked at by a responder with 'send'", async () => {
    const { directory, free } = await both();
    const trusting = await withContract(directory, 'send');
    await trusting.respond('math.half', ({ data }) => (typeof data === 'string' ? 1 : 2));
    expect((await free.query('math.half', 'four')).data).toBe(1);
  });

  it('and is cancelled while its question is validated is not handled', async () => {
    const { directory, free } = await both();
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let end = () => {};
    const schema: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async () => {
          begin();
          await new Promise<void>((resolve) => {
            end = resolve;
          });
          return { value: 1 };
        },
      },
    };
    const bus = await openBus('test', {
      directory,
      hostThread: 'inline',
      contract: defineContract({ 'wait.*': query(schema, schema) }),
    });
    afterwards(() => bus.close());
    let handled = 0;
    await bus.respond('wait.*', () => {
      handled += 1;
    });
    const controller = new AbortController();
    const asked = free.query('wait.one', 1, { signal: controller.signal });
    await begun;
    controller.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    // what the host was told before this answer, the responder has heard
    await free.peers();
    await bus.peers();
    end();
    await eventually(() => bus.stats().queries.answered === 1);
    expect(handled).toBe(0);
  });

  it('in its question is answered with an error, and no handler sees it', async () => {
    const { bus, free } = await both();
    let handled = 0;
    await bus.respond('math.*', () => {
      handled += 1;
      return 1;
    });
    const error = await failure(free.query('math.half', 'four'));
    expect(error.code).toBe('MAILSLOT_INVALID_OPTION');
    expect(error.message).toMatch(
      /^query: the question "math\.half" breaks the responder's contract at data: /,
    );
    expect(issuesOf(error)).toEqual([{ path: [], message: expect.any(String) }]);
    expect((await failure(free.query('math.double', 1))).code).toBe('MAILSLOT_INVALID_SUBJECT');
    expect(handled).toBe(0);
  });

  it('in its answer fails at the responder', async () => {
    const { bus, free } = await both();
    await bus.respond('math.half', ({ data }) => data / 2);
    const error = await failure(free.query('math.half', 3));
    expect([error.code, error.responderCode]).toEqual([
      'MAILSLOT_RESPONDER_FAILED',
      'MAILSLOT_INVALID_OPTION',
    ]);
    expect(error.message).toMatch(/^respond: the answer to "math\.half" breaks the contract at data: /);
    expect((await free.query('math.half', 4)).data).toBe(2);
  });

  it('in the answer of a peer without contract rejects at the asker', async () => {
    const { bus, free } = await both();
    await free.respond('math.half', () => 'two');
    const error = await failure(bus.query('math.half', 4));
    expect(error.code).toBe('MAILSLOT_RESPONDER_FAILED');
    expect(error.message).toContain(`query: the answer of ${free.id} to "math.half"`);
  });

  it('is told apart from a handler that throws, among many answers', async () => {
    const { bus, free } = await both();
    await free.respond('math.half', () => {
      throw new Error('no halves today');
    });
    for await (const { error } of bus.queryAll('math.half', 4))
      expect(error?.message).toBe('no halves today');
  });

  it('in one of many answers shows there as `error`', async () => {
    const { bus, free } = await both();
    await free.respond('math.half', () => 'two');
    await bus.respond('math.half', ({ data }) => data / 2);
    const replies: Message<number>[] = [];
    for await (const reply of bus.queryAll('math.half', 4)) replies.push(reply);
    const [good, bad] = replies.sort((a, b) => Number(a.error !== undefined) - Number(b.error !== undefined));
    expect(good).toMatchObject({ data: 2, error: undefined, sender: bus.id });
    expect(bad).toMatchObject({ data: undefined, sender: free.id });
    expect(bad?.error?.code).toBe('MAILSLOT_RESPONDER_FAILED');
  });
});

it('a will that breaks the contract is refused when its bus is opened', async () => {
  const directory = busFolder();
  const open = (will: { subject: string; data: unknown }) => openBus('test', { directory, contract, will });
  for (const subject of ['number', 'mail.slow'])
    await expect(open({ subject, data: 'text' })).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_OPTION' });
  await expect(open({ subject: 'no.such', data: 1 })).rejects.toMatchObject({
    code: 'MAILSLOT_INVALID_SUBJECT',
  });
  const bus = await open({ subject: 'number', data: 1 });
  await bus.close();
});

it('what a slow validator accepts goes out in its turn, and before a drain ends, though what came behind it was refused', async () => {
  const directory = busFolder();
  const verdicts = new Map<unknown, (isGood: boolean) => void>();
  const asked: StandardSchema<number> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value) => {
        const isGood = await new Promise<boolean>((resolve) => verdicts.set(value, resolve));
        return isGood ? { value: value as number } : { issues: [{ message: 'no good' }] };
      },
    },
  };
  const slow = defineContract({ asked: message(asked), number: message(z.number()) });
  const bus = await openBus('test', { directory, hostThread: 'inline', contract: slow, validate: 'send' });
  const other = await joinBus(directory);
  const slot = await other.subscribe<number>('*');
  const first = bus.publish('asked', 1);
  const second = bus.publish('asked', 2);
  verdicts.get(2)?.(false);
  await expect(second).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_OPTION' });
  const third = bus.publish('number', 3);
  const drained = bus.drain({ timeout: 60_000 });
  expect(await isPending(drained)).toBe(true);
  verdicts.get(1)?.(true);
  await Promise.all([first, third, drained]);
  expect(await takeData(slot, 2)).toEqual([1, 3]);
});

it('a question that is refused and never asked for is no unhandled rejection', async () => {
  const bus = await openBus('test', { directory: busFolder(), hostThread: 'inline', contract });
  afterwards(() => bus.close());
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  afterwards(() => process.off('unhandledRejection', note));
  bus.queryAll('math.slow', 'four' as never);
  bus.queryStream('math.slow', 'four' as never);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});
