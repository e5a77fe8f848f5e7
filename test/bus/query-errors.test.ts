// What went wrong with a query is said of the call that asked, wherever it was found out: here, at the host, or at the
// responder, which does not know it.
import type { Bus, MailslotError, Message } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { busFolder, busOf, joinBus } from '../support/scratch.js';

const LIMIT = 2_048;

type Ask = (
  bus: Bus,
  subject: string,
  data?: unknown,
  timeout?: number,
) => Promise<MailslotError | undefined>;

async function failureOf(call: () => Promise<unknown>): Promise<MailslotError | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error as MailslotError;
  }
}

async function firstOf(replies: AsyncIterable<Message>): Promise<void> {
  for await (const { error } of replies) if (error !== undefined) throw error;
}

const calls: Record<'query' | 'queryAll' | 'queryStream', Ask> = {
  query: (bus, subject, data, timeout = 5_000) => failureOf(() => bus.query(subject, data, { timeout })),
  queryAll: (bus, subject, data, timeout = 5_000) =>
    failureOf(() => firstOf(bus.queryAll(subject, data, { timeout }))),
  queryStream: (bus, subject, data, timeout = 5_000) =>
    failureOf(() => firstOf(bus.queryStream(subject, data, { timeout }))),
};

describe.each(Object.entries(calls))('an error of %s names that call', (call, ask) => {
  // queryAll ends in both of these cases, and there is no error
  if (call !== 'queryAll')
    it('when nobody responds, and when the time is over', async () => {
      const [asker, responder] = await busOf(2);
      expect((await ask(asker!, 'nobody'))?.message).toMatch(new RegExp(`^${call}: nobody responds`));
      await responder!.respond('slow', () => new Promise(() => {}));
      expect((await ask(asker!, 'slow', 1, 20))?.message).toMatch(new RegExp(`^${call}: no reply to "slow"`));
    });

  it('when the question or the answer is too large', async () => {
    const directory = busFolder();
    const asker = await joinBus(directory, { hostThread: 'inline', maxMessageBytes: 2 * LIMIT });
    const small = await joinBus(directory, { maxMessageBytes: LIMIT });
    const large = await joinBus(directory, { maxMessageBytes: 4 * LIMIT });
    await small.respond<number>('small', () => new Uint8Array(LIMIT));
    await large.respond('large', () => new Uint8Array(2 * LIMIT));
    const found = [
      await ask(asker, 'small', new Uint8Array(2 * LIMIT)),
      await ask(asker, 'small', new Uint8Array(LIMIT)),
      await ask(asker, 'small', 1),
      await ask(asker, 'large', 1),
    ].map((error) => [error?.code, error?.message.split(/\d/)[0]]);
    expect(found).toEqual(
      ['the message for "small" has ', '', 'the answer has ', 'the answer to "large" has '].map((text) => [
        'MAILSLOT_MESSAGE_TOO_LARGE',
        `${call}: ${text}`,
      ]),
    );
  });

  it('when the responder leaves', async () => {
    const [asker, responder] = await busOf(2);
    await responder!.respond('leaves', () => {
      void responder!.close();
      return new Promise(() => {});
    });
    const error = await ask(asker!, 'leaves');
    expect([error?.code, error?.message.split(':')[0]]).toEqual(['MAILSLOT_RESPONDER_LOST', call]);
  });

  it('but what a handler says stays as it is', async () => {
    const [asker, responder] = await busOf(2);
    await responder!.respond('q', () => {
      throw new Error('query: not today');
    });
    expect((await ask(asker!, 'q'))?.message).toBe('query: not today');
  });
});
