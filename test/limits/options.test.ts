// Every call that takes options, with each of them wrong: MAILSLOT_INVALID_OPTION, saying which call, which option,
// what was found and what it takes; and the call does nothing. Bounds are exact.
import { type Bus, openBus, type Slot, startHost } from 'mailslot';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  MAX_FRAME_BYTES,
  MAX_TIMEOUT,
  STALL_TIMEOUT_MAX,
  WINDOW_BYTES_MAX,
  WINDOW_BYTES_MIN,
} from '../../src/limits.js';
import { busFolder, joinBus } from '../support/scratch.js';

let directory: string;
let bus: Bus;
let slot: Slot;

beforeEach(async () => {
  directory = busFolder();
  bus = await joinBus(directory, { hostThread: 'inline' });
  slot = await bus.subscribe('s');
});

/** These options, in a folder of this test where they say nothing else; what is no object stays as it is. */
const within = (options: object) =>
  typeof options === 'object' && options !== null ? { directory, ...options } : options;

type Call = (options: never) => unknown;

const calls: Record<string, Call> = {
  openBus: (options: object) => openBus('test', within(options)),
  startHost: (options: object) => startHost('other', within(options)),
  publish: (options) => bus.publish('a', 1, options),
  subscribe: (options) => bus.subscribe('a', options),
  'subscribe with a handler': (options) => bus.subscribe('a', () => {}, options),
  query: (options) => bus.query('a', 1, options),
  queryAll: async (options) => bus.queryAll('a', 1, options),
  queryStream: async (options) => bus.queryStream('a', 1, options),
  respond: (options) => bus.respond('a', () => 1, options),
  claim: (options) => bus.claim('a', options),
  events: async (options) => bus.events(options),
  drain: (options) => bus.drain(options),
  read: (options) => slot.read(options),
  consume: (options) => slot.consume(() => {}, options),
};

/** Per call and option: what is below, what is above, and what is no number at all, or the wrong words. */
const numbers: [call: string, option: string, min: number, max: number][] = [
  ['openBus', 'timeout', 1, MAX_TIMEOUT],
  ['openBus', 'reconnectTimeout', 1, MAX_TIMEOUT],
  ['openBus', 'windowBytes', WINDOW_BYTES_MIN, WINDOW_BYTES_MAX],
  ['openBus', 'maxMessageBytes', 1_024, MAX_FRAME_BYTES],
  ['startHost', 'timeout', 1, MAX_TIMEOUT],
  ['subscribe', 'capacity', 1, Number.MAX_SAFE_INTEGER],
  ['subscribe', 'capacityBytes', 1, Number.MAX_SAFE_INTEGER],
  ['subscribe', 'stallTimeout', 1, STALL_TIMEOUT_MAX],
  ['query', 'timeout', 1, MAX_TIMEOUT],
  ['queryAll', 'timeout', 1, MAX_TIMEOUT],
  ['queryStream', 'timeout', 1, MAX_TIMEOUT],
  ['queryAll', 'max', 1, Number.MAX_SAFE_INTEGER],
  ['respond', 'concurrency', 1, Number.MAX_SAFE_INTEGER],
  ['drain', 'timeout', 0, MAX_TIMEOUT],
  ['read', 'timeout', 0, MAX_TIMEOUT],
  ['publish', 'ttl', 1, 2 ** 32 - 1],
  ['consume', 'concurrency', 1, Number.MAX_SAFE_INTEGER],
];

const others: [call: string, option: string, wrong: unknown[]][] = [
  ['openBus', 'host', ['always', '', null, 1]],
  ['openBus', 'hostThread', ['process', null]],
  ['openBus', 'directory', [7, null, {}, '\ud800', 'd'.repeat(5_000)]],
  ['startHost', 'hostThread', ['none', 1]],
  ['startHost', 'directory', [7, null]],
  ['publish', 'confirm', ['yes', 1, null]],
  ['publish', 'echo', ['no', 0, null]],
  ['publish', 'retain', ['yes', 1, null]],
  ['publish', 'to', ['somebody', 7, null, '0123456789ABCDEF']],
  ['publish', 'headers', [7, 'a', null, ['a']]],
  ['subscribe', 'overflow', ['drop', null, 1]],
  ['subscribe', 'group', ['', 'a b', '-a', 'g'.repeat(33), 7, null]],
  ['subscribe', 'retained', ['no', 0, null]],
  ['subscribe', 'gaps', ['yes', 1, null]],
  ['query', 'to', ['somebody', 7, null]],
  ['query', 'headers', [7, null]],
  ['queryAll', 'headers', [7, null]],
  ['queryStream', 'headers', [7, null]],
  ['queryStream', 'to', ['somebody', 7, null]],
  ['openBus', 'will', [7, 'a', null]],
];
for (const call of [
  'openBus',
  'startHost',
  'publish',
  'subscribe',
  'query',
  'queryAll',
  'queryStream',
  'claim',
  'respond',
  'events',
  'read',
]) {
  others.push([call, 'signal', [7, null, {}]]);
}

async function outcome(call: string, options: unknown): Promise<unknown> {
  try {
    return await calls[call]!(options as never);
  } catch (error) {
    return error;
  }
}

function refusal(call: string, option: string): object {
  return {
    name: 'MailslotError',
    code: 'MAILSLOT_INVALID_OPTION',
    retryable: false,
    message: expect.stringMatching(new RegExp(`^${call}: \`${option}\` is .+; it takes .+`)),
  };
}

describe('options', () => {
  it.each(Object.keys(calls))('that are no object are refused by %s', async (call) => {
    const name = call.split(' ')[0]!;
    for (const wrong of [null, 7, 'options', true]) {
      expect(await outcome(call, wrong), String(wrong)).toMatchObject(refusal(name, 'options'));
    }
  });

  it.each(Object.keys(calls))('that there are not are refused by %s', async (call) => {
    const name = call.split(' ')[0]!;
    expect(await outcome(call, { retian: true })).toMatchObject({
      code: 'MAILSLOT_INVALID_OPTION',
      message: expect.stringMatching(new RegExp(`^${name}: there is no option \`retian\`; it takes \``)),
    });
  });
});

describe('numbers out of bounds', () => {
  it.each(numbers)('%s refuses `%s` outside of %i to %i', async (call, option, min, max) => {
    const wrong = [min - 1, max + 1, -1, Number.NaN, Number.NEGATIVE_INFINITY, min + 0.5, '1', null, 1n];
    for (const value of wrong) {
      expect(await outcome(call, { [option]: value }), String(value)).toMatchObject(refusal(call, option));
    }
  });
});

describe('options of the wrong type or word', () => {
  it.each(others)('%s refuses `%s`', async (call, option, wrong) => {
    for (const value of wrong) {
      expect(await outcome(call, { [option]: value }), String(value)).toMatchObject(refusal(call, option));
    }
  });

  it.each(['subscribe', 'respond', 'consume'])('%s refuses a handler that is no function', async (call) => {
    const attempts: Record<string, () => Promise<unknown>> = {
      subscribe: () => bus.subscribe('a', 7 as never, {}),
      respond: () => bus.respond('a', 7 as never),
      consume: () => slot.consume(7 as never),
    };
    const failure = attempts[call]!().catch((error: unknown) => error);
    expect(await failure).toMatchObject(refusal(call, call === 'subscribe' ? 'options' : 'handler'));
  });
});

describe('bounds themselves', () => {
  it('of openBus pass', async () => {
    const least = {
      timeout: 15_000,
      reconnectTimeout: 1,
      windowBytes: WINDOW_BYTES_MIN,
      maxMessageBytes: 1_024,
    };
    const most = {
      timeout: MAX_TIMEOUT,
      reconnectTimeout: MAX_TIMEOUT,
      windowBytes: WINDOW_BYTES_MAX,
      maxMessageBytes: MAX_FRAME_BYTES,
    };
    for (const options of [least, most]) await (await openBus('test', { directory, ...options })).close();
  });

  it('of slots, queries and responders pass', async () => {
    const least = { capacity: 1, capacityBytes: 1, stallTimeout: 1 };
    const most = {
      capacity: Number.MAX_SAFE_INTEGER,
      capacityBytes: Number.MAX_SAFE_INTEGER,
      stallTimeout: STALL_TIMEOUT_MAX,
    };
    for (const options of [least, most]) {
      const opened = await bus.subscribe('a', options);
      await bus.publish('a', new Uint8Array(100), { confirm: true });
      expect((await opened.read({ timeout: MAX_TIMEOUT }))?.data).toHaveLength(100);
      expect(await opened.read({ timeout: 0 })).toBeUndefined();
      await opened.close();
    }
    for (const concurrency of [1, Number.MAX_SAFE_INTEGER]) {
      const responder = await bus.respond('q', () => 1, { concurrency });
      expect((await bus.query('q', 1, { timeout: MAX_TIMEOUT })).data).toBe(1);
      const replies = [];
      for await (const reply of bus.queryAll('q', 1, { timeout: MAX_TIMEOUT, max: 1 }))
        replies.push(reply.data);
      expect(replies).toEqual([1]);
      await responder.close();
    }
    await expect(bus.query('nobody', 1, { timeout: 1 })).rejects.toMatchObject({
      code: expect.stringMatching(/MAILSLOT_(?:NO_RESPONDER|TIMEOUT)/),
    });
  });

  it('options that are given as undefined take their defaults', async () => {
    const none = { timeout: undefined, signal: undefined, headers: undefined, to: undefined } as object;
    await bus.publish('s', 1, none);
    expect((await slot.read(none))?.data).toBe(1);
    await bus.respond('q', () => 2, { concurrency: undefined, signal: undefined } as object);
    expect((await bus.query('q', 1, none)).data).toBe(2);
  });
});

describe('bus names', () => {
  it.each(['', '-a', 'A', 'a b', 'a/b', '../x', 'a'.repeat(33), 7, null, undefined])(
    '%j is refused',
    async (name) => {
      for (const open of [openBus, startHost]) {
        const failure = await open(name as string, { directory }).catch((error: unknown) => error);
        expect(failure).toMatchObject({
          code: 'MAILSLOT_INVALID_NAME',
          message: expect.stringMatching(
            /^A bus name has 1 to 32 characters a-z, 0-9 and -, .* this one is /,
          ),
        });
      }
    },
  );
});
