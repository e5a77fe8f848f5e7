// Back-pressure seen by the publisher: what waits, what is refused, and what a failure nobody awaits becomes.
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { busFolder, busOf } from '../support/scratch.js';
import { EventLog, eventually, isPending, take, takeData } from '../support/waiting.js';

const KiB = 1024;

describe('the window', () => {
  it('passes a message larger than itself, alone', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * KiB });
    const slot = await subscriber!.subscribe<Uint8Array>('large');
    await publisher!.publish('large', new Uint8Array(1));
    await publisher!.publish('large', new Uint8Array(500 * KiB));
    await publisher!.publish('large', new Uint8Array(2));
    await publisher!.publish('large', new Uint8Array(300 * KiB), { confirm: true });
    const sizes = (await takeData(slot, 4)).map(({ length }) => length);
    expect(sizes).toEqual([1, 500 * KiB, 2, 300 * KiB]);
  });

  it('is full only while messages are not taken', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * KiB });
    const slot = await subscriber!.subscribe<number>('n', { capacity: 1 });
    await publisher!.publish('n', new Uint8Array(1));
    await publisher!.publish('n', new Uint8Array(40 * KiB));
    const third = publisher!.publish('n', new Uint8Array(30 * KiB));
    await eventually(() => slot.info.messageCount === 2);
    expect(await isPending(third)).toBe(true);
    await slot.read();
    await third;
    await take(slot, 2);
    await eventually(() => publisher!.stats().window.messages === 0, 'an empty window');
    expect(publisher!.stats().window).toEqual({ messages: 0, bytes: 0, waiting: 0 });
  });

  it('an aborted publish leaves the line, and the others keep their order', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * KiB });
    const slot = await subscriber!.subscribe<Uint8Array>('n', { capacity: 1 });
    await publisher!.publish('n', new Uint8Array(1));
    await publisher!.publish('n', new Uint8Array(63 * KiB));
    const controller = new AbortController();
    const given = publisher!.publish('n', new Uint8Array(30 * KiB), { signal: controller.signal });
    const kept = publisher!.publish('n', new Uint8Array(31 * KiB));
    await eventually(() => publisher!.stats().window.waiting === 2);
    controller.abort('enough');
    await expect(given).rejects.toBe('enough');
    expect(publisher!.stats().window.waiting).toBe(1);
    const sizes = (await takeData(slot, 3)).map(({ length }) => length);
    expect(sizes).toEqual([1, 63 * KiB, 31 * KiB]);
    await kept;
  });

  it('refuses what nobody awaits beyond four windows, and loses nothing of the rest', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * KiB });
    const slot = await subscriber!.subscribe<number>('n', { capacity: 10_000 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 1_000 }, (_, i) => publisher!.publish('n', [i, new Uint8Array(KiB)])),
    );
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(600);
    expect(refused.length).toBeLessThan(750);
    expect(refused[0]).toMatchObject({ reason: { code: 'MAILSLOT_OUTBOX_FULL', retryable: true } });
    const admitted = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
    const seen = (await takeData(slot, admitted.length)).map((data) => (data as unknown as [number])[0]);
    expect(seen).toEqual(admitted);
  });
});

describe('a publish that fails', () => {
  it('rejects for whoever awaits it, and is no event then', async () => {
    const [bus] = await busOf(1);
    const events = new EventLog(bus!);
    await expect(bus!.publish('not a subject')).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_SUBJECT' });
    await bus!.publish('a', () => {}).catch(() => {});
    await bus!.publish('a', 1, { confirm: true });
    expect(events.of('publish-failed')).toEqual([]);
  });

  it('is an event when nobody awaits it', async () => {
    const [bus] = await busOf(1);
    const events = new EventLog(bus!);
    void bus!.publish('a', () => {});
    void bus!.publish('not a subject');
    await eventually(() => events.of('publish-failed').length === 2);
    const [first, second] = events.of('publish-failed');
    expect(first).toMatchObject({ subject: 'a', error: { code: 'MAILSLOT_NOT_ENCODABLE' } });
    expect(second).toMatchObject({ subject: 'not a subject', error: { code: 'MAILSLOT_INVALID_SUBJECT' } });
  });

  it('is an event also when it fails because the bus closes', async () => {
    const [publisher, subscriber] = await busOf(2, { windowBytes: 64 * KiB });
    await subscriber!.subscribe('n', { capacity: 1 });
    const events = new EventLog(publisher!);
    for (let i = 0; i < 8; i += 1) void publisher!.publish('n', new Uint8Array(30 * KiB));
    const waiting = await eventually(() => publisher!.stats().window.waiting, 'a full window');
    await publisher!.close();
    await events.ended;
    expect(events.types.at(-1)).toBe('closed');
    const codes = events.of('publish-failed').map(({ error }) => (error as { code: string }).code);
    expect(codes).toEqual(Array(waiting).fill('MAILSLOT_CLOSED'));
  });

  it('is a rejection, never a throw, even for nonsense', async () => {
    const [bus] = await busOf(1);
    const nonsense = undefined as unknown as string;
    await expect(bus!.publish(nonsense)).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_SUBJECT' });
    await expect(bus!.publish('a', 1, null as never)).rejects.toMatchObject({
      code: 'MAILSLOT_INVALID_OPTION',
    });
    await expect(bus!.publish('a', 1, { to: 'nobody' })).rejects.toMatchObject({
      code: 'MAILSLOT_INVALID_OPTION',
    });
  });

  it('never kills a program that does not await it', async () => {
    const codes = ['MAILSLOT_INVALID_SUBJECT', 'MAILSLOT_NOT_ENCODABLE', 'MAILSLOT_NO_SUCH_PEER', 'no code'];
    const { code, stdout, stderr } = await runProgram(
      busFolder(),
      `const bus = await openBus('test', { directory });
       const failures = [];
       void (async () => { for await (const event of bus.events()) if (event.type === 'publish-failed') failures.push(event.error.code ?? 'no code'); })();
       bus.publish('a', () => {});
       bus.publish('a..b', 1);
       bus.publish('a', 1, { confirm: true, to: '0123456789abcdef' });
       bus.publish('a', 1, { signal: AbortSignal.abort(new Error('no')) });
       while (failures.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
       await bus.close();
       bus.publish('a', 1);
       await new Promise((resolve) => setImmediate(resolve));
       console.log(failures.sort().join());`,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim()).toBe(codes.sort().join());
  });
});
