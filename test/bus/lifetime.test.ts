// From openBus to the end: what keeps a process alive, what closing finishes, and what calls do afterwards.
import { openBus, startHost } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { afterwards, busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, isPending, takeData } from '../support/waiting.js';

describe('a process', () => {
  it('ends by itself with exit code 0 after close(), whatever it had open', async () => {
    const ending = await runProgram(
      busFolder(),
      `const bus = await openBus('test', { directory });
       const guest = await openBus('test', { directory });
       const slot = await bus.subscribe('a');
       void (async () => { for await (const m of slot); })();
       void (async () => { for await (const e of bus.events()); })();
       await bus.respond('q', () => 1);
       await guest.publish('a', 1, { confirm: true });
       await guest.query('q');
       const never = guest.query('nobody').catch(() => {});
       await guest.close();
       await bus.close();
       console.log(bus.state, guest.state);`,
    );
    expect(ending).toEqual({ code: 0, signal: null, stdout: 'closed closed\n', stderr: '' });
  });

  it('ends when opening is given up before it began', async () => {
    const { code, stdout, stderr } = await runProgram(
      busFolder(),
      `await openBus('test', { directory, signal: AbortSignal.abort(new Error('no')) }).catch(({ message }) => console.log(message));`,
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'no\n', stderr: '' });
  });

  it('that has unref()ed its bus ends, though the bus is open', async () => {
    const { code, stdout, stderr } = await runProgram(
      busFolder(),
      `const bus = await openBus('test', { directory });
       await bus.subscribe('a', () => {});
       bus.unref();
       process.on('exit', () => console.log(bus.state));`,
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'connected\n', stderr: '' });
  });

  it('with an open bus stays, until somebody tells it to end', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const events = new EventLog(bus);
    await bus.peers();
    const program = runProgram(
      directory,
      `const bus = await openBus('test', { directory, label: 'guest' });
       bus.unref().ref();
       await bus.subscribe('end', () => void bus.close());`,
    );
    const { peer } = await events.first('peer-joined');
    // two round trips to the host and two turns of our own loop: an empty event loop would have ended by now
    await eventually(
      async () => (await bus.publish('end', 1, { confirm: true, to: peer.id })).receivers === 1,
    );
    expect(await program).toMatchObject({ code: 0, stderr: '' });
    expect(await events.first('peer-left')).toMatchObject({ cause: 'closed' });
  });

  it('that only runs a host stays until the host is closed', async () => {
    const directory = busFolder();
    const program = runProgram(
      directory,
      `const host = await startHost('test', { directory });
       const bus = await openBus('test', { directory, host: 'never' });
       bus.unref();
       await bus.subscribe('end', () => void host.close());
       await bus.respond('ready', () => true);`,
    );
    const bus = await eventually(() => joinBus(directory, { host: 'never' }).catch(() => undefined));
    await eventually(() => bus.query('ready').catch(() => undefined));
    await bus.publish('end');
    expect(await program).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('close', () => {
  it('resolves `closed` to undefined, and ends everything of the bus', async () => {
    const [, bus] = await busOf(2);
    const slot = await bus!.subscribe('a');
    const responder = await bus!.respond('q', () => 1);
    const events = new EventLog(bus!);
    expect(await isPending(bus!.closed)).toBe(true);
    await bus!.close();
    await bus!.close();
    expect(await bus!.closed).toBeUndefined();
    expect([bus!.state, slot.open, responder.open]).toEqual(['closed', false, false]);
    await events.ended;
    expect(events.types).toEqual(['slot-closed', 'closed']);
  });

  it('makes every later call reject with MAILSLOT_CLOSED', async () => {
    const [bus] = await busOf(1);
    await bus!.close();
    const closed = { code: 'MAILSLOT_CLOSED', name: 'MailslotError' };
    await expect(bus!.publish('a', 1)).rejects.toMatchObject(closed);
    await expect(bus!.publish('a', 1, { confirm: true })).rejects.toMatchObject(closed);
    await expect(bus!.subscribe('a')).rejects.toMatchObject(closed);
    await expect(bus!.query('a')).rejects.toMatchObject(closed);
    await expect(bus!.respond('a', () => 1)).rejects.toMatchObject(closed);
    await expect(bus!.peers()).rejects.toMatchObject(closed);
    await expect((async () => bus!.queryAll('a').next())()).rejects.toMatchObject(closed);
    for await (const _ of bus!.events()) expect.unreachable();
    await bus!.drain();
  });

  it('leaves nothing behind that was published before it, and reaches those who read', async () => {
    const [reader, bus] = await busOf(2);
    const slot = await reader!.subscribe('a');
    await bus!.publish('a', 1);
    for (let number = 2; number < 20; number += 1) void bus!.publish('a', number);
    await bus!.close();
    expect(await takeData(slot, 19)).toEqual(Array.from({ length: 19 }, (_, index) => index + 1));
  });

  it('rejects whatever is pending', async () => {
    const [bus, other] = await busOf(2);
    await other!.subscribe('full', { capacity: 1 });
    await other!.respond('slow', () => new Promise(() => {}));
    await bus!.publish('full', 1, { confirm: true });
    const pending = [bus!.publish('full', 2, { confirm: true }), bus!.query('slow')];
    const outcomes = Promise.allSettled(pending);
    await bus!.close();
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ reason: { code: 'MAILSLOT_CLOSED' } });
  });

  it.each(['queryAll', 'queryStream'] as const)('…and a %s that begins after it', async (call) => {
    const [bus] = await busOf(1);
    const controller = new AbortController();
    const replies = bus![call]('x');
    const aborted = bus![call]('x', undefined, { signal: controller.signal });
    controller.abort('enough');
    await expect(aborted.next()).rejects.toBe('enough');
    await bus!.close();
    await expect(replies.next()).rejects.toMatchObject({ code: 'MAILSLOT_CLOSED' });
  });
});

describe('opening that is given up at any moment', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 8])('after %d ms leaves no host behind', async (delay) => {
    const directory = busFolder();
    const aborted = (): AbortSignal => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), delay);
      return controller.signal;
    };
    for (const start of [openBus, startHost]) {
      // a key is written and synced first, which takes a while
      const options = { directory, signal: aborted(), hostThread: 'inline' } as const;
      const opened = await start(`test-${start.name.toLowerCase()}`, options).catch(() => undefined);
      await opened?.close();
    }
    for (const name of ['test-openbus', 'test-starthost']) {
      const host = await startHost(name, { directory, hostThread: 'inline' });
      await host.close();
    }
  });
});

describe('drain', () => {
  it('delivers what was published before it', async () => {
    const [host, bus] = await busOf(2);
    const slot = await host!.subscribe<number>('n', { capacity: 5 });
    for (let i = 0; i < 1_000; i += 1) void bus!.publish('n', i);
    const drained = bus!.drain({ timeout: 60_000 });
    expect(await takeData(slot, 1_000)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    await drained;
    expect(bus!.state).toBe('closed');
  });

  it('lets slots that are read run empty', async () => {
    const [other, bus] = await busOf(2);
    const slot = await bus!.subscribe<number>('n');
    for (let i = 0; i < 100; i += 1) await other!.publish('n', i);
    await other!.publish('n', 100, { confirm: true });
    const seen: number[] = [];
    const loop = (async () => {
      for await (const { data } of slot) {
        seen.push(data);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await bus!.drain({ timeout: 60_000 });
    await loop;
    expect(seen).toEqual(Array.from({ length: 101 }, (_, i) => i));
  });

  it('lets handlers finish, and their answers arrive', async () => {
    const [asker, bus] = await busOf(2);
    let finish: ((answer: string) => void) | undefined;
    await bus!.respond('slow', () => {
      return new Promise((resolve) => {
        finish = resolve;
      });
    });
    const query = asker!.query('slow', 1, { timeout: 60_000 });
    const answer = await eventually(() => finish, 'the query at the responder');
    const drained = bus!.drain({ timeout: 60_000 });
    // the goodbye of a responder that did not wait would come before this answer
    await asker!.peers();
    answer('done');
    expect((await query).data).toBe('done');
    await drained;
    await expect(asker!.query('slow')).rejects.toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
  });

  it('lets the handler of a slot finish, and what it publishes arrives', async () => {
    const [other, bus] = await busOf(2);
    const results = await other!.subscribe<string>('result');
    let finish: (() => void) | undefined;
    await bus!.subscribe('task', async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      await bus!.publish('result', 'done');
    });
    await other!.publish('task');
    const done = await eventually(() => finish, 'the task at its handler');
    const drained = bus!.drain({ timeout: 60_000 });
    await other!.peers();
    done();
    expect((await results.read({ timeout: 12_000 }))?.data).toBe('done');
    await drained;
  });

  it('lets a handler finish that began while a slot ran empty', async () => {
    const [asker, bus] = await busOf(2);
    const finish: Record<string, () => void> = {};
    await bus!.subscribe('task', () => new Promise<void>((resolve) => (finish.task = resolve)));
    await bus!.respond('slow', () => new Promise((resolve) => (finish.query = () => resolve('done'))));
    await asker!.publish('task');
    await eventually(() => finish.task, 'the task at its handler');
    const drained = bus!.drain({ timeout: 60_000 });
    const query = asker!.query('slow', 1, { timeout: 60_000 });
    await eventually(() => finish.query, 'the query at the responder');
    finish.task!();
    // the goodbye of a responder that did not wait would come before this answer
    await asker!.peers();
    finish.query!();
    expect((await query).data).toBe('done');
    await drained;
  });

  it('is over when somebody closes the bus meanwhile', async () => {
    const [host, bus] = await busOf(2);
    await host!.subscribe('n', { capacity: 1 });
    for (let i = 0; i < 10; i += 1) await bus!.publish('n', i);
    const drained = bus!.drain({ timeout: 60_000 });
    await bus!.close();
    await drained;
  });

  it('gives up after its time-out', async () => {
    const [host, bus] = await busOf(2);
    await host!.subscribe('n', { capacity: 1 });
    for (let i = 0; i < 10; i += 1) await bus!.publish('n', i);
    await bus!.drain({ timeout: 50 });
    expect(bus!.state).toBe('closed');
  });

  it('disposing drains', async () => {
    const [host, bus] = await busOf(2);
    const slot = await host!.subscribe<number>('n');
    for (let i = 0; i < 100; i += 1) void bus!.publish('n', i);
    await bus![Symbol.asyncDispose]();
    expect(bus!.state).toBe('closed');
    expect(slot.info.messageCount).toBe(100);
  });
});

describe('hosts', () => {
  it('`host: never` without a host fails at once', async () => {
    const call = joinBus(busFolder(), { host: 'never', timeout: 2 ** 31 - 1 });
    await expect(call).rejects.toMatchObject({ code: 'MAILSLOT_UNREACHABLE', retryable: true });
  });

  it('startHost serves peers, and a second one is refused', async () => {
    const directory = busFolder();
    const host = await startHost('test', { directory });
    afterwards(() => host.close());
    const [one, two] = [await joinBus(directory), await joinBus(directory, { host: 'never' })];
    expect([one.hosting, two.hosting]).toEqual([false, false]);
    expect([one.epoch, two.epoch]).toEqual([host.epoch, host.epoch]);
    await eventually(() => host.peers === 2);
    const slot = await two.subscribe('a');
    await one.publish('a', 'hello');
    expect(await takeData(slot, 1)).toEqual(['hello']);
    await expect(startHost('test', { directory })).rejects.toMatchObject({ code: 'MAILSLOT_NOT_PERMITTED' });
    await one.close();
    await eventually(() => host.peers === 1);
    await two.close();
    await host.close();
    expect(await host.closed).toBeUndefined();
  });

  it('two buses of other names in one folder do not hear each other', async () => {
    const directory = busFolder();
    const { openBus } = await import('mailslot');
    const [one, two] = [await openBus('one', { directory }), await openBus('two', { directory })];
    afterwards(() => Promise.all([one.close(), two.close()]));
    const slot = await two.subscribe('a');
    expect((await one.publish('a', 1, { confirm: true })).receivers).toBe(0);
    expect(slot.info.messageCount).toBe(0);
    expect([one.name, two.name, one.hosting, two.hosting]).toEqual(['one', 'two', true, true]);
  });
});
