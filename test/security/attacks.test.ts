// Frames that no Bus sends, from a peer that knows the key. The attacker is cut, or what it sent is ignored; two
// innocent peers on the same bus keep their links and lose nothing. docs/ERRORS.md lists these cases.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MAX_FRAME_BYTES, MAX_HEADERS, MAX_LABEL_BYTES, WINDOW_FRAMES } from '../../src/limits.js';
import { type Join, readControl } from '../../src/wire/control.js';
import {
  At,
  encodeHeaders,
  Flag,
  Kind,
  readFlags,
  readRef,
  writeU16,
  writeU32,
} from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import { batchData } from '../support/batch-data.js';
import { linkedRawPeer, type RawPeer, randomPeerId, rawPeer } from '../support/raw-peer.js';
import { eventually } from '../support/waiting.js';
import { Bystanders } from './bystanders.js';

let innocents: Bystanders;

beforeAll(async () => {
  innocents = await Bystanders.meet();
}, 30_000);
afterEach(() => innocents.noticeNothing());
afterAll(() => innocents.part(), 30_000);

const bytes = (value: unknown) => Buffer.from(encodeValue(value));
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const stranger = randomPeerId().bytes;
/** A frame with some of its bytes overwritten. */
const patched = (frame: Buffer, patch: (frame: Buffer) => void): Buffer => {
  patch(frame);
  return frame;
};

const null_ = Buffer.of(0xf6);
/** A batch with this data, numbered as if it were one message. */
const batch = (peer: RawPeer, data: Buffer, fields: { flags?: number } = {}) =>
  peer.message('evil.a', null, { flags: Flag.batch, data, ...fields });

type Attack = (peer: RawPeer) => Uint8Array;

describe('a peer that breaks the protocol is cut, and told why', () => {
  const attacks: Record<string, [Attack, RegExp]> = {
    'speaks HTTP after the handshake': [() => Buffer.from('GET / HTTP/1.1\r\n\r\n'), /begins with 47 45 54/],
    'announces a frame below the smallest': [() => hex('d8185a00000005 0000000000'), /announces 12 bytes/],
    'announces a frame above the largest': [() => hex('d8185affffffff'), /announces 4294967302 bytes/],
    'announces one byte above the largest': [
      () => patched(hex('d8185a00000000'), (frame) => writeU32(frame, At.length, MAX_FRAME_BYTES - 6)),
      new RegExp(`announces ${MAX_FRAME_BYTES + 1} bytes`),
    ],
    'announces less than follows': [
      (peer) => patched(peer.message('evil.a', 'x'.repeat(99)), (frame) => writeU32(frame, At.length, 80)),
      /begins with 78 78 78/,
    ],
    'announces more than follows': [
      (peer) => {
        const frame = patched(peer.message('evil.a', 'x'), (one) => writeU32(one, At.length, one.length - 2));
        return Buffer.concat([frame, peer.message('evil.a', 'y'), peer.message('evil.a', 'z')]);
      },
      /begins with/,
    ],
    'leaves out a fixed byte': [
      (peer) => patched(peer.message('evil.a', 1), (frame) => frame.fill(0, At.array, At.array + 1)),
      /fixed bytes/,
    ],
    'has a subject that leaves its frame': [
      (peer) => patched(peer.message('evil.a', 1), (frame) => writeU16(frame, At.subjectLength, 200)),
      /subject of 200 bytes/,
    ],
    'has a subject of 256 bytes': [(peer) => peer.message('e'.repeat(256), 1), /subject of 256 bytes/],
    'flags an option that is not there': [
      (peer) => patched(peer.message('evil.a', 1), (frame) => writeU16(frame, At.flags, Flag.hasTo)),
      /option 1 is flagged/,
    ],
    'publishes on no subject': [(peer) => peer.message('', 1), /"" is not a subject/],
    'publishes on a subject of the bus': [(peer) => peer.message('$presence.left', 1), /is not a subject/],
    'publishes on a pattern': [(peer) => peer.message('innocent.*', 1), /is not a subject/],
    'publishes on an empty token': [(peer) => peer.message('innocent..count', 1), /is not a subject/],
    'publishes on a subject with a blank': [(peer) => peer.message('innocent count', 1), /is not a subject/],
    'queries a pattern': [(peer) => peer.frame(Kind.query, { subject: '>', sequence: 1 }), /not a subject/],
    'publishes in the name of another': [
      (peer) => peer.message('evil.a', 1, { sender: stranger }),
      /another sender/,
    ],
    'asks in the name of another': [
      (peer) => peer.frame(Kind.query, { subject: 'innocent.double', sequence: 1, sender: stranger }),
      /another sender/,
    ],
    'answers in the name of another': [
      (peer) => peer.frame(Kind.reply, { to: stranger, ref: 1, sender: stranger }),
      /another sender/,
    ],
    'acknowledges in the name of another': [
      (peer) => peer.frame(Kind.ack, { data: bytes([]), sender: stranger }),
      /another sender/,
    ],
    'repeats a sequence': [
      (peer) => Buffer.concat([peer.message('evil.a', 1), peer.message('evil.a', 2, { sequence: 1 })]),
      /message 1 came after message 1/,
    ],
    'goes back in sequence': [
      (peer) =>
        Buffer.concat([
          peer.message('evil.a', 1),
          peer.message('evil.a', 2),
          peer.message('evil.a', 3, { sequence: 1 }),
        ]),
      /message 1 came after message 2/,
    ],
    'leaps ahead of its window': [
      (peer) => peer.message('evil.a', 1, { sequence: WINDOW_FRAMES + 1 }),
      /message 65537 came when only those up to 0 were settled/,
    ],
    'counts further than numbers do': [
      (peer) => patched(peer.message('evil.a', 1), (frame) => frame.fill(0xff, At.sequence, At.sequence + 8)),
      /came when only those up to 0 were settled/,
    ],
    'publishes a batch of nothing': [(peer) => batch(peer, batchData([null_], 0)), /announces 0 messages/],
    'publishes a batch with room for fewer than it says': [
      (peer) => batch(peer, batchData([null_, null_], 3)),
      /announces 3 messages in 4 bytes/,
    ],
    'publishes a batch of 2³² − 1 messages': [
      (peer) => batch(peer, batchData([null_], 2 ** 32 - 1)),
      /announces 4294967295 messages/,
    ],
    'publishes 16 MiB of the smallest messages in one frame': [
      (peer) => batch(peer, batchData([Buffer.alloc(2 ** 24, 0x41)], 2 ** 23)),
      /announces 8388608 messages/,
    ],
    'publishes a batch that wants a receipt': [
      (peer) => batch(peer, batchData([null_]), { flags: Flag.batch | Flag.confirm }),
      /a batch is not/,
    ],
    'publishes a batch that is no array': [(peer) => batch(peer, bytes('xxxxxxxx')), /a batch is not/],
    'asks with a batch': [
      (peer) =>
        peer.frame(Kind.query, {
          flags: Flag.batch,
          subject: 'innocent.double',
          sequence: 1,
          data: bytes([1]),
        }),
      /a batch is not/,
    ],
    'publishes a batch that begins below its last message': [
      (peer) =>
        Buffer.concat([batch(peer, batchData([null_, null_])), batch(peer, batchData([null_, null_]))]),
      /message 2 came after message 2/,
    ],
    'joins twice': [(peer) => peer.frame(Kind.join, { data: bytes({}) }), /JOIN came twice/],
    'opens the same slot twice': [
      (peer) => {
        const open = peer.control('SLOT request', { do: 'open', id: 1, role: 'slot', pattern: 'evil.>' });
        return Buffer.concat([open, open]);
      },
      /slot 1 is open already/,
    ],
    'opens a slot for a bad pattern': [
      (peer) => peer.control('SLOT request', { do: 'open', id: 1, role: 'slot', pattern: 'a..b' }),
      /data of SLOT request/,
    ],
    'asks twice under one number': [
      (peer) => {
        peer.write(
          peer.control('SLOT request', { do: 'open', id: 1, role: 'responder', pattern: 'evil.ask' }),
        );
        const query = peer.frame(Kind.query, { subject: 'evil.ask', sequence: 7 });
        return Buffer.concat([query, query]);
      },
      /QUERY 7 is open already/,
    ],
    'answers nobody': [(peer) => peer.frame(Kind.reply), /REPLY lacks/],
    'counts replies like a host': [
      (peer) => peer.frame(Kind.reply, { to: stranger, ref: 1, flags: Flag.all }),
      /counts replies/,
    ],
    'cancels nothing': [(peer) => peer.frame(Kind.cancel), /CANCEL lacks/],
    'gives credit to nobody': [(peer) => peer.frame(Kind.credit, { data: bytes(1) }), /CREDIT lacks/],
    'gives malformed credit': [
      (peer) => peer.frame(Kind.credit, { to: stranger, ref: 1, data: bytes(-1) }),
      /data of CREDIT/,
    ],
    'acknowledges with no list': [(peer) => peer.frame(Kind.ack, { data: bytes(1) }), /data of ACK/],
    'acknowledges a part of a message': [
      (peer) => peer.frame(Kind.ack, { data: bytes([{ sender: stranger, upTo: 0.5 }]) }),
      /data of ACK/,
    ],
    'sends control data that is cut short': [
      (peer) => peer.frame(Kind.ack, { data: hex('9a ffffffff') }),
      /data of ACK is malformed/,
    ],
    'sends control data that is nested without end': [
      (peer) => peer.frame(Kind.slot, { data: Buffer.alloc(5_000, 0x81) }),
      /data of SLOT request is malformed/,
    ],
    'sends control data with a foreign tag': [
      (peer) => peer.frame(Kind.slot, { data: hex('d9dfff 80') }),
      /data of SLOT request is malformed/,
    ],
    'says something else than ping': [
      (peer) => peer.frame(Kind.ping, { data: bytes('pang') }),
      /data of PING/,
    ],
  };
  for (const [name, kind] of Object.entries({
    SETTLED: 6,
    NOTE: 7,
    GAP: 8,
    WELCOME: 9,
    OPEN: 11,
    STANDBY: 13,
    24: 24,
    255: 255,
  })) {
    attacks[`sends a frame of the kind ${name}`] = [(peer) => peer.frame(kind), new RegExp(`kind ${kind}`)];
  }

  it.each(Object.entries(attacks))('%s', async (_, [attack, reason]) => {
    const peer = await rawPeer(innocents.directory);
    peer.write(attack(peer));
    expect(await peer.goodbye()).toEqual({
      code: 'MAILSLOT_PROTOCOL_VIOLATION',
      reason: expect.stringMatching(reason),
    });
    const left = await innocents.events.first('peer-left', ({ peer: { id } }) => id === peer.id.hex);
    expect(left.cause).toBe('refused');
  });
});

describe('a peer that breaks the protocol before it has joined', () => {
  const joining: Record<string, [Partial<Join>, RegExp]> = {
    'with a label over the limit': [{ label: 'x'.repeat(MAX_LABEL_BYTES + 1) }, /data of JOIN/],
    'with an order that nobody can count on from': [
      { highestOrder: Number.MAX_SAFE_INTEGER },
      /data of JOIN/,
    ],
    'with a sequence that nobody can count on from': [
      { firstUnsettled: Number.MAX_SAFE_INTEGER },
      /data of JOIN/,
    ],
    'with a message zero': [{ firstUnsettled: 0 }, /data of JOIN/],
    'with one slot number twice': [
      { slots: [1, 1].map((id) => ({ id, role: 'slot' as const, pattern: 'evil.>' })) },
      /slot 1 is open already/,
    ],
    'as a responder in place of the host': [
      { slots: [{ id: 1, role: 'responder', pattern: '$peers' }] },
      /only the host responds/,
    ],
  };

  it.each(Object.entries(joining))('%s is cut', async (_, [changes, reason]) => {
    const peer = await linkedRawPeer(innocents.directory);
    peer.join(changes).catch(() => {});
    expect(await peer.goodbye()).toEqual({
      code: 'MAILSLOT_PROTOCOL_VIOLATION',
      reason: expect.stringMatching(reason),
    });
  });

  it.each(Object.entries(Kind).filter(([name]) => !['join', 'ping', 'goaway'].includes(name)))(
    'with %s is cut',
    async (_, kind) => {
      const peer = await linkedRawPeer(innocents.directory);
      peer.write(peer.frame(kind, { subject: 'innocent.double', sequence: 1 }));
      expect((await peer.goodbye()).reason).toMatch(/before JOIN/);
    },
  );
});

describe('a peer that is odd but harmless keeps its link', () => {
  const oddities: Record<string, Attack> = {
    'frames of the kinds 20 to 23': (peer) => Buffer.concat([20, 21, 22, 23].map((kind) => peer.frame(kind))),
    'messages of the kinds 16 to 19, from a later version': (peer) =>
      Buffer.concat(
        [16, 17, 18, 19].map((kind) =>
          patched(peer.message('innocent.count', 1), (frame) => frame.fill(kind, At.kind, At.kind + 1)),
        ),
      ),
    'a message that it says was sent before': (peer) =>
      Buffer.concat([
        peer.message('evil.a', 1),
        peer.message('evil.a', 1, { sequence: 1, flags: Flag.resent | Flag.confirm }),
      ]),
    'CANCEL of a query that is not open': (peer) => peer.frame(Kind.cancel, { ref: 99 }),
    'REPLY to a query that is not open': (peer) => peer.frame(Kind.reply, { to: stranger, ref: 99 }),
    'CREDIT for a query that is not open': (peer) =>
      peer.frame(Kind.credit, { to: Buffer.from(innocents.bob.id, 'hex'), ref: 99, data: bytes(64) }),
    'ACK for a sender that is not there': (peer) =>
      peer.control('ACK', [{ sender: stranger, upTo: 2 ** 53 - 1 }]),
    'ACK for more than it was handed': (peer) =>
      peer.control('ACK', [{ sender: Buffer.from(innocents.alice.id, 'hex'), upTo: 2 ** 53 - 1 }]),
    'closing a slot that is not open': (peer) => peer.control('SLOT request', { do: 'close', id: 99 }),
    'a time that no clock shows': (peer) =>
      patched(peer.message('evil.time', 1), (frame) => frame.fill(0xff, At.time, At.time + 8)),
  };

  it.each(Object.entries(oddities))('%s', async (_, attack) => {
    const peer = await rawPeer(innocents.directory);
    peer.write(attack(peer));
    await peer.isServed();
  });

  it('credit for a query that a responder works on', async () => {
    let give: ((answer: string) => void) | undefined;
    await using _responder = await innocents.bob.respond('evil.stream', () => {
      return new Promise((resolve) => {
        give = resolve;
      });
    });
    const peer = await rawPeer(innocents.directory);
    peer.write(peer.frame(Kind.query, { subject: 'evil.stream', sequence: 3 }));
    const answer = await eventually(() => give, 'the query');
    const to = Buffer.from(innocents.bob.id, 'hex');
    peer.write(peer.frame(Kind.credit, { to, ref: 3, data: bytes(64) }));
    await peer.isServed();
    answer('done');
    const { bytes: frame } = await peer.reply(3);
    expect(readFlags(frame, 0) & Flag.error).toBe(0);
  });

  it('a time that no clock shows is a Date all the same', async () => {
    await using slot = await innocents.bob.subscribe('evil.time');
    const peer = await rawPeer(innocents.directory);
    peer.write(patched(peer.message('evil.time', 1), (frame) => frame.fill(0xff, At.time, At.time + 8)));
    const message = await slot.read({ timeout: 12_000 });
    expect(message?.time.toISOString()).toBe('+275760-09-13T00:00:00.000Z');
  });
});

describe('a message whose data or headers are malformed', () => {
  const header = (count: number, text: string) => ({ headers: { count, bytes: hex(text) } });
  const deep = Buffer.concat([Buffer.alloc(65, 0x81), Buffer.of(0)]);
  const faults: Record<string, Parameters<RawPeer['message']>[2] & object> = {
    'no definite length': { data: hex('9fff') },
    'data that is cut short': { data: hex('82 01') },
    'two values': { data: hex('01 01') },
    'text that is not UTF-8': { data: hex('62 c328') },
    'a key __proto__': { data: hex('a1 69 5f5f70726f746f5f5f 01') },
    'a bignum of 256 KiB': { data: Buffer.concat([hex('c2 5a 00040000'), Buffer.alloc(256 * 1024, 1)]) },
    'a record tag of cbor-x': { data: hex('d9 dfff 81 01') },
    'nesting over 64': { data: deep },
    'an array of 2³² − 1 items': { data: hex('9a ffffffff') },
    'a header that is not a text': header(1, '61 61 01'),
    'a header that is not UTF-8': header(1, '61 61 62 c328'),
    'a header that leaves its frame': header(1, '61 61 79 ffff'),
    'fewer headers than announced': header(2, '61 61 61 62'),
    '33 headers': {
      headers: encodeHeaders(
        Object.fromEntries(Array.from({ length: MAX_HEADERS + 1 }, (_, i) => [`h${i}`, ''])),
      ),
    },
  };

  it.each(Object.entries(faults))('%s: a gap of one that names the sender', async (name, fields) => {
    await using slot = await innocents.bob.subscribe('evil.data', { gaps: true });
    const peer = await rawPeer(innocents.directory);
    peer.write(
      peer.message('evil.data', 'before'),
      peer.message('evil.data', name, fields),
      peer.message('evil.data', 'after'),
    );
    const items = [];
    for (let i = 0; i < 3; i += 1) {
      const item = await slot.read({ timeout: 12_000 });
      items.push(item !== undefined && 'gap' in item ? item : item?.data);
    }
    expect(items).toEqual(['before', { gap: { missed: 1 } }, 'after']);
    expect(slot.info.missed).toBe(1);
    const event = await innocents.events.first('gap', ({ sender }) => sender === peer.id.hex);
    expect(event).toMatchObject({ pattern: 'evil.data', missed: 1, reason: expect.stringMatching(/./) });
    await peer.isServed();
  });

  it('is settled for its publisher like any other', async () => {
    await using _slot = await innocents.bob.subscribe('evil.data');
    const peer = await rawPeer(innocents.directory);
    peer.write(peer.message('evil.data', 0, { data: hex('ff'), flags: Flag.confirm | Flag.ackSoon }));
    const { bytes: frame } = await peer.receives(Kind.settled);
    expect(readControl('SETTLED', frame, 0, frame.length).receipts).toMatchObject([
      { sequence: 1, receivers: 1 },
    ]);
  });
});

describe('a batch in which messages are malformed', () => {
  const one = bytes(1);
  const bad = hex('ff');
  /** Taken for a byte string that reaches far beyond the frame. */
  const beyond = (data: Buffer) => Buffer.concat([data.subarray(0, 5 + 2), hex('5a 7fffffff 00')]);
  const batches: Record<string, [Buffer, (number | string)[]]> = {
    'one in the middle': [batchData([one, bad, one]), [1, 'gap 1', 1]],
    'the first and the last': [batchData([bad, one, bad]), ['gap 1', 1, 'gap 1']],
    'some in a row': [batchData([one, bad, bad, bad, one, bad]), [1, 'gap 3', 1, 'gap 1']],
    'all, as many as can be': [batchData(Array(60_000).fill(bad)), ['gap 60000']],
    'one that is empty': [batchData([bytes('x'), hex(''), one]), ['x', 'gap 1', 1]],
    'one that is no byte string': [Buffer.concat([batchData([one], 2), hex('82 01')]), [1, 'gap 1']],
    'one that leaves the frame': [beyond(batchData([one, one, one])), [1, 'gap 2']],
    'something behind the last one': [Buffer.concat([batchData([one]), hex('41 01')]), [1]],
  };

  it.each(Object.entries(batches))(
    '%s: the others arrive, in a row they are one gap',
    async (_, [data, shown]) => {
      await using slot = await innocents.bob.subscribe('evil.a', { gaps: true });
      const peer = await rawPeer(innocents.directory);
      peer.write(batch(peer, data, { flags: Flag.batch | Flag.ackSoon }));
      const items = [];
      while (items.length < shown.length) {
        const item = await slot.read({ timeout: 12_000 });
        items.push(item !== undefined && 'gap' in item ? `gap ${item.gap.missed}` : item?.data);
      }
      expect(items).toEqual(shown);
      await peer.receives(Kind.settled);
      const gaps = shown.filter((item) => String(item).startsWith('gap')).length;
      const told = innocents.events.of('gap').filter(({ sender }) => sender === peer.id.hex);
      expect(told).toHaveLength(gaps);
      expect(await slot.read({ timeout: 0 })).toBeUndefined();
    },
  );
});

describe('malformed queries and answers', () => {
  it('a query that cannot be read is answered with an error, and the responder goes on', async () => {
    await using _responder = await innocents.bob.respond('evil.query', () => 'read');
    const peer = await rawPeer(innocents.directory);
    peer.write(peer.frame(Kind.query, { subject: 'evil.query', sequence: 1, data: hex('ff') }));
    peer.write(peer.frame(Kind.query, { subject: 'evil.query', sequence: 2 }));
    const { bytes: error } = await peer.reply(1);
    expect(readControl('error REPLY', error, 0, error.length).code).toBe('MAILSLOT_PROTOCOL_VIOLATION');
    const { bytes: answer } = await peer.reply(2);
    expect(readFlags(answer, 0) & Flag.error).toBe(0);
  });

  const answers: Record<string, { data: Buffer; flags?: number }> = {
    'with data that is malformed': { data: hex('ff') },
    'with an error that is no error': { data: bytes(7), flags: Flag.error },
    'with an error that is malformed': { data: hex('a1'), flags: Flag.error },
    'with an error whose text is endless': {
      data: bytes({ code: 'MAILSLOT_TIMEOUT', message: 'x'.repeat(2 ** 20 + 1) }),
      flags: Flag.error,
    },
  };

  it.each(Object.entries(answers))('an answer %s fails that query only', async (_, { data, flags = 0 }) => {
    const peer = await rawPeer(innocents.directory, {
      slots: [{ id: 1, role: 'responder', pattern: 'evil.answer' }],
    });
    const asked = innocents.alice.query('evil.answer', 1, { timeout: 12_000 });
    const query = await peer.receives(Kind.query);
    const ref = query.bytes.readUIntBE(At.sequence + 2, 6);
    const to = Buffer.from(innocents.alice.id, 'hex');
    peer.write(peer.frame(Kind.reply, { to, ref, flags, data }));
    await expect(asked).rejects.toMatchObject({
      code: 'MAILSLOT_PROTOCOL_VIOLATION',
      message: expect.stringMatching(/^query: the answer to "evil.answer" cannot be read: /),
    });
    await peer.isServed();
  });

  it('of all answers to queryAll the malformed one is an error, the others arrive', async () => {
    const peer = await rawPeer(innocents.directory, {
      slots: [{ id: 1, role: 'responder', pattern: 'evil.all' }],
    });
    await using _responder = await innocents.bob.respond('evil.all', () => 'good');
    const replies = collect(innocents.alice.queryAll('evil.all', 1, { timeout: 12_000 }));
    const { bytes: query } = await peer.receives(Kind.query);
    const ref = query.readUIntBE(At.sequence + 2, 6);
    peer.write(peer.frame(Kind.reply, { to: Buffer.from(innocents.alice.id, 'hex'), ref, data: hex('ff') }));
    const outcomes = (await replies).map(({ error, data }) => error?.code ?? data);
    expect(outcomes.sort()).toEqual(['MAILSLOT_PROTOCOL_VIOLATION', 'good']);
  });

  it('a query without a time to live is answered', async () => {
    await using _responder = await innocents.bob.respond('evil.ttl', (_message, { signal }) => {
      // a timer that was set to more than it takes would fire before this one
      return new Promise((resolve) => setTimeout(() => resolve(signal.aborted), 10));
    });
    const peer = await rawPeer(innocents.directory);
    peer.write(peer.frame(Kind.query, { subject: 'evil.ttl', sequence: 1 }));
    peer.write(peer.frame(Kind.query, { subject: 'evil.ttl', sequence: 2, ttl: 0xffff_ffff }));
    for (const id of [1, 2]) {
      const { bytes: answer } = await peer.reply(id);
      expect(readRef(answer, 0)).toBe(id);
      expect(answer.at(-1)).toBe(0xf4);
    }
  });
});

describe('a link that ends', () => {
  it('in the middle of a frame, at any byte, leaves nothing behind', async () => {
    await using slot = await innocents.bob.subscribe('evil.half', { gaps: true });
    for (const part of [1, 6, 7, 30, 60, 90]) {
      const peer = await rawPeer(innocents.directory);
      peer.write(
        peer.message('evil.half', part),
        peer.message('evil.half', 'y'.repeat(99)).subarray(0, part),
      );
      expect(await slot.read({ timeout: 12_000 })).toMatchObject({ data: part });
      peer.destroy();
      const left = await innocents.events.first('peer-left', ({ peer: { id } }) => id === peer.id.hex);
      expect(left.cause).toBe('crashed');
    }
    expect(slot.info).toMatchObject({ messageCount: 0, missed: 0 });
  });

  it('after the first MiB of the largest frame leaves nothing behind', async () => {
    const peer = await rawPeer(innocents.directory);
    const head = patched(peer.message('evil.half', 1), (frame) =>
      writeU32(frame, At.length, MAX_FRAME_BYTES - 7),
    );
    peer.write(head, Buffer.alloc(2 ** 20));
    peer.destroy();
    const left = await innocents.events.first('peer-left', ({ peer: { id } }) => id === peer.id.hex);
    expect(left.cause).toBe('crashed');
  });

  it('because another one came with its id is closed', async () => {
    const first = await rawPeer(innocents.directory);
    const second = await linkedRawPeer(innocents.directory, first.id);
    await first.isCut();
    await second.join();
    await second.isServed();
  });
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
