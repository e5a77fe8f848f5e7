// Claims over real links and among real processes: one owner at a time, next in line at once, over deaths and
// take-overs.
import type { Claim } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { checkHistory } from '../history/checker.js';
import type { HistoryRecord } from '../history/history.js';
import { type ChildPeer, type ChildTools, childPeer } from '../support/child-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, eventually, isPending } from '../support/waiting.js';

/** The child claims `name` and keeps it; resolves to the token. */
function claimThere(child: ChildPeer, name: string): Promise<number> {
  return child.run(async ({ bus, kept }, name) => {
    const claim = await bus.claim(name);
    kept.notes = [claim];
    return claim.token;
  }, name);
}

describe('a claim', () => {
  it('is granted at once when nobody has the name, with a token', async () => {
    const [bus] = await busOf(1);
    const claim = await bus!.claim('printer');
    expect(claim).toMatchObject({ name: 'printer', token: expect.any(Number) });
    expect(await isPending(claim.lost)).toBe(true);
    await claim.release();
    expect(await claim.lost).toBeUndefined();
  });

  it('is granted to those who wait in the order in which they asked, with rising tokens', async () => {
    const [host, ...buses] = await busOf(4);
    const first = await host!.claim('printer');
    const order: number[] = [];
    const claims: Promise<Claim>[] = [];
    for (const [index, bus] of buses.entries()) {
      const claiming = bus.claim('printer');
      void claiming.then(() => order.push(index));
      claims.push(claiming);
      // the host has dealt with it when it answers what came behind it
      await bus.peers();
    }
    expect(order).toEqual([]);
    await first.release();
    let token = first.token;
    for (const [index, claiming] of claims.entries()) {
      const claim = await claiming;
      expect(order).toHaveLength(index + 1);
      expect(claim.token).toBeGreaterThan(token);
      token = claim.token;
      await claim.release();
    }
    expect(order).toEqual([0, 1, 2]);
  });

  it('does not keep other names busy', async () => {
    const [bus, other] = await busOf(2);
    await bus!.claim('a');
    await Promise.all([bus!.claim('b'), other!.claim('c'), other!.claim('d.e')]);
  });

  it('is exclusive within one bus object, too', async () => {
    const [bus] = await busOf(1);
    const first = await bus!.claim('a');
    const second = bus!.claim('a');
    await bus!.peers();
    expect(await isPending(second)).toBe(true);
    await first.release();
    expect((await second).token).toBeGreaterThan(first.token);
  });

  it('is released by dispose, and only once', async () => {
    const [bus, other] = await busOf(2);
    const claim = await bus!.claim('a');
    await claim[Symbol.asyncDispose]();
    const next = await other!.claim('a');
    await claim.release();
    expect(await isPending(next.lost)).toBe(true);
  });

  it('is released when its bus closes', async () => {
    const [bus, other] = await busOf(2);
    const claim = await other!.claim('a');
    const next = bus!.claim('a');
    await other!.close();
    expect(await claim.lost).toMatchObject({ code: 'MAILSLOT_CLOSED' });
    await next;
  });

  it('waiting for a name ends with the signal, with the bus, and takes nobody else out of the line', async () => {
    const [host, a, b, c] = await busOf(4);
    const first = await host!.claim('x');
    const controller = new AbortController();
    const aborted = a!.claim('x', { signal: controller.signal });
    await a!.peers();
    const closed = b!.claim('x');
    await b!.peers();
    const last = c!.claim('x');
    await c!.peers();
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    const rejection = expect(closed).rejects.toMatchObject({ code: 'MAILSLOT_CLOSED' });
    await b!.close();
    await rejection;
    await first.release();
    expect((await last).token).toBeGreaterThan(first.token);
    // an abort later than the grant does nothing
    const late = new AbortController();
    const own = await a!.claim('y', { signal: late.signal });
    late.abort();
    await a!.peers();
    expect(await isPending(own.lost)).toBe(true);
  });

  it('that is granted while it is given up goes to the next in line', async () => {
    const [host, a, b] = await busOf(3);
    for (let round = 0; round < 50; round += 1) {
      const first = await host!.claim('x');
      const controller = new AbortController();
      const doubtful = a!.claim('x', { signal: controller.signal }).then(
        (claim) => claim.release(),
        () => {},
      );
      await a!.peers();
      void first.release();
      if (round % 2 === 0) await host!.peers();
      controller.abort();
      await doubtful;
      await (await b!.claim('x')).release();
    }
  });

  it('takes names that are subjects, known options and an AbortSignal only', async () => {
    const [bus] = await busOf(1);
    const invalid = (name: unknown) => bus!.claim(name as string);
    for (const name of ['', 'a b', '$a', 'a.*', 5, null, 'x'.repeat(256)]) {
      await expect(invalid(name), String(name)).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_NAME' });
    }
    const code = 'MAILSLOT_INVALID_OPTION';
    await expect(bus!.claim('a', { timeout: 5 } as object)).rejects.toMatchObject({ code });
    await expect(bus!.claim('a', { signal: 5 } as object)).rejects.toMatchObject({ code });
    await expect(bus!.claim('a', { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
    await bus!.close();
    await expect(bus!.claim('a')).rejects.toMatchObject({ code: 'MAILSLOT_CLOSED' });
  });
});

describe('among processes', () => {
  it('kill -9 of the owner: the next in line has the name within 100 ms', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const child = await childPeer(directory, { host: 'never' });
    const token = await claimThere(child, 'printer');
    const claiming = bus.claim('printer').then((claim) => ({ claim, at: performance.now() }));
    await bus.peers();
    const killedAt = performance.now();
    await child.kill();
    const { claim, at } = await claiming;
    expect(claim.token).toBeGreaterThan(token);
    expect(at - killedAt).toBeLessThan(100);
  });

  it.each(['releases it', 'closes its bus'])(
    'an owner that %s: the next in line has the name within 100 ms',
    async (how) => {
      const directory = busFolder();
      const bus = await joinBus(directory);
      const child = await childPeer(directory, { host: 'never' });
      await claimThere(child, 'printer');
      const claiming = bus.claim('printer').then(() => performance.now());
      await bus.peers();
      const start = performance.now();
      if (how === 'releases it') await child.run(({ kept }) => (kept.notes[0] as Claim).release());
      else await child.run(({ bus }) => bus.close());
      expect((await claiming) - start).toBeLessThan(100);
    },
  );

  it('two processes that contend never own a name at once, and their tokens rise', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const log = await bus.subscribe<[string, number]>('log', { capacity: 100_000 });
    const children = await Promise.all([childPeer(directory), childPeer(directory)]);
    const work = children.map((child) =>
      child.run(async ({ bus }) => {
        for (let round = 0; round < 100; round += 1) {
          const claim = await bus.claim('x');
          void bus.publish('log', ['begin', claim.token]);
          if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
          void bus.publish('log', ['end', claim.token]);
          await claim.release();
        }
        await bus.publish('log', ['done', 0], { confirm: true });
      }),
    );
    await Promise.all(work);
    const history: [string, number][] = [];
    while (history.length < 402) history.push((await log.read())!.data);
    expectNoOverlap(history.filter(([what]) => what !== 'done'));
  });

  it('a take-over: the owner keeps its name, and nobody else is granted it', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const owner = await childPeer(directory);
    const bus = await joinBus(directory);
    const token = await claimThere(owner, 'printer');
    const free = await bus.claim('free');
    const claiming = bus.claim('printer');
    await bus.peers();
    const events = new EventLog(bus);
    await bus.peers();
    await host.kill();
    await events.first('connected');
    // the host has dealt with all that came before, and the name is still the owner's
    await bus.peers();
    await owner.run(({ bus }) => bus.peers().then(() => {}));
    await bus.peers();
    expect(await isPending(claiming)).toBe(true);
    expect(await isPending(free.lost)).toBe(true);
    await owner.run(({ kept }) => (kept.notes[0] as Claim).release());
    expect((await claiming).token).toBeGreaterThan(token);
  });

  it('a take-over: names of those who died with the host are free, with higher tokens', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const bus = await joinBus(directory);
    const token = await claimThere(host, 'printer');
    const claiming = bus.claim('printer');
    await bus.peers();
    await host.kill();
    expect((await claiming).token).toBeGreaterThan(token);
  });

  it('a take-over: a name of a suspended owner is not granted, although the gate has opened without it', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const bus = await joinBus(directory);
    const owner = await childPeer(directory, { host: 'never' });
    const token = await claimThere(owner, 'printer');
    owner.suspend();
    const events = new EventLog(bus);
    await bus.peers();
    await host.kill();
    await events.first('connected');
    const claiming = bus.claim('printer');
    await bus.peers();
    expect(await isPending(claiming)).toBe(true);
    owner.resume();
    await eventually(async () => (await bus.peers()).some(({ id }) => id === owner.id), 'the owner');
    await owner.run(({ bus }) => bus.peers().then(() => {}));
    expect(await isPending(claiming)).toBe(true);
    await owner.kill();
    expect((await claiming).token).toBeGreaterThan(token);
  });

  it('an owner holds its name over whole gates while others contend for it, and never do two own it', async () => {
    const directory = busFolder();
    const { children, host: first } = await contestants(directory);
    const records = Promise.all(children.map((child) => child.run(contend, child.id)));
    const bus = await joinBus(directory, { host: 'never' });
    let host = first;
    for (const next of [() => childPeer(directory), () => joinBus(directory, { hostThread: 'inline' })]) {
      const successor = await next();
      for (const child of children) await tell(child, 'hold');
      const owner = await holderAmong(children);
      const { epoch } = bus;
      await host.kill();
      // what a child asked before this the host has dealt with when it answers
      for (const child of children) await child.run(askAnother, epoch);
      expect(await holdersAmong(children)).toEqual([owner]);
      for (const child of children) await tell(child, 'go on');
      await (await bus.claim('x')).release();
      if ('kill' in successor) host = successor;
    }
    for (const child of children) await tell(child, 'stop');
    const history = (await records).flat().sort((a, b) => a.time - b.time);
    expect(checkHistory(history, { atRest: false })).toEqual([]);
    expect(new Set(history.map(({ process }) => process)).size).toBe(children.length);
  });

  it('an owner that is without a host for longer than its other calls wait keeps its name', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const owner = await joinBus(directory, { host: 'never', reconnectTimeout: 50 });
    const claim = await owner.claim('x');
    await host.kill();
    await expect(owner.peers()).rejects.toMatchObject({ code: 'MAILSLOT_UNREACHABLE' });
    expect(await isPending(claim.lost)).toBe(true);
    const next = await joinBus(directory, { hostThread: 'inline' });
    const claiming = next.claim('x');
    await eventually(() => owner.state === 'connected', 'the owner is back');
    await owner.peers();
    await next.peers();
    expect(await isPending(claiming)).toBe(true);
    await claim.release();
    expect((await claiming).token).toBeGreaterThan(claim.token);
  });

  it('a claim that is released while there is no host is free at the next one', async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const owner = await joinBus(directory);
    const other = await joinBus(directory);
    const claim = await owner.claim('x');
    const events = new EventLog(owner);
    await owner.peers();
    await host.kill();
    await events.first('disconnected');
    await claim.release();
    expect((await other.claim('x')).token).toBeGreaterThan(claim.token);
  });
});

function expectNoOverlap(history: readonly (readonly [string, number])[]): void {
  let last = 0;
  for (let index = 0; index < history.length; index += 2) {
    const [begin, token] = history[index]!;
    expect([begin, history[index + 1]]).toEqual(['begin', ['end', token]]);
    expect(token).toBeGreaterThan(last);
    last = token;
  }
}

async function contestants(directory: string): Promise<{ host: ChildPeer; children: ChildPeer[] }> {
  const host = await childPeer(directory);
  const children = await Promise.all([1, 2, 3].map(() => childPeer(directory, { host: 'never' })));
  for (const child of children) await tell(child, 'go on');
  return { host, children };
}

/**
 * In a child: claims "x" again and again until it is told to stop, and holds it for as long as it is told to. Resolves to
 * what it saw, by the clock that all processes of the machine share.
 */
async function contend({ bus, kept }: ChildTools, process: string): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  while (kept.notes[0] !== 'stop') {
    const claim = await bus.claim('x');
    const { token } = claim;
    const now = (): number => Number(globalThis.process.hrtime.bigint()) / 1e6;
    records.push({ time: now(), op: 'granted', process, name: 'x', token });
    let isOver = false;
    void claim.lost.then((reason) => {
      isOver = true;
      if (reason === undefined) return;
      records.push({ time: now(), op: 'ungranted', process, name: 'x', token, how: 'lost' });
    });
    do {
      kept.notes[1] = isOver ? undefined : 'holds';
      await turn();
    } while (kept.notes[0] === 'hold' && !isOver);
    kept.notes[1] = undefined;
    if (isOver) continue;
    records.push({ time: now(), op: 'ungranted', process, name: 'x', token, how: 'released' });
    await claim.release();
  }
  return records;
}

/** In a child: asks the host that follows the one of this epoch. */
async function askAnother({ bus }: ChildTools, epoch: number): Promise<void> {
  while (bus.epoch === epoch || bus.state !== 'connected')
    await new Promise((resolve) => setTimeout(resolve, 2));
  await bus.peers();
}

function tell(child: ChildPeer, what: 'hold' | 'go on' | 'stop'): Promise<void> {
  return child.run(({ kept }, what) => {
    kept.notes ??= [];
    kept.notes[0] = what;
  }, what);
}

async function holdersAmong(children: readonly ChildPeer[]): Promise<ChildPeer[]> {
  const holds = await Promise.all(
    children.map((child) => child.run(({ kept }) => kept.notes[1] === 'holds')),
  );
  return children.filter((_, index) => holds[index]);
}

/** The one that holds the name, when they all have been told to. */
async function holderAmong(children: readonly ChildPeer[]): Promise<ChildPeer> {
  const [holder] = await eventually(async () => {
    const holders = await holdersAmong(children);
    return holders.length > 0 ? holders : undefined;
  }, 'an owner');
  return holder!;
}
