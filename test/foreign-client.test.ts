// docs/PROTOCOL.md is enough: a client that knows nothing else takes part in a bus. (Unix only: it dials sockets.)
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, openBus, type Slot } from 'mailslot';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ForeignClient } from './foreign/foreign-client.js';
import { usesMessageFiles } from './support/message-files.js';

const RESENT = 8;
const CONFIRM = 1;
const ACK_SOON = 16;
const NO_ECHO = 4;
const BATCH = 4096;
const FILE = 8192;
const ALL = 1024;
const ERROR = 512;

describe.skipIf(process.platform === 'win32')('a foreign client', () => {
  let directory: string;
  let bus: Bus;
  let client: ForeignClient;
  const slots: Slot[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mailslot-foreign-'));
    bus = await openBus('foreign', { directory, hostThread: 'inline', label: 'native' });
  });
  afterAll(async () => {
    await bus?.close();
    rmSync(directory, { recursive: true });
  });
  beforeEach(async () => {
    client = new ForeignClient(bus.directory);
    await client.connect();
  });
  afterEach(async () => {
    client.cut();
    for (const slot of slots.splice(0)) await slot.close();
  });

  const subscribe = async (pattern: string) => {
    const slot = await bus.subscribe(pattern);
    slots.push(slot);
    return slot;
  };

  it('joins, and is seen by others', async () => {
    await client.join({ label: 'from the document' });
    const peers = await bus.peers();
    expect(peers.find(({ id }) => id === client.name)).toMatchObject({
      label: 'from the document',
      pid: process.pid,
      hosting: false,
      slots: 0,
    });
  });

  it('asks who is there', async () => {
    await client.join();
    client.send({ kind: 1, sequence: 1, subject: '$peers', ttl: 5_000 });
    const reply = await client.next(2);
    expect(reply.options.get(3)).toBe(1);
    expect(reply.data).toContainEqual(
      expect.objectContaining({ id: bus.id, label: 'native', hosting: true }),
    );
  });

  it('gets messages and acknowledges them', async () => {
    await client.join({ slots: [{ id: 1, role: 'slot', pattern: 'to.*', new: true }] });
    const receipt = bus.publish('to.foreigners', { hello: [1, 'two'] }, { confirm: true });
    const message = await client.next(0);
    expect(message).toMatchObject({ sender: bus.id, subject: 'to.foreigners', data: { hello: [1, 'two'] } });
    expect(message.flags & ACK_SOON).toBe(ACK_SOON);
    client.send({
      kind: 5,
      data: [{ sender: Buffer.from(message.sender, 'hex'), upTo: message.sequence }],
    });
    expect(await receipt).toEqual({ receivers: 1, order: message.order });
  });

  it('gets and sends several messages in one frame', async () => {
    const slot = await subscribe('both');
    await client.join({ slots: [{ id: 1, role: 'slot', pattern: 'both', new: true }] });
    for (let i = 1; i <= 4; i += 1) void bus.publish('both', i);
    const found: unknown[] = [];
    while (found.length < 4) {
      const frame = await client.next(0);
      if (frame.flags & BATCH) found.push(...(frame.data as Buffer[]).map((item) => client.read(item)));
      else found.push(frame.data);
      const upTo = found.length;
      client.send({ kind: 5, data: [{ sender: Buffer.from(frame.sender, 'hex'), upTo }] });
    }
    expect(found).toEqual([1, 2, 3, 4]);
    client.sendBatch({ sequence: 1, subject: 'both', time: 1 }, ['five', { six: 6 }]);
    client.send({ kind: 0, flags: CONFIRM | ACK_SOON | NO_ECHO, sequence: 3, subject: 'both', data: 7 });
    const data = [];
    for (let i = 0; i < 7; i += 1) data.push((await slot.read())!.data);
    expect(data).toEqual([1, 2, 3, 4, 'five', { six: 6 }, 7]);
  });

  it('gets and sends large messages, whose data is in files', async () => {
    const slot = await subscribe('from.it');
    await client.join({ slots: [{ id: 1, role: 'slot', pattern: 'to.it', new: true }] });
    const text = 'x'.repeat(1_000_000);
    const receipt = bus.publish('to.it', text, { confirm: true });
    const message = await client.next(0);
    expect(message.flags & FILE).toBe(usesMessageFiles ? FILE : 0);
    expect((usesMessageFiles ? client.readFile(message) : message.data) === text).toBe(true);
    client.send({ kind: 5, data: [{ sender: Buffer.from(bus.id, 'hex'), upTo: message.sequence }] });
    expect(await receipt).toMatchObject({ receivers: 1 });
    client.sendFile({ sequence: 1, subject: 'from.it' }, 1, { text });
    client.sendFile({ sequence: 2, subject: 'from.it' }, 2, 'short');
    expect(((await slot.read())!.data as { text: string }).text === text).toBe(true);
    expect((await slot.read())!.data).toBe('short');
  });

  it('gets and sends several messages in one frame, whose data is in a file', async () => {
    const slot = await subscribe('from.it');
    await client.join({ slots: [{ id: 1, role: 'slot', pattern: 'to.it', new: true }] });
    const texts = Array.from({ length: 60 }, (_, number) => String(number).repeat(10_000));
    for (const text of texts) void bus.publish('to.it', text);
    const found: unknown[] = [];
    let filed = 0;
    while (found.length < texts.length) {
      const frame = await client.next(0);
      if (frame.flags & FILE) filed += 1;
      const data = frame.flags & FILE ? client.readFile(frame) : frame.data;
      found.push(...(frame.flags & BATCH ? (data as Buffer[]).map((item) => client.read(item)) : [data]));
      client.send({ kind: 5, data: [{ sender: Buffer.from(frame.sender, 'hex'), upTo: found.length }] });
    }
    expect(found).toEqual(texts);
    expect(filed > 0).toBe(usesMessageFiles);
    client.sendBatchFile({ sequence: 1, subject: 'from.it' }, 1, ['one', { two: 2 }]);
    client.sendBatchFile({ sequence: 3, subject: 'from.it' }, 2, [3]);
    const data = [];
    for (let i = 0; i < 3; i += 1) data.push((await slot.read())!.data);
    expect(data).toEqual(['one', { two: 2 }, 3]);
  });

  it('opens and closes slots', async () => {
    await client.join();
    client.send({ kind: 12, data: { do: 'open', id: 7, role: 'slot', pattern: 'late' } });
    const opened = await client.next(12);
    expect(opened.data).toMatchObject({ do: 'opened', id: 7 });
    void bus.publish('late', 1);
    const message = await client.next(0);
    expect(message.order).toBeGreaterThan((opened.data as { order: number }).order);
    client.send({ kind: 5, data: [{ sender: Buffer.from(bus.id, 'hex'), upTo: message.sequence }] });
    client.send({ kind: 12, data: { do: 'close', id: 7 } });
    client.send({ kind: 12, data: { do: 'open', id: 8, role: 'responder', pattern: '$mine' } });
    expect((await client.next(12)).data).toMatchObject({ do: 'refused', code: 'MAILSLOT_NOT_PERMITTED' });
    expect(await bus.publish('late', 2, { confirm: true })).toMatchObject({ receivers: 0 });
  });

  it('publishes, and learns when it was taken', async () => {
    const slot = await subscribe('from.*');
    await client.join();
    client.send({ kind: 0, sequence: 1, subject: 'from.far', time: 1_000, data: 'first' });
    client.send({ kind: 0, flags: CONFIRM | ACK_SOON, sequence: 2, subject: 'from.far', data: ['second'] });
    const settled = await client.next(6);
    expect(settled.data).toMatchObject({ upTo: 2, receipts: [{ sequence: 2, receivers: 1 }] });
    const first = await slot.read();
    expect(first).toMatchObject({ data: 'first', sender: client.name, time: new Date(1_000) });
    expect((await slot.read())?.data).toEqual(['second']);
  });

  it('comes back with the same id, and nothing is lost or doubled', async () => {
    const slot = await subscribe('again');
    await client.join();
    client.send({ kind: 0, flags: ACK_SOON, sequence: 1, subject: 'again', data: 1 });
    expect((await client.next(6)).data).toMatchObject({ upTo: 1 });
    client.cut();
    await client.ended();
    await client.connect();
    // as if SETTLED had been lost with the link
    await client.join({ firstUnsettled: 1 });
    client.send({ kind: 0, flags: RESENT, sequence: 1, subject: 'again', data: 1 });
    expect((await client.next(6)).data).toMatchObject({ upTo: 1 });
    client.send({ kind: 0, flags: ACK_SOON, sequence: 2, subject: 'again', data: 2 });
    expect((await client.next(6)).data).toMatchObject({ upTo: 2 });
    expect((await slot.read())?.data).toBe(1);
    expect((await slot.read())?.data).toBe(2);
  });

  it('queries', async () => {
    const responder = await bus.respond('double', ({ data }) => 2 * (data as number));
    await client.join();
    client.send({ kind: 1, sequence: 5, subject: 'double', ttl: 5_000, data: 21 });
    const reply = await client.next(2);
    expect(reply).toMatchObject({ sender: bus.id, data: 42 });
    expect([reply.options.get(1), reply.options.get(3)]).toEqual([client.name, 5]);
    client.send({ kind: 1, flags: ALL, sequence: 6, subject: 'double', ttl: 5_000, data: 1 });
    expect(await client.next(2)).toMatchObject({
      data: 1,
      flags: expect.toSatisfy((bits) => (bits & ALL) !== 0),
    });
    expect(await client.next(2)).toMatchObject({ data: 2 });
    client.send({ kind: 1, sequence: 7, subject: 'treble', ttl: 5_000, data: 21 });
    const failed = await client.next(2);
    expect(failed.flags & ERROR).toBe(ERROR);
    expect(failed.data).toMatchObject({ code: 'MAILSLOT_NO_RESPONDER' });
    await responder.close();
  });

  it('responds', async () => {
    await client.join({ slots: [{ id: 1, role: 'responder', pattern: 'echo' }] });
    const reply = bus.query('echo', 'hallo');
    const query = await client.next(1);
    client.send({ kind: 2, to: query.sender, ref: query.sequence, data: { heard: query.data } });
    expect(await reply).toMatchObject({ data: { heard: 'hallo' }, sender: client.name });
  });

  it('is told of a query that its asker gave up', async () => {
    await client.join({ slots: [{ id: 1, role: 'responder', pattern: 'slow' }] });
    const controller = new AbortController();
    const reply = bus.query('slow', null, { signal: controller.signal }).catch((error: unknown) => error);
    const query = await client.next(1);
    controller.abort(new Error('enough'));
    expect(await reply).toMatchObject({ message: 'enough' });
    const cancel = await client.next(4);
    expect([cancel.sender, cancel.options.get(3)]).toEqual([bus.id, query.sequence]);
  });

  it.each([
    ['bytes that are no frame', (one: ForeignClient) => one.write(Buffer.from('GET / HTTP/1.1\r\n'))],
    ['a message of somebody else', (one: ForeignClient) => forge(one)],
    ['a sequence that does not rise', (one: ForeignClient) => repeat(one)],
    ['a system subject', (one: ForeignClient) => one.send({ kind: 0, sequence: 1, subject: '$peers' })],
    ['a wrong subject', (one: ForeignClient) => one.send({ kind: 0, sequence: 1, subject: 'a..b' })],
    ['a kind it must not send', (one: ForeignClient) => one.send({ kind: 9 })],
    ['data of the wrong shape', (one: ForeignClient) => one.send({ kind: 14, data: 'pang' })],
    ['a reply without `to`', (one: ForeignClient) => one.send({ kind: 2, ref: 1 })],
    ['a second JOIN', (one: ForeignClient) => one.send({ kind: 10 })],
  ])('is shown out for %s, and nobody else is', async (_what, offend) => {
    await client.join();
    offend(client);
    const farewell = await client.next(15);
    expect(farewell.data).toMatchObject({ code: 'MAILSLOT_PROTOCOL_VIOLATION' });
    await client.ended();
    expect(bus.state).toBe('connected');
  });

  it('may send kinds that nobody knows yet', async () => {
    const slot = await subscribe('future');
    await client.join();
    client.send({ kind: 22, data: 'for nobody' });
    client.send({ kind: 17, sequence: 1, subject: 'future', data: 'unknown' });
    client.send({ kind: 0, flags: ACK_SOON, sequence: 2, subject: 'future', data: 'known' });
    expect((await client.next(6)).data).toMatchObject({ upTo: 2 });
    expect((await slot.read())?.data).toBe('known');
    expect(slot.info).toMatchObject({ messageCount: 0, missed: 0 });
  });
});

function forge(client: ForeignClient): void {
  client.send({ kind: 0, sequence: 1, subject: 'a', sender: Buffer.alloc(8, 1) });
}

function repeat(client: ForeignClient): void {
  client.send({ kind: 0, sequence: 5, subject: 'a' });
  client.send({ kind: 0, sequence: 5, subject: 'a' });
}
