// Programs that do not know the key: at a host's endpoint, and in place of a host. The handshake itself is tested
// in test/wire and test/transport; here it stands between them and a living bus.
import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { basename, join } from 'node:path';
import { openBus } from 'mailslot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openBusDirectory } from '../../src/transport/bus-directory.js';
import { readOrCreateKey } from '../../src/transport/bus-key.js';
import { claimEpoch } from '../../src/transport/epochs.js';
import { systemClock } from '../../src/util/clock.js';
import { encodeC1, encodeH1 } from '../../src/wire/handshake.js';
import { afterwards, busFolder } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';
import { Bystanders } from './bystanders.js';

let innocents: Bystanders;

beforeAll(async () => {
  innocents = await Bystanders.meet();
}, 30_000);
afterEach(() => innocents.noticeNothing());
afterAll(() => innocents.part(), 30_000);

/** Connects without knowing anything, and counts what it is told. */
function stranger(endpoint: string) {
  const socket = net.connect(endpoint);
  afterwards(() => socket.destroy());
  let received = 0;
  socket.on('data', (chunk) => {
    received += chunk.length;
  });
  socket.on('error', () => {});
  return { socket, isCut: () => eventually(() => socket.destroyed, 'the end'), received: () => received };
}

describe('a program at the endpoint of a host', () => {
  const c1 = (key: Buffer) =>
    Buffer.from(
      encodeC1({
        key,
        endpoint: innocents.host.endpoint,
        epoch: innocents.host.epoch,
        nonce: randomBytes(32),
      }),
    );
  const firsts: Record<string, () => Uint8Array> = {
    'speaks HTTP': () => Buffer.from(`GET /${'x'.repeat(99)} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    'speaks TLS': () => Buffer.concat([Buffer.from('16030100f8010000f40303', 'hex'), randomBytes(242)]),
    'sends 1 MiB of anything': () => randomBytes(2 ** 20),
    'sends zeros': () => Buffer.alloc(64),
    'has another key': () => c1(randomBytes(32)),
  };

  it.each(Object.entries(firsts))('that %s is cut without a word', async (_, first) => {
    const client = stranger(innocents.host.endpoint);
    client.socket.write(first());
    await client.isCut();
    expect(client.received()).toBe(0);
  });

  it('that says nothing, or half of a first message, is cut at the deadline', async () => {
    const clients = [0, 1, 63].map((length) => {
      const client = stranger(innocents.host.endpoint);
      client.socket.write(c1(randomBytes(32)).subarray(0, length));
      return client;
    });
    await innocents.noticeNothing();
    for (const client of clients) await client.isCut();
    expect(clients.map((client) => client.received())).toEqual([0, 0, 0]);
  });
});

describe('a program in place of a host', () => {
  /** A bus whose pointer leads to a server that answers a first message with what `reply` makes of it. */
  async function busOfImpostor(reply: (c1: Buffer, context: Context) => Uint8Array): Promise<string> {
    const directory = busFolder();
    const bus = await openBusDirectory('test', { directory });
    const key = await readOrCreateKey(bus, systemClock);
    const endpoint = `s${randomBytes(6).toString('hex')}`;
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (c1) => socket.write(reply(c1, { key, endpoint, epoch: 7 })));
    });
    await new Promise<void>((resolve) => server.listen(join(directory, endpoint), resolve));
    afterwards(() => server.close());
    await claimEpoch(bus, { epoch: 7, endpoint, pid: process.pid }, systemClock);
    return directory;
  }

  interface Context {
    key: Buffer;
    endpoint: string;
    epoch: number;
  }

  const h1 = (c1: Buffer, context: Context) =>
    Buffer.from(encodeH1({ ...context, hostId: randomBytes(8), nonce: randomBytes(32) }, c1));

  it.each<[string, string, RegExp, (c1: Buffer, context: Context) => Uint8Array]>([
    [
      'that does not know the key',
      'MAILSLOT_BAD_KEY',
      /delete its folder/,
      (c1, context) => h1(c1, { ...context, key: randomBytes(32) }),
    ],
    [
      'that mirrors',
      'MAILSLOT_BAD_KEY',
      /delete its folder/,
      (c1) => Buffer.concat([c1, c1]).subarray(0, 112),
    ],
    [
      'that speaks something else',
      'MAILSLOT_PROTOCOL_VIOLATION',
      /another program/,
      () => Buffer.from('HTTP/1.1 400 Bad Request\r\n'.padEnd(112)),
    ],
    [
      'of another epoch',
      'MAILSLOT_PROTOCOL_VIOLATION',
      /names epoch 6/,
      (c1, context) => h1(c1, { ...context, epoch: 6 }),
    ],
    ['of another version', 'MAILSLOT_VERSION_MISMATCH', /protocol version 9/, hostOfVersion9],
  ])('%s is refused', async (_, code, message, reply) => {
    const directory = await busOfImpostor(reply);
    const opening = openBus('test', { directory, timeout: 10_000 });
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  /** Knows the key, so that its version is believed. */
  function hostOfVersion9(c1: Buffer, context: Context): Uint8Array {
    const message = h1(c1, context);
    message[4] = 9;
    const proof = createHmac('sha256', context.key)
      .update(`mailslot/1 host proof\0${basename(context.endpoint)}\0`)
      .update(c1)
      .update(message.subarray(0, 80));
    proof.digest().copy(message, 80);
    return message;
  }

  it('a host whose key file was replaced is not reached by newcomers, who say why', async () => {
    const { directory } = innocents;
    const stale = busFolder();
    mkdirSync(join(stale, 'b-test'), { mode: 0o700 });
    const bus = await openBusDirectory('test', { directory });
    writeFileSync(join(stale, 'b-test', 'key'), randomBytes(32), { mode: 0o600 });
    const copy = await openBusDirectory('test', { directory: stale });
    await claimEpoch(
      copy,
      { epoch: innocents.host.epoch, endpoint: basename(innocents.host.endpoint), pid: process.pid },
      systemClock,
    );
    const relay = net.createServer((socket) => {
      const onward = net.connect(join(bus.root, basename(innocents.host.endpoint)));
      for (const end of [socket, onward]) end.on('error', () => {});
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) =>
      relay.listen(join(stale, basename(innocents.host.endpoint)), resolve),
    );
    afterwards(() => relay.close());
    const opening = openBus('test', { directory: stale, host: 'never', timeout: 1_000 });
    await expect(opening).rejects.toMatchObject({
      code: 'MAILSLOT_UNREACHABLE',
      message: expect.stringMatching(/has another key/),
    });
  });
});
