// A signal may live as long as the program: what was put on it is taken back when the call or the slot is over.
import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { busOf } from '../support/scratch.js';
import { eventually, take } from '../support/waiting.js';

it('nothing stays on a signal that lives on', async () => {
  const [bus, other] = await busOf(2, { windowBytes: 64 * 1024 });
  const { signal } = new AbortController();
  const slot = await bus!.subscribe('a', { signal, capacity: 1 });
  const responder = await bus!.respond('q', () => 1, { signal });
  const events = bus!.events({ signal });
  expect(getEventListeners(signal, 'abort').length).toBe(3);

  const published = [1, 2, 3].map(() => other!.publish('a', new Uint8Array(40_000), { signal }));
  const confirmed = other!.publish('a', 1, { signal, confirm: true });
  await eventually(() => other!.stats().window.waiting === 3);
  await take(slot, 4);
  await Promise.all([...published, confirmed]);
  await bus!.query('q', 1, { signal });
  for await (const _ of bus!.queryAll('q', 1, { signal }));
  expect(await slot.read({ timeout: 0, signal })).toBeUndefined();
  expect(await slot.read({ timeout: 1, signal })).toBeUndefined();
  expect(getEventListeners(signal, 'abort').length).toBe(3);

  await slot.close();
  await responder.close();
  await events.return!();
  expect(getEventListeners(signal, 'abort')).toEqual([]);

  await bus!.subscribe('a', { signal });
  await bus!.respond('q', () => 1, { signal });
  bus!.events({ signal });
  await bus!.close();
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
