// queryAll: every responder is asked, and the iteration ends with the last reply.
import { expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

const FOREVER = 2 ** 31 - 1;

it('yields the reply of every responder and ends with the last one', async () => {
  const [asker, ...others] = await busOf(4);
  for (const bus of others) await bus.respond('who', () => bus.id);
  const ids: unknown[] = [];
  // only the count that the host announces can end this loop
  for await (const { sender, data } of asker!.queryAll('who', 1, { timeout: FOREVER })) {
    expect(data).toBe(sender);
    ids.push(data);
  }
  expect(ids.sort()).toEqual(others.map(({ id }) => id).sort());
});

it('two responders of one peer both answer', async () => {
  const [asker, other] = await busOf(2);
  await other!.respond('a.*', () => 'pattern');
  await other!.respond('a.b', () => 'subject');
  const replies: unknown[] = [];
  for await (const { data } of asker!.queryAll('a.b', 1, { timeout: FOREVER })) replies.push(data);
  expect(replies.sort()).toEqual(['pattern', 'subject']);
});

it('ends at once when nobody responds', async () => {
  const [asker] = await busOf(1);
  for await (const _ of asker!.queryAll('nobody', 1, { timeout: FOREVER })) expect.unreachable();
});

it('a responder that throws is a message with an error, the others still count', async () => {
  const [asker, good, bad] = await busOf(3);
  await good!.respond('q', () => 'fine');
  await bad!.respond('q', () => {
    throw Object.assign(new Error('not today'), { code: 'EBUSY' });
  });
  const replies = [];
  for await (const reply of asker!.queryAll('q', 1, { timeout: FOREVER })) replies.push(reply);
  expect(replies).toHaveLength(2);
  const failed = replies.find(({ error }) => error !== undefined);
  expect(failed).toMatchObject({ sender: bad!.id, data: undefined });
  expect(failed!.error).toMatchObject({
    code: 'MAILSLOT_RESPONDER_FAILED',
    message: 'not today',
    responderCode: 'EBUSY',
  });
  expect(replies.find(({ error }) => error === undefined)!.data).toBe('fine');
});

it('stops after `max` replies, and cancels the others', async () => {
  const [asker, quick, slow] = await busOf(3);
  let cancelled = false;
  await quick!.respond('q', () => 'quick');
  await slow!.respond('q', (_, { signal }) => {
    return new Promise(() => signal.addEventListener('abort', () => (cancelled = true)));
  });
  const replies: unknown[] = [];
  for await (const { data } of asker!.queryAll('q', 1, { timeout: FOREVER, max: 1 })) replies.push(data);
  expect(replies).toEqual(['quick']);
  await eventually(() => cancelled, 'the cancellation');
});

it('break cancels what is still open', async () => {
  const [asker, quick, slow] = await busOf(3);
  let cancelled = false;
  await quick!.respond('q', () => 'quick');
  await slow!.respond('q', (_, { signal }) => {
    return new Promise(() => signal.addEventListener('abort', () => (cancelled = true)));
  });
  for await (const _ of asker!.queryAll('q', 1, { timeout: FOREVER })) break;
  await eventually(() => cancelled, 'the cancellation');
  expect(asker!.stats().queries.open).toBe(0);
});

it('ends quietly at its time-out with the replies that came', async () => {
  const [asker, quick, slow] = await busOf(3);
  await quick!.respond('q', () => 'quick');
  await slow!.respond('q', () => new Promise(() => {}));
  const replies: unknown[] = [];
  for await (const { data } of asker!.queryAll('q', 1, { timeout: 400 })) replies.push(data);
  expect(replies).toEqual(['quick']);
});

it('an aborted one rejects with the reason', async () => {
  const [asker, slow] = await busOf(2);
  await slow!.respond('q', () => new Promise(() => {}));
  const controller = new AbortController();
  const next = asker!.queryAll('q', 1, { timeout: FOREVER, signal: controller.signal }).next();
  controller.abort('enough');
  await expect(next).rejects.toBe('enough');
});

it('a responder that dies is a message with an error, and the loop ends', async () => {
  const directory = busFolder();
  const bus = await joinBus(directory);
  const child = await childPeer(directory);
  await child.run(async ({ bus, kept }) => {
    kept.notes = [];
    await bus.respond('q', () => {
      kept.notes.push('asked');
      return new Promise(() => {});
    });
  });
  await bus.respond('q', () => 'alive');
  const replies: string[] = [];
  const loop = (async () => {
    for await (const { data, error } of bus.queryAll('q', 1, { timeout: FOREVER }))
      replies.push(error?.code ?? String(data));
  })();
  await eventually(() => child.run(({ kept }) => kept.notes.length === 1), 'the query at the child');
  await child.kill();
  await loop;
  expect(replies).toEqual(['alive', 'MAILSLOT_RESPONDER_LOST']);
});
