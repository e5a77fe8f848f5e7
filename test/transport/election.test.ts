// Elections among real processes: promises R1 (short form), R4 and R5. One process reports at a time through its
// channel; "two hosts" shows as a second `serving` before the first host was killed or reported its fence.
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { HANDSHAKE_TIMEOUT, HUNG_HOST_TIMEOUT } from '../../src/limits.js';
import { endpointPath, openBusDirectory } from '../../src/transport/bus-directory.js';
import { readOrCreateKey } from '../../src/transport/bus-key.js';
import { claimEpoch, readHighest } from '../../src/transport/epochs.js';
import { findHost } from '../../src/transport/find-host.js';
import { memoryEndpoints } from '../../src/transport/memory-pipe.js';
import { standForElection } from '../../src/transport/reign.js';
import { socketEndpoints } from '../../src/transport/socket-pipe.js';
import { systemClock as clock } from '../../src/util/clock.js';
import { later, Owner, temporaryFolder, until } from './helper.js';

const fixture = fileURLToPath(new URL('./fixtures/contender.mjs', import.meta.url));
const hostId = Buffer.from('host-id!');
const peerId = Buffer.from('peer-id!');

interface Contender {
  child: ChildProcess;
  /** The epoch it is linked to or serving. */
  epoch: number;
}

/** Processes on one bus, and who of them is host. */
class Field {
  readonly root = temporaryFolder();
  readonly contenders = new Set<Contender>();
  readonly epochs: number[] = [];
  readonly overlaps: string[] = [];
  host: Contender | undefined;
  fences = 0;

  add(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const contender: Contender = { child: fork(fixture, [this.root]), epoch: 0 };
      this.contenders.add(contender);
      later(() => contender.child.kill('SIGKILL'));
      contender.child.on('message', (message) => this.#note(contender, message as Report));
    }
  }

  /** Kills a contender and waits until it is gone. */
  async kill(contender: Contender): Promise<void> {
    this.contenders.delete(contender);
    if (this.host === contender) this.host = undefined;
    const gone = new Promise((resolve) => contender.child.once('exit', resolve));
    contender.child.kill('SIGKILL');
    await gone;
  }

  /** Everybody except those left out has the same host. */
  settles(except: readonly Contender[] = []): Promise<void> {
    return until(() => {
      const epoch = this.host?.epoch;
      const others = [...this.contenders].filter((contender) => !except.includes(contender));
      return epoch !== undefined && others.every((contender) => contender.epoch === epoch);
    }, 'one host for all');
  }

  followers(): Contender[] {
    return [...this.contenders].filter((contender) => contender !== this.host);
  }

  #note(contender: Contender, { event, epoch }: Report): void {
    if (!this.contenders.has(contender)) return;
    contender.epoch = event === 'fenced' ? 0 : epoch;
    if (event === 'fenced') this.fences += 1;
    if (event === 'fenced' && this.host === contender) this.host = undefined;
    if (event !== 'serving') return;
    if (this.host) this.overlaps.push(`${epoch} began before ${this.host.epoch} was over`);
    this.host = contender;
    this.epochs.push(epoch);
  }
}

interface Report {
  event: 'linked' | 'serving' | 'fenced';
  epoch: number;
}

describe.runIf(process.platform !== 'win32')('elections among processes', () => {
  it('give 20 processes exactly one host, and after each kill -9 exactly one successor', async () => {
    const field = new Field();
    field.add(20);
    await field.settles();
    const rounds = 8;
    for (let round = 0; round < rounds; round += 1) {
      // One process sleeps through the election and wakes in the next reign.
      const sleeper = field.followers()[round % 3]!;
      sleeper.child.kill('SIGSTOP');
      await field.kill(field.host!);
      await field.settles([sleeper]);
      sleeper.child.kill('SIGCONT');
      await field.settles();
    }
    expect(field.overlaps).toEqual([]);
    expect(field.fences).toBe(0);
    expect(field.epochs).toHaveLength(rounds + 1);
    expect(field.epochs).toEqual([...new Set(field.epochs)].sort((a, b) => a - b));
    await until(() => readdirSync(field.root).length === 2, 'the sockets of dead hosts to go');
  }, 40_000);

  it('replace a suspended host, which is fenced when it wakes', async () => {
    const field = new Field();
    field.add(3);
    await field.settles();
    const suspended = field.host!;
    suspended.child.kill('SIGSTOP');
    field.host = undefined;
    field.add(1);
    await until(() => field.host !== undefined, 'a successor');
    suspended.child.kill('SIGCONT');
    await until(() => field.fences === 1, 'the fence');
    await field.settles();
    expect(field.epochs[1]).toBe(field.epochs[0]! + 1);
  }, 30_000);

  it('heal a deleted folder with one host of a higher epoch', async () => {
    const field = new Field();
    field.add(4);
    await field.settles();
    const before = field.host!.epoch;
    // Moved away, for in a folder that the contenders go on writing into, deleting fails.
    renameSync(join(field.root, 'b-b'), join(temporaryFolder(), 'gone'));
    await until(() => field.fences === 1, 'the fence');
    await field.settles();
    expect(field.host!.epoch).toBeGreaterThan(before);
    expect(field.overlaps).toEqual([]);
  }, 30_000);

  it('start at once in the folder of a host that was killed', async () => {
    const field = new Field();
    field.add(1);
    await field.settles();
    const first = field.host!.epoch;
    const [stale] = readdirSync(field.root).filter((name) => name.startsWith('s'));
    await field.kill(field.host!);
    field.add(1);
    await field.settles();
    expect(field.epochs).toEqual([first, first + 1]);
    await until(() => !existsSync(join(field.root, stale!)), 'the dead socket to go');
  });
});

describe('an election', () => {
  const openBus = () => openBusDirectory('b', { directory: temporaryFolder() });
  type Bus = Awaited<ReturnType<typeof openBus>>;
  const stand = async (bus: Bus, changes: object = {}) => {
    const reign = await standForElection(bus, {
      dead: 5,
      clock,
      endpoints: socketEndpoints(clock),
      hostId,
      onLink: () => {},
      onFenced: () => {},
      ...changes,
    });
    if (reign) later(() => reign.close());
    return reign;
  };
  const find = (bus: Bus, changes: object = {}) =>
    findHost(bus, { clock, endpoints: socketEndpoints(clock), peerId, ...changes });

  it('in an empty folder begins at the time in seconds, or above the last epoch one was on', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const { link, ...found } = await find(await openBus());
    expect(link).toBeUndefined();
    expect(found).toMatchObject({ dead: expect.closeTo(now, -1) });
    expect(await find(await openBus(), { lastEpoch: 2 ** 40 })).toEqual({
      link: undefined,
      dead: 2 ** 40 + 1,
    });
  });

  it('does not begin for who gave up while the folder was read', async () => {
    const controller = new AbortController();
    const finding = find(await openBus(), { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(finding).rejects.toThrow('enough');
  });

  it('makes its winner look at the disk once more when it cannot have looked for over two seconds', async () => {
    let asleep = 0;
    let fences = 0;
    const sleeper = { ...clock, now: () => clock.now() + asleep };
    const bus = await openBus();
    const reign = await stand(bus, { clock: sleeper, onFenced: () => (fences += 1) });
    // from here on in one turn: neither timer nor watch can have told it
    writeFileSync(join(bus.path, 'e7'), '', { mode: 0o600 });
    expect([reign!.isSure(), fences]).toEqual([true, 0]);
    asleep = 2_100;
    expect([reign!.isSure(), fences]).toEqual([false, 1]);
  });

  it('has one winner among many in one process, also over memory', async () => {
    const bus = await openBus();
    const endpoints = memoryEndpoints(clock);
    const reigns = await Promise.all(Array.from({ length: 20 }, () => stand(bus, { endpoints })));
    const [winner, ...others] = reigns.filter((reign) => reign !== undefined);
    expect(others).toEqual([]);
    winner!.serve();
    const { link } = await find(bus, { endpoints });
    expect(link?.epoch).toBe(6);
    expect((await readHighest(bus, clock)).epoch).toBe(6);
    expect(readdirSync(bus.root)).toEqual(['b-b']);
  });

  it('is lost by who overslept it: a number that was used and pruned does not count', async () => {
    const bus = await openBus();
    await readOrCreateKey(bus, clock);
    // The higher epoch comes between the look at the folder and the claim: just when the claim's draft is named.
    const slow = {
      ...clock,
      randomBytes(length: number) {
        if (length === 8) writeFileSync(join(bus.path, 'e9'), '', { mode: 0o600 });
        return clock.randomBytes(length);
      },
    };
    expect(await stand(bus, { clock: slow })).toBeUndefined();
    expect(readdirSync(bus.path).sort()).toEqual(['e9', 'key', 'state']);
    expect(readdirSync(bus.root)).toEqual(['b-b']);
  });

  it('prunes what it can: a folder that is deleted meanwhile does not end the host', async () => {
    const bus = await openBus();
    const reign = await stand(bus, { endpoints: memoryEndpoints(clock) });
    rmSync(bus.path, { recursive: true });
    await expect(reign!.prune(reign!.epoch)).resolves.toBeUndefined();
    await reign!.close();
  });

  it('ends a reign when a higher epoch appears, once, and leaves its links to the host', async () => {
    const bus = await openBus();
    const links: Owner[] = [];
    let fences = 0;
    const reign = await stand(bus, {
      onLink: ({ pipe }: { pipe: Owner['pipe'] }) => links.push(new Owner(pipe)),
      onFenced: () => {
        fences += 1;
      },
    });
    reign!.serve();
    await find(bus);
    await until(() => links.length === 1);
    expect(reign!.stillReigns()).toBe(true);
    await claimEpoch(bus, { epoch: 7, endpoint: 's0123456789ab', pid: 1 }, clock);
    await until(() => fences > 0, 'the fence');
    expect([reign!.stillReigns(), fences, links[0]!.ends]).toEqual([false, 1, []]);
    expect(existsSync(reign!.endpoint)).toBe(false);
    await reign!.close();
  });

  it('keeps its pointer when the reign ends, so that the next one is higher', async () => {
    const bus = await openBus();
    const reign = await stand(bus);
    reign!.serve();
    await reign!.close();
    expect(await find(bus)).toEqual({ link: undefined, dead: 6 });
  });

  it('makes a folder anew that is deleted while it is being read', async () => {
    const bus = await openBus();
    let deletions = 0;
    const unlucky = {
      ...clock,
      randomBytes(length: number) {
        if (length === 8 && deletions++ < 5) rmSync(bus.root, { recursive: true, force: true });
        return clock.randomBytes(length);
      },
    };
    const found = await find(bus, { clock: unlucky, lastEpoch: 2 ** 40 });
    expect(found).toEqual({ link: undefined, dead: 2 ** 40 + 1 });
    deletions = 0;
    expect(await stand(bus, { clock: unlucky, dead: 2 ** 40 + 1 })).toBeUndefined();
    expect(deletions).toBeGreaterThan(0);
  });

  it('says so when the folder does not take files', async () => {
    const bus = await openBus();
    const full = Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
    const broken = {
      ...clock,
      randomBytes(): Buffer {
        throw full;
      },
    };
    await expect(find(bus, { clock: broken })).rejects.toMatchObject({
      code: 'MAILSLOT_UNREACHABLE',
      cause: full,
      message: expect.stringContaining('MAILSLOT_DIR'),
    });
  });

  it('counts a malformed pointer as dead', async () => {
    const bus = await openBus();
    writeFileSync(join(bus.path, 'e12'), 'half', { mode: 0o600 });
    expect(await find(bus)).toEqual({ link: undefined, dead: 12 });
  });

  it('waits for a host that is not serving yet', async () => {
    const bus = await openBus();
    const reign = await stand(bus);
    const finding = find(bus);
    await until(() => reign!.pending === 1);
    reign!.serve();
    expect((await finding).link?.epoch).toBe(6);
  });

  it('calls a host that answers nobody hung, and names its process', async () => {
    const bus = await openBus();
    const reign = await stand(bus);
    const since = clock.now() - HUNG_HOST_TIMEOUT;
    const found = await find(bus, { suspicion: { epoch: 6, since } });
    expect(found).toEqual({ link: undefined, dead: 6, hung: process.pid });
    expect(reign!.stillReigns()).toBe(true);
  });

  it('leaves a host that answers nobody as soon as another one has replaced it', async () => {
    const bus = await openBus();
    const hung = await stand(bus);
    const finding = find(bus);
    const start = performance.now();
    await until(() => hung!.pending === 1);
    const next = await stand(bus, { dead: 6 });
    next!.serve();
    expect((await finding).link?.epoch).toBe(7);
    expect(performance.now() - start).toBeLessThan(HANDSHAKE_TIMEOUT / 2);
  });

  it('asks a host that hangs up on it again, until the signal says otherwise', async () => {
    const bus = await openBus();
    const reign = await stand(bus);
    reign!.serve();
    // A host that has another key refuses without a word: for us it may be closing, so it is asked again.
    writeFileSync(join(bus.path, 'key'), Buffer.alloc(32, 1));
    let failures = 0;
    const reason = new Error('enough');
    const controller = new AbortController();
    const onFailure = () => {
      failures += 1;
      if (failures === 3) controller.abort(reason);
    };
    await expect(find(bus, { onFailure, signal: controller.signal })).rejects.toBe(reason);
  });

  it('meets a squatter on the endpoint with MAILSLOT_BAD_KEY after two attempts', async () => {
    const bus = await openBus();
    const endpoints = socketEndpoints(clock);
    const pointer = { epoch: 6, endpoint: 's0123456789ab', pid: 1 };
    await claimEpoch(bus, pointer, clock);
    let attempts = 0;
    const listener = await endpoints.listen(endpointPath(bus, pointer.endpoint), {
      onPipe(pipe) {
        attempts += 1;
        const drop = { data() {}, drained() {}, closed() {} };
        pipe.handlers = {
          ...drop,
          data: (chunk) => pipe.write([Buffer.concat([chunk, chunk]).subarray(0, 112)]),
        };
      },
      onError: () => {},
    });
    later(() => listener.close());
    await expect(find(bus)).rejects.toMatchObject({ code: 'MAILSLOT_BAD_KEY' });
    expect(attempts).toBe(2);
  });
});
