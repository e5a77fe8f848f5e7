import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  C1_BYTES,
  encodeH1,
  type HandshakeStep,
  HostHandshake,
  keyId,
  PeerHandshake,
} from '../../src/wire/handshake.js';

interface Vector {
  name: string;
  key: string;
  endpoint: string;
  endpointName: string;
  epoch: number;
  hostId: string;
  peerId: string;
  peerNonce: string;
  hostNonce: string;
  keyId: string;
  c1: string;
  h1: string;
  c2: string;
  h2: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/handshake.json', import.meta.url), 'utf8'),
) as Vector[];

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const hex = (found: Uint8Array | undefined) => found && Buffer.from(found).toString('hex');

const context = {
  key: Buffer.alloc(32, 7),
  endpoint: '/x/s001122334455',
  epoch: 1_800_000_000,
  hostId: Buffer.alloc(8, 0xaa),
  peerId: Buffer.alloc(8, 0xbb),
};
type Changes = Partial<typeof context> & { nonce?: Buffer };
const newPeer = (changes: Changes = {}) =>
  new PeerHandshake({ ...context, nonce: Buffer.alloc(32, 1), ...changes });
const newHost = (changes: Changes = {}) =>
  new HostHandshake({ ...context, nonce: Buffer.alloc(32, 2), ...changes });

/** A copy with one bit turned. */
function bent(message: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(message);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** The four messages of one good handshake, and the two machines behind it. */
function goodHandshake() {
  const peer = newPeer();
  const host = newHost();
  const c1 = peer.first;
  const h1 = host.receive(c1).send!;
  const c2 = peer.receive(h1).send!;
  const hostEnd = host.receive(c2);
  const peerEnd = peer.receive(hostEnd.send!);
  return { c1, h1, c2, h2: hostEnd.send!, hostEnd, peerEnd };
}

function expectRefused(step: HandshakeStep, code: string): void {
  expect(step.refused?.code).toBe(code);
  expect(step.done).toBeUndefined();
}

it('the key id differs per endpoint and epoch makes no difference, also when the key is the same object', () => {
  const key = Buffer.alloc(32, 1);
  const idOf = (endpoint: string, epoch: number) => hex(keyId({ key, endpoint, epoch }));
  const [one, other] = [idOf('one', 1), idOf('other', 1)];
  expect(one).not.toBe(other);
  expect([idOf('one', 2), idOf('other', 1), idOf('one', 1)]).toEqual([one, other, one]);
});

describe('handshake vectors', () => {
  it.each(vectors)('$name', (vector) => {
    const shared = { key: bytes(vector.key), endpoint: vector.endpoint, epoch: vector.epoch };
    const peer = new PeerHandshake({
      ...shared,
      peerId: bytes(vector.peerId),
      nonce: bytes(vector.peerNonce),
    });
    const host = new HostHandshake({
      ...shared,
      endpoint: vector.endpointName,
      hostId: bytes(vector.hostId),
      nonce: bytes(vector.hostNonce),
    });
    expect(hex(keyId(shared))).toBe(vector.keyId);
    expect(hex(peer.first)).toBe(vector.c1);
    expect(hex(host.receive(bytes(vector.c1)).send)).toBe(vector.h1);
    expect(hex(peer.receive(bytes(vector.h1)).send)).toBe(vector.c2);
    const hostEnd = host.receive(bytes(vector.c2));
    expect(hex(hostEnd.send)).toBe(vector.h2);
    expect(hex(hostEnd.done?.id)).toBe(vector.peerId);
    expect(hex(peer.receive(bytes(vector.h2)).done?.id)).toBe(vector.hostId);
  });
});

describe('handshake', () => {
  it('works byte by byte, and leaves what follows it', () => {
    const { c1, h1, c2, h2 } = goodHandshake();
    const host = newHost();
    const peer = newPeer();
    const feed = (machine: { receive(bytes: Uint8Array): HandshakeStep }, message: Uint8Array) => {
      const steps = Array.from(message, (byte) => machine.receive(Uint8Array.of(byte)));
      for (const step of steps.slice(0, -1)) expect(step).toEqual({});
      return steps.at(-1)!;
    };
    expect(hex(feed(host, c1).send)).toBe(hex(h1));
    expect(hex(feed(peer, h1).send)).toBe(hex(c2));
    expect(hex(feed(host, c2).send)).toBe(hex(h2));
    const behind = Buffer.from('frames');
    expect(hex(peer.receive(Buffer.concat([h2, behind])).done?.rest)).toBe(hex(behind));
  });

  it('hands the host what a peer sends right behind its proof', () => {
    const host = newHost();
    const peer = newPeer();
    const c2 = peer.receive(host.receive(peer.first).send!).send!;
    const { done } = host.receive(Buffer.concat([c2, Buffer.from('JOIN')]));
    expect(Buffer.from(done!.rest).toString()).toBe('JOIN');
  });

  it('refuses every message with any bit turned, and shows nothing in return', () => {
    const { c1, h1, c2, h2 } = goodHandshake();
    for (let bit = 0; bit < c1.length * 8; bit += 1) {
      // The nonce, the flags and the zeros of C1 are free; the proofs cover them, so H1 will not fit the peer's C1.
      const inNonceOrFree = bit >= 24 * 8 || (bit >= 5 * 8 && bit < 8 * 8);
      const { send, refused } = newHost().receive(bent(c1, bit));
      if (inNonceOrFree) expectRefused(newPeer().receive(send!), 'MAILSLOT_BAD_KEY');
      else expect(refused).toBeDefined();
      if (bit < 4 * 8 || (bit >= 8 * 8 && bit < 24 * 8)) expect(send).toBeUndefined();
    }
    for (let bit = 0; bit < h1.length * 8; bit += 1) {
      const step = newPeer().receive(bent(h1, bit));
      expect([step.refused?.retryable, step.send]).toEqual([false, undefined]);
    }
    for (let bit = 0; bit < c2.length * 8; bit += 1) {
      const host = newHost();
      host.receive(c1);
      const step = host.receive(bent(c2, bit));
      expectRefused(step, 'MAILSLOT_BAD_KEY');
      expect(step.send).toBeUndefined();
    }
    for (let bit = 0; bit < h2.length * 8; bit += 1) {
      const peer = newPeer();
      peer.receive(h1);
      expectRefused(peer.receive(bent(h2, bit)), 'MAILSLOT_BAD_KEY');
    }
  });

  it('names a wrong key, a wrong epoch and a foreign first message', () => {
    const first = (changes: Changes) => newHost().receive(newPeer(changes).first);
    expectRefused(first({ key: Buffer.alloc(32, 8) }), 'MAILSLOT_BAD_KEY');
    expectRefused(first({ endpoint: '/x/s001122334456' }), 'MAILSLOT_BAD_KEY');
    expectRefused(first({ epoch: context.epoch + 1 }), 'MAILSLOT_PROTOCOL_VIOLATION');
    const http = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nUser-Agent: x\r\n');
    expectRefused(newHost().receive(http.subarray(0, C1_BYTES)), 'MAILSLOT_PROTOCOL_VIOLATION');
    expectRefused(newPeer().receive(Buffer.alloc(112, 'x')), 'MAILSLOT_PROTOCOL_VIOLATION');
  });

  it('refuses the honest host of another epoch', () => {
    const peer = newPeer();
    const h1 = encodeH1({ ...context, epoch: 5, nonce: Buffer.alloc(32, 2) }, peer.first);
    expectRefused(peer.receive(h1), 'MAILSLOT_PROTOCOL_VIOLATION');
  });

  it('tells a peer of another version which one the host speaks', () => {
    const other = Uint8Array.from(newPeer().first);
    other[4] = 2;
    const step = newHost().receive(other);
    expectRefused(step, 'MAILSLOT_VERSION_MISMATCH');
    expect(step.send?.[4]).toBe(1);
  });

  it('refuses replays: an old C1 and C2 at a new host, an old H1 and H2 at a new peer', () => {
    const old = goodHandshake();
    const host = newHost({ nonce: Buffer.alloc(32, 3) });
    host.receive(old.c1);
    expectRefused(host.receive(old.c2), 'MAILSLOT_BAD_KEY');
    const peer = newPeer({ nonce: Buffer.alloc(32, 4) });
    expectRefused(peer.receive(old.h1), 'MAILSLOT_BAD_KEY');
    const answered = newPeer({ nonce: Buffer.alloc(32, 4) });
    answered.receive(newHost().receive(answered.first).send!);
    expectRefused(answered.receive(old.h2), 'MAILSLOT_BAD_KEY');
  });

  it('refuses its own words mirrored back', () => {
    const peer = newPeer();
    const mirrored = Buffer.concat([peer.first, peer.first]).subarray(0, 112);
    expectRefused(peer.receive(mirrored), 'MAILSLOT_BAD_KEY');
    const host = newHost();
    const h1 = host.receive(newPeer().first).send!;
    expectRefused(host.receive(h1.subarray(h1.length - 40)), 'MAILSLOT_BAD_KEY');
  });

  it('refuses a side that talks ahead of its turn', () => {
    expectRefused(
      newHost().receive(Buffer.concat([newPeer().first, Buffer.alloc(1)])),
      'MAILSLOT_PROTOCOL_VIOLATION',
    );
    const { h1, h2 } = goodHandshake();
    expectRefused(newPeer().receive(Buffer.concat([h1, h2])), 'MAILSLOT_PROTOCOL_VIOLATION');
  });

  it('never puts the key on the wire', () => {
    const { c1, h1, c2, h2 } = goodHandshake();
    const wire = Buffer.concat([c1, h1, c2, h2]);
    for (let at = 0; at + 4 <= 32; at += 1) {
      expect(wire.includes(Buffer.from(context.key).subarray(at, at + 4))).toBe(false);
    }
  });
});
