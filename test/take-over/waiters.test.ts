// What becomes of those who wait for something while their host goes: queries, confirms, and who opens a bus.
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually, isPending, takeData } from '../support/waiting.js';
import { candidate, receiverProcess } from './crew.js';

/** A bus whose host can be killed, another process that hosts then, and this process's own peer. */
async function hostedBus() {
  const directory = busFolder();
  const host = await candidate(directory);
  const [next, bus] = await Promise.all([candidate(directory), joinBus(directory, { host: 'never' })]);
  return { directory, host, next, bus };
}

/** A process whose responder on `slow` answers when it is told to. */
async function slowResponder(directory: string) {
  const child = await childPeer(directory, { host: 'never' });
  await child.run(async ({ bus, kept }) => {
    kept.notes = [];
    await bus.respond('slow', async ({ data }) => {
      kept.notes.push(data);
      while (!kept.stop) await new Promise((resolve) => setTimeout(resolve, 5));
      return data;
    });
  });
  return {
    child,
    has: (count: number) =>
      eventually(() => child.run(({ kept }, count) => kept.notes.length >= count, count), 'the query there'),
    answer: () =>
      child.run(({ kept }) => {
        kept.stop = true;
      }),
  };
}

describe('queries across a take-over', { timeout: 60_000 }, () => {
  it('open ones fail as retryable, new ones wait for everybody to be back', async () => {
    const { directory, host, bus } = await hostedBus();
    const responder = await slowResponder(directory);
    const events = new EventLog(bus);
    const open = bus.query('slow', 1, { timeout: 60_000 }).catch((error: unknown) => error);
    await responder.has(1);
    responder.child.suspend();
    await host.kill();
    expect(await open).toMatchObject({ code: 'MAILSLOT_RESPONDER_LOST', retryable: true });
    const started = bus.query('slow', 2, { timeout: 60_000 });
    const nobody = bus.query('nobody', 3, { timeout: 60_000 }).catch((error: unknown) => error);
    const impatient = bus.query('slow', 4, { timeout: 1 }).catch((error: unknown) => error);
    expect(await impatient).toMatchObject({ code: 'MAILSLOT_TIMEOUT' });
    expect(await isPending(nobody)).toBe(true);
    expect(events.of('connected')).toEqual([]);
    responder.child.resume();
    expect(await nobody).toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
    await responder.answer();
    expect((await started).data).toBe(2);
  });

  it('a host that closes lets them finish', async () => {
    const { directory, host, bus } = await hostedBus();
    const responder = await slowResponder(directory);
    const events = new EventLog(bus);
    const open = bus.query('slow', 1, { timeout: 60_000 });
    await responder.has(1);
    const closing = host.run(({ bus }) => bus.close());
    expect(await isPending(closing)).toBe(true);
    await responder.answer();
    expect((await open).data).toBe(1);
    await closing;
    await events.first('connected');
    expect(events.of('peer-left')).toMatchObject([{ peer: { id: host.id }, cause: 'closed' }]);
    expect(events.types.filter((type) => !type.startsWith('peer-'))).toEqual([
      'disconnected',
      'reconnecting',
      'connected',
    ]);
  });
});

describe('confirms across a take-over', { timeout: 60_000 }, () => {
  it('resolve when every receiver has taken the message from the new host', async () => {
    const { directory, host, bus } = await hostedBus();
    const to = await receiverProcess(directory);
    const slot = await bus.subscribe<number>('n.a');
    to.child.suspend();
    const confirm = bus.publish('n.a', 0, { confirm: true });
    expect(await takeData(slot, 1)).toEqual([0]);
    await host.kill();
    expect(await isPending(confirm)).toBe(true);
    to.child.resume();
    const { receivers, order } = await confirm;
    expect(receivers).toBe(2);
    expect(order).toBeGreaterThan(0);
    expect(await to.account()).toMatchObject({ faults: [], gaps: [], counts: { [bus.id]: 1 } });
    expect(slot.info.messageCount).toBe(0);
  });
});

describe('opening a bus in the gate', { timeout: 60_000 }, () => {
  it('waits for it, and shows everybody who is back', async () => {
    const { directory, host, bus } = await hostedBus();
    const sleeper = await receiverProcess(directory);
    sleeper.child.suspend();
    const events = new EventLog(bus);
    await host.kill();
    await events.first('reconnecting');
    const opening = joinBus(directory, { hostThread: 'inline' });
    expect(await isPending(opening)).toBe(true);
    sleeper.child.resume();
    const peers = await (await opening).peers();
    expect(peers.map(({ id }) => id)).toContain(sleeper.child.id);
    expect(peers.filter(({ hosting }) => hosting)).toHaveLength(1);
    const left = await events.first('peer-left');
    expect(left).toMatchObject({ peer: { id: host.id, pid: host.pid }, cause: 'crashed' });
  });
});
