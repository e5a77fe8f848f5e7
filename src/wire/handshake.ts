// The handshake: four messages of fixed size with which peer and host prove to each other that they know the
// bus key, before either parses anything else. It does no I/O, keeps no time and draws no randomness: nonces
// come in, bytes go out. Deadlines and the number of connections are link.ts's matter.
//
//   C1  peer → host   64   'MSLT' version flags 00 00 | epoch u64 | key id 8 | zero 8 | nonce 32
//   H1  host → peer  112   'MSLT' version flags 00 00 | epoch u64 | key id 8 | host's id 8 | zero 16 | nonce 32 | proof 32
//   C2  peer → host   40   peer's id 8 | proof 32
//   H2  host → peer   40   'OK' zero 6 | finish 32
//
// The layout of C1 and H1, and the host's proof, stay as they are in every version: they are how two versions
// find out that they differ.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { MailslotError } from '../errors.js';
import { PEER_ID_BYTES } from './peer-id.js';
import { readU64, writeU64 } from './primitives.js';

/** The major version of the protocol, as C1 and H1 carry it. */
export const PROTOCOL_VERSION = 1;

export const NONCE_BYTES = 32;
export const C1_BYTES = 64;
export const H1_BYTES = 112;
export const C2_BYTES = 40;
export const H2_BYTES = 40;

const MAGIC = Buffer.from('MSLT', 'latin1');
const At = { version: 4, epoch: 8, keyId: 16, id: 24, peerNonce: 32, hostNonce: 48, hostProof: 80 } as const;
const KEY_ID_BYTES = 8;
const H2_START = Buffer.from('4f4b000000000000', 'hex');

/** What both sides of one handshake know beforehand. */
export interface HandshakeContext {
  /** The bus key. */
  key: Uint8Array;
  /** Path, pipe name or base name of the endpoint; only the base name is part of the proofs. */
  endpoint: string;
  epoch: number;
}

/** What to do after bytes were received; at most one of `refused` and `done` is set. */
export interface HandshakeStep {
  /** Write this. */
  send?: Uint8Array;
  /** Then close the connection, for this reason. */
  refused?: MailslotError;
  /** Or go on: the other side has proved that it knows the key. */
  done?: HandshakeDone;
}

export interface HandshakeDone {
  /** The other side's id, 8 bytes. */
  id: Uint8Array;
  /** What was received behind the handshake; may be empty. */
  rest: Uint8Array;
}

/** The host's side of one connection. It sends nothing before it has seen a C1 with the right key id and epoch. */
export class HostHandshake {
  readonly #context: HandshakeContext & { hostId: Uint8Array; nonce: Uint8Array };
  readonly #intake = new Intake();
  #c1: Uint8Array | undefined;
  #h1: Uint8Array | undefined;

  /** `nonce`: 32 fresh random bytes. */
  constructor(context: HandshakeContext & { hostId: Uint8Array; nonce: Uint8Array }) {
    this.#context = context;
  }

  /** Whether a valid C1 has arrived. */
  get begun(): boolean {
    return this.#c1 !== undefined;
  }

  receive(bytes: Uint8Array): HandshakeStep {
    const { message, rest } = this.#intake.take(bytes, this.#c1 ? C2_BYTES : C1_BYTES);
    if (!message) return {};
    return this.#c1 && this.#h1
      ? this.#finish(this.#c1, this.#h1, message, rest)
      : this.#begin(message, rest);
  }

  #begin(c1: Uint8Array, rest: Uint8Array): HandshakeStep {
    const refused = rest.length > 0 ? talksAhead('peer') : checkC1(this.#context, c1);
    if (refused && refused.code !== 'MAILSLOT_VERSION_MISMATCH') return { refused };
    this.#c1 = c1;
    this.#h1 = encodeH1(this.#context, c1);
    // An honest peer of another version learns the version from H1; without it, it would take us for dead.
    return refused ? { send: this.#h1, refused } : { send: this.#h1 };
  }

  #finish(c1: Uint8Array, h1: Uint8Array, c2: Uint8Array, rest: Uint8Array): HandshakeStep {
    const refused = checkC2(this.#context, c1, h1, c2);
    if (refused) return { refused };
    return { send: encodeH2(this.#context, c1, h1, c2), done: { id: c2.slice(0, PEER_ID_BYTES), rest } };
  }
}

/** The peer's side of one connection. It shows its proof only to a host that has proved itself. */
export class PeerHandshake {
  readonly #context: HandshakeContext & { peerId: Uint8Array; nonce: Uint8Array };
  readonly #intake = new Intake();
  readonly #c1: Uint8Array;
  #h1: Uint8Array | undefined;
  #c2: Uint8Array | undefined;

  /** `nonce`: 32 fresh random bytes. */
  constructor(context: HandshakeContext & { peerId: Uint8Array; nonce: Uint8Array }) {
    this.#context = context;
    this.#c1 = encodeC1(context);
  }

  /** What to write first. */
  get first(): Uint8Array {
    return this.#c1;
  }

  receive(bytes: Uint8Array): HandshakeStep {
    const { message, rest } = this.#intake.take(bytes, this.#h1 ? H2_BYTES : H1_BYTES);
    if (!message) return {};
    return this.#h1 && this.#c2
      ? this.#finish(this.#h1, this.#c2, message, rest)
      : this.#answer(message, rest);
  }

  #answer(h1: Uint8Array, rest: Uint8Array): HandshakeStep {
    const refused = rest.length > 0 ? talksAhead('host') : checkH1(this.#context, this.#c1, h1);
    if (refused) return { refused };
    this.#h1 = h1;
    this.#c2 = encodeC2(this.#context, this.#c1, h1);
    return { send: this.#c2 };
  }

  #finish(h1: Uint8Array, c2: Uint8Array, h2: Uint8Array, rest: Uint8Array): HandshakeStep {
    const refused = checkH2(this.#context, this.#c1, h1, c2, h2);
    return refused ? { refused } : { done: { id: h1.slice(At.id, At.id + PEER_ID_BYTES), rest } };
  }
}

/** Collects one message of a fixed size at a time, and holds no more than the longest of them. */
class Intake {
  readonly #held = Buffer.alloc(H1_BYTES);
  #count = 0;

  take(bytes: Uint8Array, size: number): { message: Uint8Array | undefined; rest: Uint8Array } {
    const taken = Math.min(size - this.#count, bytes.length);
    this.#held.set(bytes.subarray(0, taken), this.#count);
    this.#count += taken;
    const rest = bytes.subarray(taken);
    if (this.#count < size) return { message: undefined, rest };
    this.#count = 0;
    return { message: Uint8Array.prototype.slice.call(this.#held, 0, size), rest };
  }
}

export function encodeC1(context: HandshakeContext & { nonce: Uint8Array }): Uint8Array {
  const c1 = encodeStart(context, C1_BYTES);
  c1.set(context.nonce, At.peerNonce);
  return c1;
}

export function encodeH1(
  context: HandshakeContext & { hostId: Uint8Array; nonce: Uint8Array },
  c1: Uint8Array,
): Uint8Array {
  const h1 = encodeStart(context, H1_BYTES);
  h1.set(context.hostId, At.id);
  h1.set(context.nonce, At.hostNonce);
  h1.set(prove(context, 'host proof', c1, h1.subarray(0, At.hostProof)), At.hostProof);
  return h1;
}

export function encodeC2(
  context: HandshakeContext & { peerId: Uint8Array },
  c1: Uint8Array,
  h1: Uint8Array,
): Uint8Array {
  return Buffer.concat([context.peerId, prove(context, 'peer proof', c1, h1, context.peerId)]);
}

export function encodeH2(
  context: HandshakeContext,
  c1: Uint8Array,
  h1: Uint8Array,
  c2: Uint8Array,
): Uint8Array {
  const session = prove(context, 'session', c1, h1, c2);
  return Buffer.concat([H2_START, createHmac('sha256', session).update('host finish').digest()]);
}

/** Why a host refuses this C1, if it does. A version other than ours is reported only where all else is right. */
export function checkC1(context: HandshakeContext, c1: Uint8Array): MailslotError | undefined {
  if (!startsAsOurs(c1)) return notOurs('peer');
  if (!same(c1.subarray(At.keyId, At.keyId + KEY_ID_BYTES), keyId(context))) return badKey('peer');
  return wrongEpoch(context, c1) ?? wrongVersion('peer', c1);
}

/** Why a peer refuses this H1, if it does. */
export function checkH1(
  context: HandshakeContext,
  c1: Uint8Array,
  h1: Uint8Array,
): MailslotError | undefined {
  if (!startsAsOurs(h1)) return notOurs('host');
  const proof = prove(context, 'host proof', c1, h1.subarray(0, At.hostProof));
  if (!same(h1.subarray(At.hostProof), proof)) return badKey('host');
  return wrongVersion('host', h1) ?? wrongEpoch(context, h1);
}

/** Why a host refuses this C2, if it does. */
export function checkC2(
  context: HandshakeContext,
  c1: Uint8Array,
  h1: Uint8Array,
  c2: Uint8Array,
): MailslotError | undefined {
  const proof = prove(context, 'peer proof', c1, h1, c2.subarray(0, PEER_ID_BYTES));
  return same(c2.subarray(PEER_ID_BYTES), proof) ? undefined : badKey('peer');
}

/** Why a peer refuses this H2, if it does. */
export function checkH2(
  context: HandshakeContext,
  c1: Uint8Array,
  h1: Uint8Array,
  c2: Uint8Array,
  h2: Uint8Array,
): MailslotError | undefined {
  return same(h2, encodeH2(context, c1, h1, c2)) ? undefined : badKey('host');
}

// A host is asked for it twice by each connection, and has one key and one endpoint.
const keyIds = new WeakMap<Uint8Array, { endpoint: string; id: Uint8Array }>();

/** Eight bytes that tell keys apart without giving the key away; they differ per endpoint. */
export function keyId(context: HandshakeContext): Uint8Array {
  const { key, endpoint } = context;
  const known = keyIds.get(key);
  if (known?.endpoint === endpoint) return known.id;
  const id = prove(context, 'key-id').subarray(0, KEY_ID_BYTES);
  keyIds.set(key, { endpoint, id });
  return id;
}

function encodeStart(context: HandshakeContext, size: number): Uint8Array {
  const message = new Uint8Array(size);
  message.set(MAGIC, 0);
  message[At.version] = PROTOCOL_VERSION;
  writeU64(message, At.epoch, context.epoch);
  message.set(keyId(context), At.keyId);
  return message;
}

/** HMAC-SHA256 under the key over a label, the endpoint's base name and the parts. */
function prove(context: HandshakeContext, label: string, ...parts: Uint8Array[]): Buffer {
  const hmac = createHmac('sha256', context.key).update(
    `mailslot/1 ${label}\0${baseName(context.endpoint)}\0`,
  );
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

// Both separators on every system: the two sides must agree, whatever spelling each of them dialled.
function baseName(endpoint: string): string {
  return endpoint.slice(Math.max(endpoint.lastIndexOf('/'), endpoint.lastIndexOf('\\')) + 1);
}

function same(found: Uint8Array, expected: Uint8Array): boolean {
  return found.length === expected.length && timingSafeEqual(found, expected);
}

function startsAsOurs(message: Uint8Array): boolean {
  return MAGIC.equals(message.subarray(0, MAGIC.length));
}

function wrongEpoch(context: HandshakeContext, message: Uint8Array): MailslotError | undefined {
  const epoch = readU64(message, At.epoch);
  if (epoch === context.epoch) return undefined;
  return new MailslotError(
    'MAILSLOT_PROTOCOL_VIOLATION',
    `The handshake names epoch ${epoch}, but this endpoint belongs to epoch ${context.epoch}.`,
  );
}

function wrongVersion(side: Side, message: Uint8Array): MailslotError | undefined {
  const version = message[At.version];
  if (version === PROTOCOL_VERSION) return undefined;
  return new MailslotError(
    'MAILSLOT_VERSION_MISMATCH',
    `The ${side} speaks protocol version ${version}, this process version ${PROTOCOL_VERSION}. ` +
      'All programs on one bus need the same major version of mailslot.',
  );
}

type Side = 'peer' | 'host';

function notOurs(side: Side): MailslotError {
  return new MailslotError(
    'MAILSLOT_PROTOCOL_VIOLATION',
    `The first bytes of the ${side} are not those of a mailslot handshake: another program uses this endpoint.`,
  );
}

function badKey(side: Side): MailslotError {
  return new MailslotError(
    'MAILSLOT_BAD_KEY',
    `The ${side} did not prove that it knows the key of this bus. ` +
      'If the key file was replaced by hand, close every program on this bus and delete its folder.',
  );
}

function talksAhead(side: Side): MailslotError {
  return new MailslotError(
    'MAILSLOT_PROTOCOL_VIOLATION',
    `The ${side} sent more than its turn of the handshake allows.`,
  );
}
