// The handshake on real sockets, and the crowd in front of it: promises S4 and S5.
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import type { MailslotError } from '../../src/errors.js';
import { HANDSHAKE_TIMEOUT, MAX_UNPROVEN_CONNECTIONS } from '../../src/limits.js';
import {
  type AcceptOptions,
  connectLink,
  type Link,
  LinkAcceptor,
  LinkFailure,
} from '../../src/transport/link.js';
import { type Clock, systemClock } from '../../src/util/clock.js';
import { encodeC1, encodeH1 } from '../../src/wire/handshake.js';
import { kinds, later, Owner, until, type World } from './helper.js';

const key = Buffer.alloc(32, 5);
const epoch = 1_800_000_000;
const hostId = Buffer.from('host-id!');
const peerId = Buffer.from('peer-id!');

interface Host {
  world: World;
  acceptor: LinkAcceptor;
  links: Link[];
  refusals: MailslotError[];
}

async function startHost(world: World, changes: Partial<AcceptOptions> = {}): Promise<Host> {
  const links: Link[] = [];
  const refusals: MailslotError[] = [];
  const acceptor = new LinkAcceptor({
    key,
    epoch,
    hostId,
    endpoint: world.endpoint,
    clock: systemClock,
    onLink: (link) => links.push(link),
    onRefused: (reason) => refusals.push(reason),
    ...changes,
  });
  const listener = await world.endpoints.listen(world.endpoint, {
    onPipe: (pipe) => acceptor.accept(pipe),
    onError: () => {},
  });
  later(() => listener.close());
  later(() => acceptor.close());
  acceptor.serve();
  return { world, acceptor, links, refusals };
}

const connect = (world: World, changes: object = {}) =>
  connectLink({ ...world, key, epoch, peerId, clock: systemClock, ...changes });

const socketWorld = () => kinds[0]!.world();

/** A plain client that takes notes. */
function rawClient(endpoint: string): {
  socket: net.Socket;
  received: () => number;
  isClosed: Promise<void>;
} {
  let received = 0;
  const socket = net.connect(endpoint);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    received += chunk.length;
  });
  later(() => socket.destroy());
  const isClosed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return { socket, received: () => received, isClosed };
}

/** A clock whose timers only fire when told to. */
function handClock(): Clock & { pass(ms: number, late?: number): void } {
  let now = 0;
  const timers = new Set<{ due: number; fire: () => void }>();
  return {
    ...systemClock,
    now: () => now,
    setTimer(delay, fire) {
      const timer = { due: now + delay, fire };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    pass(ms, late = 0) {
      const until = now + ms;
      now = until + late;
      for (const timer of [...timers]) if (timer.due <= until && timers.delete(timer)) timer.fire();
    },
  };
}

for (const { kind, world } of kinds) {
  describe(`links (${kind})`, () => {
    it('connect both sides and name the other', async () => {
      const host = await startHost(world());
      const link = await connect(host.world);
      expect([Buffer.from(link.peerId), link.epoch]).toEqual([hostId, epoch]);
      await until(() => host.links.length === 1);
      expect([Buffer.from(host.links[0]!.peerId), host.links[0]!.epoch]).toEqual([peerId, epoch]);
      expect(host.acceptor.pending).toBe(0);
      link.pipe.destroy();
    });

    it('deliver what came right behind the handshake to an owner that comes late, in order', async () => {
      const host = await startHost(world(), {
        onLink: ({ pipe }) => {
          new Owner(pipe);
          for (let i = 0; i < 200; i += 1) pipe.write([Buffer.from(`welcome ${i} `)]);
        },
      });
      const link = await connect(host.world);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const owner = new Owner(link.pipe);
      const expected = Array.from({ length: 200 }, (_, i) => `welcome ${i} `).join('');
      await owner.receives(expected.length);
      expect(owner.text).toBe(expected);
      link.pipe.destroy();
    });

    it('are not answered before the host serves, and all are afterwards', async () => {
      const setting = world();
      const links: Link[] = [];
      const acceptor = new LinkAcceptor({
        key,
        epoch,
        hostId,
        endpoint: setting.endpoint,
        clock: systemClock,
        onLink: (link) => links.push(link),
      });
      const listener = await setting.endpoints.listen(setting.endpoint, {
        onPipe: (pipe) => acceptor.accept(pipe),
        onError: () => {},
      });
      later(() => listener.close());
      // More than may be unproven at a time: a valid first message takes them out of that number.
      const connecting = Array.from({ length: 100 }, () => connect(setting));
      await until(() => acceptor.pending === 100, '100 connections');
      expect(links).toHaveLength(0);
      acceptor.serve();
      await Promise.all(connecting);
      await until(() => links.length === 100);
    });

    it('end with the reason of the signal', async () => {
      const setting = world();
      await startHost(setting, { clock: handClock() });
      const reason = new Error('no patience');
      await expect(connect(setting, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });
  });
}

describe('verdicts on a host', () => {
  const verdict = async (world: World, changes: object = {}) => {
    const failure = await connect(world, changes).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(LinkFailure);
    return (failure as LinkFailure).verdict;
  };
  const failingWith = (code: string): World => ({
    endpoint: 'x',
    endpoints: {
      ...socketWorld().endpoints,
      dial: () => Promise.reject(Object.assign(new Error(code), { code })),
    },
  });

  it('are dead where nobody listens', async () => {
    expect(await verdict(socketWorld())).toBe('dead');
    for (const code of ['ENOENT', 'ECONNREFUSED']) expect(await verdict(failingWith(code))).toBe('dead');
  });

  it('are unknown for everything a living host may cause', async () => {
    for (const code of ['EAGAIN', 'ECONNRESET', 'EMFILE', 'EACCES']) {
      expect(await verdict(failingWith(code))).toBe('unknown');
    }
    const world = socketWorld();
    const server = net.createServer((socket) => socket.destroy()).listen(world.endpoint);
    later(() => server.close());
    expect(await verdict(world)).toBe('unknown');
  });

  it('are unknown after a time-out, and a stall of our own starts it anew', async () => {
    const world = socketWorld();
    const server = net.createServer((socket) => later(() => socket.destroy())).listen(world.endpoint);
    later(() => server.close());
    const clock = handClock();
    const outcome = verdict(world, { clock });
    let settled = false;
    void outcome.then(() => {
      settled = true;
    });
    clock.pass(HANDSHAKE_TIMEOUT, 1_500);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(settled).toBe(false);
    clock.pass(HANDSHAKE_TIMEOUT, 500);
    expect(await outcome).toBe('unknown');
  });
});

describe('a host that is attacked', () => {
  it('refuses other keys, epochs and programs without a byte', async () => {
    const host = await startHost(socketWorld());
    const context = { key, endpoint: host.world.endpoint, epoch, nonce: randomBytes(32) };
    const firsts = [
      encodeC1({ ...context, key: randomBytes(32) }),
      encodeC1({ ...context, epoch: epoch + 1 }),
      encodeC1({ ...context, endpoint: 'elsewhere' }),
      Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.padEnd(64)),
      randomBytes(64),
      Buffer.alloc(100_000, 'x'),
      Buffer.concat([encodeC1(context), Buffer.alloc(1)]),
    ];
    for (const first of firsts) {
      const client = rawClient(host.world.endpoint);
      client.socket.write(first);
      await client.isClosed;
      expect(client.received()).toBe(0);
    }
    expect(host.refusals).toHaveLength(firsts.length);
    expect(host.links).toHaveLength(0);
    await connect(host.world);
  });

  it('refuses a replayed peer after its answer', async () => {
    const host = await startHost(socketWorld());
    const recorded: Buffer[] = [];
    const { endpoints } = host.world;
    await connect({
      ...host.world,
      endpoints: {
        ...endpoints,
        async dial(endpoint, options) {
          const pipe = await endpoints.dial(endpoint, options);
          const { write } = pipe;
          pipe.write = (parts) => {
            recorded.push(...parts.map((part) => Buffer.from(part)));
            write.call(pipe, parts);
          };
          return pipe;
        },
      },
    });
    expect(recorded.map(({ length }) => length)).toEqual([64, 40]);
    const client = rawClient(host.world.endpoint);
    client.socket.write(recorded[0]!);
    await until(() => client.received() === 112);
    client.socket.write(recorded[1]!);
    await client.isClosed;
    expect(client.received()).toBe(112);
    expect(host.refusals.map(({ code }) => code)).toEqual(['MAILSLOT_BAD_KEY']);
  });

  it('cuts silent, slow and truncated connections at the deadline, not before and not after a stall', async () => {
    const clock = handClock();
    const host = await startHost(socketWorld(), { clock });
    const clients = [0, 1, 63].map((length) => {
      const client = rawClient(host.world.endpoint);
      const { endpoint } = host.world;
      client.socket.write(encodeC1({ key, endpoint, epoch, nonce: randomBytes(32) }).subarray(0, length));
      return client;
    });
    await until(() => host.acceptor.pending === 3);
    clock.pass(HANDSHAKE_TIMEOUT - 1);
    expect(host.acceptor.pending).toBe(3);
    clock.pass(1, 2_000);
    expect(host.acceptor.pending).toBe(3);
    clock.pass(HANDSHAKE_TIMEOUT);
    expect(host.acceptor.pending).toBe(0);
    for (const client of clients) await client.isClosed;
    expect(clients.map((client) => client.received())).toEqual([0, 0, 0]);
    expect(host.refusals.map(({ code }) => code)).toEqual(Array(3).fill('MAILSLOT_TIMEOUT'));
  });

  it('lets good peers in past 500 idle connections, and holds few of those', async () => {
    const host = await startHost(socketWorld());
    const idle = Array.from({ length: 500 }, () => rawClient(host.world.endpoint));
    await until(() => host.refusals.length >= 500 - MAX_UNPROVEN_CONNECTIONS, 'the cutting of the oldest');
    expect(host.acceptor.pending).toBe(MAX_UNPROVEN_CONNECTIONS);
    for (let i = 0; i < 100; i += 1) (await connect(host.world)).pipe.destroy();
    expect(idle.reduce((sum, client) => sum + client.received(), 0)).toBe(0);
    expect(host.links).toHaveLength(100);
    // the oldest are gone, and of the others one, which made room for those peers one after the other
    await Promise.all(idle.slice(0, 500 - MAX_UNPROVEN_CONNECTIONS).map((client) => client.isClosed));
    expect(host.acceptor.pending).toBe(MAX_UNPROVEN_CONNECTIONS - 1);
  });

  it('holds nobody back for a peer that stops between its two messages', async () => {
    const host = await startHost(socketWorld());
    const { endpoint } = host.world;
    const halfway = Array.from({ length: 200 }, () => {
      const client = rawClient(endpoint);
      client.socket.write(encodeC1({ key, endpoint, epoch, nonce: randomBytes(32) }));
      return client;
    });
    await until(() => halfway.every((client) => client.received() === 112));
    await connect(host.world);
    expect(host.acceptor.pending).toBe(200);
  });
});

describe('a peer that is attacked', () => {
  /** A server that answers the first bytes with what `reply` makes of them. */
  async function fakeHost(reply: (c1: Buffer) => Uint8Array): Promise<World & { answers: Buffer[] }> {
    const world = socketWorld();
    const answers: Buffer[] = [];
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (c1) => {
        socket.write(reply(c1));
        socket.on('data', (chunk) => answers.push(chunk));
      });
    });
    await new Promise<void>((resolve) => server.listen(world.endpoint, resolve));
    later(() => server.close());
    return { ...world, answers };
  }

  it.each([
    [
      'a host without the key',
      'MAILSLOT_BAD_KEY',
      (c1: Buffer, c: object) => h1(c1, { ...c, key: randomBytes(32) }),
    ],
    ['its own words', 'MAILSLOT_BAD_KEY', (c1: Buffer) => Buffer.concat([c1, c1]).subarray(0, 112)],
    [
      'another program',
      'MAILSLOT_PROTOCOL_VIOLATION',
      () => Buffer.from('220 smtp.example.com ESMTP'.padEnd(112)),
    ],
    [
      'another epoch',
      'MAILSLOT_PROTOCOL_VIOLATION',
      (c1: Buffer, c: object) => h1(c1, { ...c, epoch: epoch - 1 }),
    ],
    ['an old answer', 'MAILSLOT_BAD_KEY', (_: Buffer, c: object) => h1(Buffer.alloc(64, 1), c)],
  ])('shows %s nothing', async (_, code, reply) => {
    let endpoint = '';
    const host = await fakeHost((c1) => reply(c1, { key, endpoint, epoch }));
    endpoint = host.endpoint;
    await expect(connect(host)).rejects.toMatchObject({ code });
    expect(host.answers).toEqual([]);
  });

  it('is told when versions differ', async () => {
    const host = await startHost(socketWorld());
    const client = rawClient(host.world.endpoint);
    const other = Buffer.from(
      encodeC1({ key, endpoint: host.world.endpoint, epoch, nonce: randomBytes(32) }),
    );
    other[4] = 9;
    client.socket.write(other);
    await client.isClosed;
    expect(client.received()).toBe(112);
    expect(host.refusals[0]?.code).toBe('MAILSLOT_VERSION_MISMATCH');
  });

  function h1(c1: Uint8Array, context: object): Uint8Array {
    return encodeH1({ key, endpoint: '', epoch, hostId, nonce: randomBytes(32), ...context }, c1);
  }
});
