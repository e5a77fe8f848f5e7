// Queries: one question, one outcome, whatever happens to whoever should answer.
import { type Bus, MailslotError, type QueryContext } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { At, Flag, Kind, readU64 } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import { childPeer } from '../support/child-peer.js';
import { rawPeer } from '../support/raw-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { eventually, isPending } from '../support/waiting.js';

async function askerAndResponder(): Promise<[Bus, Bus]> {
  const [asker, responder] = await busOf(2);
  return [asker!, responder!];
}

/** A promise and its resolver. */
function gate<T = void>(): { promise: Promise<T>; open(value: T): void } {
  let open: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('query', () => {
  it('resolves to the reply, which is a message', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond<number>('math.*', ({ subject, data, headers, sender }) => {
      return { subject, double: data * 2, headers: { ...headers }, sender };
    });
    const reply = await asker.query('math.double', 21, { headers: { unit: 'cm' } });
    expect(reply.data).toEqual({
      subject: 'math.double',
      double: 42,
      headers: { unit: 'cm' },
      sender: asker.id,
    });
    expect(reply).toMatchObject({ subject: 'math.double', sender: responder.id });
    expect(reply.time).toBeInstanceOf(Date);
  });

  it('without a responder rejects at once', async () => {
    const [asker] = await askerAndResponder();
    const query = asker.query('nobody.there', 1, { timeout: 2 ** 31 - 1 });
    await expect(query).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER', retryable: true });
  });

  it('rejects with code, message and data of what the handler threw, and no stack of it', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('fail', function theHandler() {
      throw Object.assign(new Error('the disk is full'), { code: 'ENOSPC', data: { free: 0n } });
    });
    const error = await asker.query('fail').catch((error: unknown) => error);
    expect(MailslotError.is(error, 'MAILSLOT_RESPONDER_FAILED')).toBe(true);
    expect(error).toMatchObject({ message: 'the disk is full', responderCode: 'ENOSPC', data: { free: 0n } });
    expect((error as Error).stack).not.toContain('theHandler');
  });

  it.each([
    ['a text', () => Promise.reject('just text'), 'just text'],
    ['nothing', () => Promise.reject(undefined), 'undefined'],
    [
      'an error whose data cannot be encoded',
      () => Promise.reject(Object.assign(new Error('odd'), { data: () => 1 })),
      'odd',
    ],
  ])('a handler may throw %s', async (_, handler, message) => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('fail', handler);
    await expect(asker.query('fail')).rejects.toMatchObject({ code: 'MAILSLOT_RESPONDER_FAILED', message });
  });

  it('an answer that cannot be encoded is an error for the asker, and the responder goes on', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('odd', ({ data }) => (data === 'odd' ? () => 1 : 'fine'));
    await expect(asker.query('odd', 'odd')).rejects.toMatchObject({ code: 'MAILSLOT_NOT_ENCODABLE' });
    expect((await asker.query('odd')).data).toBe('fine');
  });

  it('times out, and the handler is told', async () => {
    const [asker, responder] = await askerAndResponder();
    const told = gate<unknown>();
    await responder.respond('slow', (_, { signal }) => {
      return new Promise(() => signal.addEventListener('abort', () => told.open(signal.reason)));
    });
    await expect(asker.query('slow', 1, { timeout: 50 })).rejects.toMatchObject({ code: 'MAILSLOT_TIMEOUT' });
    expect(MailslotError.is(await told.promise)).toBe(true);
    expect(asker.stats().queries).toMatchObject({ open: 0, asked: 1 });
  });

  it('tells the handler until when the asker waits', async () => {
    const [asker, responder] = await askerAndResponder();
    const contexts: QueryContext[] = [];
    await responder.respond('q', (_, context) => void contexts.push(context));
    const before = Date.now();
    await asker.query('q', 1, { timeout: 60_000 });
    expect(contexts[0]!.deadline).toBeGreaterThan(before + 30_000);
    expect(contexts[0]!.deadline).toBeLessThanOrEqual(Date.now() + 60_001);
    expect(contexts[0]!.signal.aborted).toBe(false);
  });

  it('rejects at its deadline and not before, each of a thousand', async () => {
    const [asker, responder] = await askerAndResponder();
    await responder.respond('never', () => new Promise(() => {}), { concurrency: 2_000 });
    const lateness = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const timeout = 200 + (i % 50);
        const start = performance.now();
        await expect(asker.query('never', i, { timeout })).rejects.toMatchObject({
          code: 'MAILSLOT_TIMEOUT',
        });
        return performance.now() - start - timeout;
      }),
    );
    // a timer counts whole milliseconds
    expect(Math.min(...lateness)).toBeGreaterThan(-1.5);
    expect(Math.max(...lateness)).toBeLessThan(2_000);
    expect(asker.stats().queries.open).toBe(0);
  });

  it('a handler that looks at its signal only when all is over finds it aborted', async () => {
    const [asker, responder] = await askerAndResponder();
    const asked = gate();
    const late = gate<AbortSignal>();
    await responder.respond('late', async (_, context) => {
      asked.open();
      await new Promise<void>((resolve) => void eventually(() => cancelled).then(() => resolve()));
      // a copy of the context holds the signal, too
      late.open({ ...context }.signal);
    });
    let cancelled = false;
    const controller = new AbortController();
    const query = expect(asker.query('late', 1, { signal: controller.signal })).rejects.toBe('enough');
    await asked.promise;
    controller.abort('enough');
    await query;
    await asker.peers();
    cancelled = true;
    expect((await late.promise).aborted).toBe(true);
  });

  it('a query that is cancelled while it waits for its turn never reaches the handler', async () => {
    const [asker, responder] = await askerAndResponder();
    const held = gate();
    const seen: unknown[] = [];
    const handler = async ({ data }: { data: unknown }): Promise<void> => {
      seen.push(data);
      await held.promise;
    };
    await responder.respond('work', handler, { concurrency: 1 });
    const first = asker.query('work', 'first');
    const controller = new AbortController();
    const second = expect(asker.query('work', 'second', { signal: controller.signal })).rejects.toBe('no');
    const third = asker.query('work', 'third');
    await eventually(() => seen.length === 1);
    controller.abort('no');
    await second;
    await asker.peers();
    held.open();
    await Promise.all([first, third]);
    expect(seen).toEqual(['first', 'third']);
  });

  it('takes one reply of a responder that goes on and on, and cancels the rest', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const chatty = await rawPeer(directory);
    chatty.write(chatty.control('SLOT request', { do: 'open', id: 1, role: 'responder', pattern: 'q' }));
    await chatty.receives(Kind.slot);
    const query = bus.query('q');
    const { bytes } = await chatty.receives(Kind.query);
    const fields = { to: Buffer.from(bus.id, 'hex'), ref: readU64(bytes, At.sequence), flags: Flag.more };
    const reply = chatty.frame(Kind.reply, { ...fields, data: Buffer.from(encodeValue('chat')) });
    chatty.write(reply, reply, reply);
    expect((await query).data).toBe('chat');
    await chatty.receives(Kind.cancel);
    expect(bus.stats().queries.open).toBe(0);
  });

  it('cancelled through its signal rejects with the reason, and the handler is told', async () => {
    const [asker, responder] = await askerAndResponder();
    const asked = gate();
    const told = gate();
    await responder.respond('slow', (_, { signal }) => {
      asked.open();
      return new Promise(() => signal.addEventListener('abort', () => told.open()));
    });
    const controller = new AbortController();
    const query = asker.query('slow', 1, { signal: controller.signal, timeout: 2 ** 31 - 1 });
    await asked.promise;
    controller.abort('enough');
    await expect(query).rejects.toBe('enough');
    await told.promise;
    await expect(asker.query('slow', 1, { signal: AbortSignal.abort('before') })).rejects.toBe('before');
  });

  it('goes to the responder with the fewest open queries', async () => {
    const [asker, busy, idle] = await busOf(3);
    const held = gate();
    const asked = gate();
    let ofBusy = 0;
    await busy!.respond('work', async () => {
      ofBusy += 1;
      asked.open();
      await held.promise;
      return 'busy';
    });
    const first = asker!.query('work');
    await asked.promise;
    await idle!.respond('work', () => 'idle');
    for (let i = 0; i < 20; i += 1) expect((await asker!.query('work')).data).toBe('idle');
    held.open();
    expect((await first).data).toBe('busy');
    expect(ofBusy).toBe(1);
  });

  it('`to` picks the responder', async () => {
    const [asker, one, two] = await busOf(3);
    for (const bus of [one!, two!]) await bus.respond('who', () => bus.id);
    for (const { id } of [two!, one!, two!]) expect((await asker!.query('who', 1, { to: id })).data).toBe(id);
    const stranger = asker!.query('who', 1, { to: '0123456789abcdef' });
    await expect(stranger).rejects.toMatchObject({ code: 'MAILSLOT_NO_SUCH_PEER' });
    const silent = asker!.query('who', 1, { to: asker!.id });
    await expect(silent).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  });

  it('a responder works on as many at once as it says', async () => {
    const [asker, responder] = await askerAndResponder();
    const gates: (() => void)[] = [];
    let running = 0;
    let most = 0;
    await responder.respond(
      'work',
      async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => gates.push(resolve));
        running -= 1;
      },
      { concurrency: 3 },
    );
    let done = 0;
    const queries = Array.from({ length: 10 }, () => asker.query('work').then(() => (done += 1)));
    await eventually(() => running === 3);
    await eventually(() => {
      gates.shift()?.();
      return done === 10;
    });
    await Promise.all(queries);
    expect(most).toBe(3);
  });

  it('a handler may ask its asker, which may ask back: nobody waits for ever', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(async ({ bus }) => {
      await bus.respond('down', async ({ data, sender }) => {
        if (data === 0) return ['bottom'];
        const { data: rest } = await bus.query('up', (data as number) - 1, { to: sender });
        return ['down', ...(rest as string[])];
      });
    });
    await bus.respond<number>('up', async ({ data, sender }) => {
      const { data: rest } = await bus.query<string[]>('down', data, { to: sender });
      return ['up', ...rest];
    });
    expect((await bus.query('down', 3)).data).toEqual(['down', 'up', 'down', 'up', 'down', 'up', 'bottom']);
  });

  it('10,000 at once all get their own answer', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(({ bus }) =>
      bus.respond('square', ({ data }) => (data as number) ** 2, { concurrency: 64 }).then(() => {}),
    );
    const replies = await Promise.all(
      Array.from({ length: 10_000 }, (_, i) => bus.query<number>('square', i, { timeout: 60_000 })),
    );
    expect(replies.every(({ data }, i) => data === i ** 2)).toBe(true);
    expect(bus.stats().queries).toEqual({ open: 0, asked: 10_000, answered: 0 });
  });

  it('stays behind what was published before it', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory);
    await child.run(async ({ bus, kept }) => {
      kept.slot = await bus.subscribe('n', { capacity: 100_000 });
      await bus.respond('count', () => kept.slot.info.messageCount);
    });
    let published = 0;
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 100; i += 1) void bus.publish('n', published++);
      expect((await bus.query('count')).data).toBe(published);
    }
  });

  it('larger than maxMessageBytes is refused, and the link goes on', async () => {
    const [asker, responder] = await busOf(2, { maxMessageBytes: 2_048 });
    await responder!.respond('echo', ({ data }) => data);
    await responder!.respond('large', () => new Uint8Array(4_096));
    await expect(asker!.query('echo', new Uint8Array(4_096))).rejects.toMatchObject({
      code: 'MAILSLOT_MESSAGE_TOO_LARGE',
    });
    await expect(asker!.query('large')).rejects.toMatchObject({ code: 'MAILSLOT_MESSAGE_TOO_LARGE' });
    expect((await asker!.query('echo', 'fine')).data).toBe('fine');
  });

  it.each(['first', 'second'] as const)(
    'of two responders of one bus fails when the one that has it closes, and not when the other does: the %s',
    async (closing) => {
      const [asker, bus] = await askerAndResponder();
      const begun: string[] = [];
      const answers: (() => void)[] = [];
      const work = (name: string) => () => {
        begun.push(name);
        return new Promise((resolve) => answers.push(() => resolve(name)));
      };
      const responders = {
        first: await bus.respond('q', work('first')),
        second: await bus.respond('q', work('second')),
      };
      // it counts at its responder until that answers, which here it never does, and no more at the host
      const given = asker.query('q', 0, { signal: AbortSignal.timeout(200), timeout: 60_000 });
      await expect(given).rejects.toThrow();
      const query = asker.query('q', 1, { timeout: 60_000 });
      await eventually(() => begun.length === 2, 'the query at a responder');
      await responders[closing].close();
      await asker.peers();
      answers[1]!();
      if (begun[1] === closing)
        await expect(query).rejects.toMatchObject({ code: 'MAILSLOT_RESPONDER_LOST' });
      else expect((await query).data).toBe(begun[1]);
    },
  );

  it('of all: a responder that has answered and closes takes no answer of another one on its bus', async () => {
    const [asker, bus] = await askerAndResponder();
    let answer: ((text: string) => void) | undefined;
    await bus.respond('q', () => new Promise((resolve) => (answer = resolve)));
    const quick = await bus.respond('q', () => 'quick');
    const replies = asker.queryAll('q', 1, { timeout: 60_000 });
    expect((await replies.next()).value).toMatchObject({ data: 'quick' });
    await quick.close();
    await asker.peers();
    answer!('slow');
    expect((await replies.next()).value).toMatchObject({ data: 'slow', error: undefined });
    expect(await replies.next()).toMatchObject({ done: true });
  });

  it('rejects when the asking bus closes', async () => {
    const [asker, responder] = await askerAndResponder();
    const asked = gate();
    await responder.respond('slow', () => {
      asked.open();
      return new Promise(() => {});
    });
    const query = asker.query('slow');
    await asked.promise;
    void asker.close();
    await expect(query).rejects.toMatchObject({ code: 'MAILSLOT_CLOSED' });
  });
});

describe('responders', () => {
  it('a closed one gets no more queries, and what it had not answered fails', async () => {
    const [asker, bus] = await askerAndResponder();
    const asked = gate();
    const responder = await bus.respond('slow', () => {
      asked.open();
      return new Promise(() => {});
    });
    const query = asker.query('slow');
    await asked.promise;
    await responder.close();
    await expect(query).rejects.toMatchObject({ code: 'MAILSLOT_RESPONDER_LOST' });
    expect(responder.open).toBe(false);
    await expect(asker.query('slow')).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  });

  it('a signal closes one', async () => {
    const [asker, bus] = await askerAndResponder();
    const controller = new AbortController();
    const responder = await bus.respond('q', () => 1, { signal: controller.signal });
    await asker.query('q');
    controller.abort();
    await eventually(() => !responder.open);
    await expect(asker.query('q')).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  });

  it('a query waits for nobody: a full slot beside the responder does not delay it', async () => {
    const [asker, bus] = await askerAndResponder();
    await bus.subscribe('n', { capacity: 1 });
    await bus.respond('q', () => 'now');
    for (let i = 0; i < 100; i += 1) void asker.publish('n', i);
    const confirm = asker.publish('n', 100, { confirm: true });
    expect((await asker.query('q')).data).toBe('now');
    expect(await isPending(confirm)).toBe(true);
    await asker.close();
    await confirm.catch(() => {});
  });
});
