// Streamed replies with a contract: each is held against it, and the first that breaks it ends the stream.
import { type Bus, defineContract, MailslotError, openBus, query } from 'mailslot';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { afterwards, busFolder, joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

const contract = defineContract({ halves: query(z.number(), z.number().int()) });

async function both() {
  const directory = busFolder();
  const bus = await openBus('test', { directory, hostThread: 'inline', contract });
  afterwards(() => bus.close());
  return { bus, free: await joinBus(directory) };
}

/** Half of every number from `first` down, and whether that was left. */
function halvesFrom(first: number) {
  const seen = { left: false };
  async function* halves() {
    try {
      for (let number = first; number > 0; number -= 1) yield number / 2;
    } finally {
      seen.left = true;
    }
  }
  return { seen, halves };
}

async function readAll(replies: AsyncIterable<{ data: unknown }>): Promise<unknown[]> {
  const read: unknown[] = [];
  try {
    for await (const { data } of replies) read.push(data);
  } catch (error) {
    read.push(MailslotError.is(error) ? error.code : error);
  }
  return read;
}

it('the question is checked before it is sent', async () => {
  const { bus } = await both();
  const ask = () => (bus as object as Bus).queryStream('halves', 'ten');
  expect(ask).toThrow('queryStream: "halves" breaks the contract');
});

it('an answer that breaks the contract of its responder ends the stream there', async () => {
  const { bus, free } = await both();
  const { seen, halves } = halvesFrom(4);
  await bus.respond('halves', halves);
  expect(await readAll(free.queryStream('halves', 4))).toEqual([2, 'MAILSLOT_RESPONDER_FAILED']);
  expect(seen.left).toBe(true);
});

it('an answer that breaks the contract of its asker ends the stream, and the handler', async () => {
  const { bus, free } = await both();
  const { seen, halves } = halvesFrom(1_000_000);
  await free.respond('halves', halves);
  expect(await readAll(bus.queryStream('halves', 4))).toEqual([500_000, 'MAILSLOT_RESPONDER_FAILED']);
  await eventually(() => seen.left, 'the end of the handler');
});
