// Streamed replies: in order, no faster than they are read, and cut short from either side.
import { type Bus, MailslotError, type Message } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { At, Flag, Kind, readFlags, readU64 } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import { childPeer } from '../support/child-peer.js';
import { rawPeer } from '../support/raw-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

const FOREVER = 2 ** 31 - 1;

async function askerAndResponder(): Promise<[Bus, Bus]> {
  const [asker, responder] = await busOf(2);
  return [asker!, responder!];
}

/** What came until the stream ended, and the error that ended it. */
async function readAll(stream: AsyncIterable<Message>): Promise<{ values: unknown[]; error?: unknown }> {
  const values: unknown[] = [];
  try {
    for await (const { data } of stream) values.push(data);
    return { values };
  } catch (error) {
    return { values, error };
  }
}

/** A responder that counts without end, and what it has been up to. */
async function endlessCounter(bus: Bus, subject: string, size = 0) {
  const seen = { yielded: 0, returned: false, aborted: false };
  await bus.respond(subject, async function* (_, { signal }) {
    signal.addEventListener('abort', () => {
      seen.aborted = true;
    });
    try {
      for (;;) {
        seen.yielded += 1;
        yield size === 0 ? seen.yielded : new Uint8Array(size);
      }
    } finally {
      seen.returned = true;
    }
  });
  return seen;
}

describe('queryStream', () => {
  it('yields what a generator yields, in order, and ends with it', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond<number>('count.to', async function* ({ data }) {
      for (let i = 1; i <= data; i += 1) yield i;
    });
    const expected = Array.from({ length: 1_000 }, (_, i) => i + 1);
    expect(await readAll(asker.queryStream('count.to', 1_000))).toEqual({ values: expected });
    expect(await readAll(asker.queryStream('count.to', 0))).toEqual({ values: [] });
    expect(asker.stats().queries).toMatchObject({ open: 0, asked: 2 });
  });

  it('yields messages, with the sender and the subject', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('one', async function* () {
      yield { a: 1 };
    });
    for await (const reply of asker.queryStream('one')) {
      expect(reply).toMatchObject({ subject: 'one', data: { a: 1 }, sender: responder.id });
      expect(reply.order).toBeGreaterThan(0);
    }
  });

  it('takes a promise of an iterable, and makes a stream of one of a plain answer', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('later', async () => {
      return (async function* () {
        yield 'a';
        yield 'b';
      })();
    });
    await responder.respond('plain', () => 'only');
    expect(await readAll(asker.queryStream('later'))).toEqual({ values: ['a', 'b'] });
    expect(await readAll(asker.queryStream('plain'))).toEqual({ values: ['only'] });
  });

  it('a slow reader slows the handler down: 64 replies ahead and no more', async () => {
    const [asker, responder] = await askerAndResponder();
    const seen = await endlessCounter(responder, 'endless');
    const stream = asker.queryStream<number>('endless');
    for (let read = 1; read <= 300; read += 1) {
      const { value } = await stream.next();
      expect(value?.data).toBe(read);
      expect(seen.yielded - read).toBeLessThanOrEqual(64);
      if (read % 100 === 1)
        await eventually(() => seen.yielded - read >= 32, 'the handler ahead of the reader');
    }
    // it stands still when nobody reads
    const before = seen.yielded;
    for (let i = 0; i < 20; i += 1) await asker.peers();
    expect(seen.yielded - before).toBeLessThanOrEqual(64);
    await stream.return?.();
  });

  it('large replies use up credit by their bytes', async () => {
    const [asker, responder] = await askerAndResponder();
    const seen = await endlessCounter(responder, 'large', 2 ** 20);
    const stream = asker.queryStream<Uint8Array>('large');
    expect((await stream.next()).value?.data.length).toBe(2 ** 20);
    await eventually(() => seen.yielded >= 4);
    // a round trip behind them: what was under way has come
    await asker.peers();
    expect(seen.yielded).toBe(4);
    for (let i = 0; i < 20; i += 1) expect((await stream.next()).done).toBe(false);
    await stream.return?.();
  });

  it('replies about as large as one more credit costs never use the credit up', async () => {
    const [asker, responder] = await askerAndResponder();
    const sizes = Array.from({ length: 300 }, (_, i) => 2 ** 16 - 150 + i);
    await responder.respond('edge', async function* () {
      for (const size of sizes) yield new Uint8Array(size);
    });
    const got: number[] = [];
    for await (const { data } of asker.queryStream<Uint8Array>('edge')) got.push(data.length);
    expect(got).toEqual(sizes);
  });

  it('break cancels: the signal fires and the generator returns', async () => {
    const [asker, responder] = await askerAndResponder();
    const seen = await endlessCounter(responder, 'endless');
    for await (const { data } of asker.queryStream('endless')) if (data === 100) break;
    await eventually(() => seen.returned && seen.aborted, 'the end of the generator');
    expect(asker.stats().queries.open).toBe(0);
    expect(seen.yielded).toBeLessThanOrEqual(164);
  });

  it('a handler that waits for its signal ends with it', async () => {
    const [asker, responder] = await askerAndResponder();
    let ended = false;
    await responder.respond('ticks', async function* (_, { signal }) {
      yield 1;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      ended = true;
    });
    for await (const _ of asker.queryStream('ticks')) break;
    await eventually(() => ended, 'the end of the handler');
  });

  it('an aborted one rejects with the reason, and the generator returns', async () => {
    const [asker, responder] = await askerAndResponder();
    let returned = false;
    await responder.respond('q', async function* (_, { signal }) {
      try {
        yield 1;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      } finally {
        returned = true;
      }
    });
    const controller = new AbortController();
    const stream = asker.queryStream('q', 1, { signal: controller.signal, timeout: FOREVER });
    await stream.next();
    const next = stream.next();
    controller.abort('enough');
    await expect(next).rejects.toBe('enough');
    await eventually(() => returned, 'the end of the generator');
  });

  it('the death of the asker returns the generator', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const seen = await endlessCounter(bus, 'endless');
    const child = await childPeer(directory, { host: 'never' });
    await child.run(async ({ bus, kept }) => {
      const stream = bus.queryStream('endless');
      await stream.next();
      kept.notes = [stream];
    });
    expect(seen.returned).toBe(false);
    await child.kill();
    await eventually(() => seen.returned && seen.aborted, 'the end of the generator');
  });

  it('an error in mid-stream comes after the replies before it, with code, message and data', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('fails', async function* () {
      yield 1;
      yield 2;
      throw Object.assign(new Error('no more'), { code: 'EEND', data: { at: 2 } });
    });
    const stream = asker.queryStream('fails');
    const { values, error } = await readAll(stream);
    expect(values).toEqual([1, 2]);
    expect(MailslotError.is(error, 'MAILSLOT_RESPONDER_FAILED')).toBe(true);
    expect(error).toMatchObject({ message: 'no more', responderCode: 'EEND', data: { at: 2 } });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it('a value that cannot be sent ends it with a typed error, and the generator returns', async () => {
    const [asker, responder] = await askerAndResponder();
    let returned = false;
    await responder.respond('odd', async function* () {
      try {
        yield 1;
        yield () => 2;
      } finally {
        returned = true;
      }
    });
    const { values, error } = await readAll(asker.queryStream('odd'));
    expect(values).toEqual([1]);
    expect(error).toMatchObject({ code: 'MAILSLOT_NOT_ENCODABLE' });
    expect(returned).toBe(true);
  });

  it('a responder that dies in mid-stream is an error after the replies before it', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const child = await childPeer(directory, { host: 'never' });
    await child.run(({ bus }) =>
      bus
        .respond('q', async function* () {
          yield 1;
          await new Promise(() => {});
        })
        .then(() => {}),
    );
    const stream = bus.queryStream('q', 1, { timeout: FOREVER });
    expect((await stream.next()).value?.data).toBe(1);
    const next = expect(stream.next()).rejects.toMatchObject({ code: 'MAILSLOT_RESPONDER_LOST' });
    await child.kill();
    await next;
  });

  it('a responder that closes ends its streams on both sides', async () => {
    const [asker, bus] = await askerAndResponder();
    let returned = false;
    const responder = await bus.respond('q', async function* () {
      try {
        for (;;) yield 1;
      } finally {
        returned = true;
      }
    });
    const stream = asker.queryStream('q', 1, { timeout: FOREVER });
    await stream.next();
    await responder.close();
    const { error } = await readAll(stream);
    expect(error).toMatchObject({ code: 'MAILSLOT_RESPONDER_LOST' });
    expect(returned).toBe(true);
  });

  it('the death of the host ends it on both sides', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const [asker, responder] = [await joinBus(directory), await joinBus(directory)];
    const seen = await endlessCounter(responder, 'endless');
    const stream = asker.queryStream('endless', 1, { timeout: FOREVER });
    await stream.next();
    await host.kill();
    const { error } = await readAll(stream);
    expect(error).toMatchObject({ code: 'MAILSLOT_RESPONDER_LOST', retryable: true });
    await eventually(() => seen.returned && seen.aborted, 'the end of the generator');
  });

  it('without a responder rejects at once', async () => {
    const [asker] = await busOf(1);
    const { error } = await readAll(asker!.queryStream('nobody', 1, { timeout: FOREVER }));
    expect(error).toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  });

  it('a wait longer than `timeout` rejects and cancels', async () => {
    const [asker, responder] = await askerAndResponder();
    let aborted = false;
    await responder.respond('slow', async function* (_, { signal, deadline }) {
      yield deadline;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      aborted = true;
    });
    const { values, error } = await readAll(asker.queryStream('slow', 1, { timeout: 50 }));
    expect(values).toEqual([Number.POSITIVE_INFINITY]);
    expect(error).toMatchObject({ code: 'MAILSLOT_TIMEOUT' });
    await eventually(() => aborted, 'the cancellation');
  });

  it('the options are checked', async () => {
    const [bus] = await busOf(1);
    expect(() => bus!.queryStream('a.*')).toThrow(/queryStream/);
    expect(() => bus!.queryStream('a', 1, { timeout: 0 })).toThrow(/`timeout`/);
    expect(() => bus!.queryStream('a', 1, { max: 1 } as object)).toThrow(/no option `max`/);
    await bus!.close();
    expect(() => bus!.queryStream('a')).toThrow(/closed/);
  });

  it('a responder that sends more than it has credit for ends the stream, not the link', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const greedy = await rawPeer(directory);
    greedy.write(greedy.control('SLOT request', { do: 'open', id: 1, role: 'responder', pattern: 'q' }));
    await greedy.receives(Kind.slot);
    const stream = bus.queryStream('q', 1, { timeout: FOREVER });
    const first = stream.next();
    const { bytes } = await greedy.receives(Kind.query);
    expect(readFlags(bytes, 0) & Flag.stream).toBeTruthy();
    const to = Buffer.from(bus.id, 'hex');
    const fields = { to, ref: readU64(bytes, At.sequence), flags: Flag.more };
    const reply = greedy.frame(Kind.reply, { ...fields, data: Buffer.from(encodeValue(7)) });
    for (let i = 0; i < 65; i += 1) greedy.write(reply);
    expect((await first).value?.data).toBe(7);
    const { values, error } = await readAll(stream);
    expect(values).toHaveLength(63);
    expect(error).toMatchObject({ code: 'MAILSLOT_PROTOCOL_VIOLATION' });
    await greedy.receives(Kind.cancel);
    await bus.peers();
  });
});

describe('a handler that streams, asked for one reply', () => {
  it('answers a query with its first value, and returns', async () => {
    const [asker, responder] = await askerAndResponder();
    const seen = await endlessCounter(responder, 'endless');
    expect((await asker.query('endless')).data).toBe(1);
    await eventually(() => seen.returned, 'the end of the generator');
    expect(seen.yielded).toBe(1);
  });

  it('answers undefined when it yields nothing, and an error when it throws first', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('empty', async function* () {});
    // biome-ignore lint/correctness/useYield: it throws before it would
    await responder.respond('throws', async function* () {
      throw new Error('at once');
    });
    expect((await asker.query('empty')).data).toBeUndefined();
    await expect(asker.query('throws')).rejects.toMatchObject({ message: 'at once' });
  });

  it('gives its first value to queryAll, which still ends with the last reply', async () => {
    const [asker, one, two] = await busOf(3);
    await endlessCounter(one!, 'q');
    await two!.respond('q', () => 'plain');
    const { values } = await readAll(asker!.queryAll('q', 1, { timeout: FOREVER }));
    expect(values.sort()).toEqual([1, 'plain']);
  });
});
