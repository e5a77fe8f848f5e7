// What a program sees that prints what it holds: a line or two, and nothing of the insides.
import { inspect } from 'node:util';
import { defineContract, message, startHost } from 'mailslot';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { afterwards, busFolder, busOf, joinBus } from '../support/scratch.js';

it('a bus, a slot, a responder and a claim print what they are', async () => {
  const [bus] = await busOf(1);
  const slot = await bus!.subscribe('a.*', { group: 'g' });
  const responder = await bus!.respond('q', () => 1);
  const claim = await bus!.claim('leader');
  const { id, epoch, directory } = bus!;
  expect(inspect(bus, { breakLength: Infinity })).toBe(
    `Bus { name: 'test', id: '${id}', state: 'connected', hosting: true, epoch: ${epoch}, directory: '${directory}' }`,
  );
  expect(inspect(slot, { breakLength: Infinity })).toBe(
    "Slot { pattern: 'a.*', group: 'g', open: true, messageCount: 0, dropped: 0, missed: 0 }",
  );
  expect(inspect(responder)).toBe("Responder { pattern: 'q', open: true }");
  expect(inspect(claim)).toBe(`Claim { name: 'leader', token: ${claim.token} }`);
  expect(inspect({ a: { b: { c: bus } } })).toContain('[Bus]');
});

it('so do the bus and the slot of a contract', async () => {
  const contract = defineContract({ a: message(z.number()) });
  const bus = await joinBus(busFolder(), { hostThread: 'inline', contract } as object);
  expect(inspect(bus)).toMatch(/^Bus \{\s+name: 'test',/);
  expect(inspect(await bus.subscribe('a'))).toMatch(/^Slot \{\s+pattern: 'a',/);
});

it.each(['inline', 'worker'] as const)('so does a host: %s', async (hostThread) => {
  const host = await startHost('test', { directory: busFolder(), hostThread });
  afterwards(() => host.close());
  expect(inspect(host, { breakLength: Infinity })).toBe(
    `Host { epoch: ${host.epoch}, endpoint: ${inspect(host.endpoint)}, peers: 0 }`,
  );
});
