// What the data of every frame kind but PUBLISH, QUERY and REPLY holds: types, encoding, and the checks a
// receiver makes before it believes any of it. Unknown keys are ignored, so that a later minor version may add.
import {
  BUS_NAME,
  MAX_CLAIMS_PER_PEER,
  MAX_JOIN_COUNT,
  MAX_LABEL_BYTES,
  MAX_PID_NAMESPACE_BYTES,
  MAX_WILL_BYTES,
  WINDOW_FRAMES,
} from '../limits.js';
import { encodeFrame, FrameFault, type FrameFields, Kind, readTail } from './frame.js';
import { PEER_ID_BYTES, type PeerId } from './peer-id.js';
import { scanValue } from './scanner.js';
import { isPattern, isSubject } from './subject.js';
import { decodeValue, encodeValue } from './values.js';

/** Both sides use the lower one; the major version is the handshake's version byte. */
export const PROTOCOL_MINOR = 0;

/** host → peer, first frame of a link. */
export interface Welcome {
  minor: number;
  epoch: number;
  /** The window granted to this peer's messages. */
  windowBytes: number;
  windowFrames: number;
  maxFrameBytes: number;
}

/** A slot or responder as its peer describes it to the host. Ids are the peer's, one count for both. */
export interface SlotSpec {
  id: number;
  role: 'slot' | 'responder';
  pattern: string;
  group?: string;
  /** Whether retained values are wanted. */
  retained?: boolean;
  /** In JOIN: no earlier host has opened it. */
  new?: boolean;
}

/** peer → host, answers WELCOME. */
export interface Join {
  minor: number;
  label: string;
  pid: number;
  mayHost: boolean;
  /** The epoch of the last OPEN this peer read; 0 if none. */
  lastEpoch: number;
  /** Whether it knows by itself that it may have missed messages since. */
  late?: boolean;
  /** What its `pid` counts in; without it nobody can tell whether its process lives. */
  pidNamespace?: string;
  /** The highest order this peer saw. */
  highestOrder: number;
  /** The sequence of the first message it will send again, or of its next one. */
  firstUnsettled: number;
  slots: SlotSpec[];
  /** The names it owns. */
  claims?: HeldClaim[];
  /** The frame that the host publishes when this peer goes without a goodbye. */
  will?: Uint8Array;
}

/** A name that a peer owns, and the token it was granted with. */
export interface HeldClaim {
  name: string;
  token: number;
}

/** peer → host, the data of a QUERY on `$claim`. */
export interface ClaimRequest {
  name: string;
  /** Of a grant of an earlier link, which is to go on. */
  token?: number;
}

/** host → peer, the data of a REPLY to it with the flag `more`: the name is this peer's. */
export interface ClaimGrant {
  token: number;
}

/** peer → host, the data of a QUERY on `$tap`. */
export interface TapRequest {
  /** Of the subjects that are wanted; without it everything is. */
  pattern?: string;
}

/** host → peer, the data of each REPLY to it. */
export interface TapCopy {
  /** Whole frames, one behind the other, as they were relayed. */
  frames: Uint8Array;
  /** How many were left out before these, because they would have had to wait; each message of a batch counts. */
  dropped: number;
}

/** host → peer: the gate is open. */
export interface Open {
  /** The last epoch before this one that opened its gate; 0 if unknown. */
  previous: number;
  /** Every order from now on is higher. */
  order: number;
}

/** peer → host. */
export type SlotRequest = ({ do: 'open' } & SlotSpec) | { do: 'close'; id: number };

/** host → peer. */
export type SlotAnswer =
  | { do: 'opened'; id: number; order: number }
  | { do: 'refused'; id: number; code: string; message: string };

/** host → peer: what is settled. */
export interface Settled {
  upTo: number;
  windowBytes: number;
  receipts: SettledReceipt[];
}

export interface SettledReceipt {
  sequence: number;
  receivers: number;
  order: number;
  /** Set when the message went to nobody for a reason that its publisher should know. */
  code?: string;
}

/** peer → host: per sender, everything up to this sequence is taken here. */
export interface Acknowledgement {
  sender: Uint8Array;
  upTo: number;
}

/** peer → host: one message of a group that came again is taken here. */
export interface SingleAcknowledgement {
  order: number;
}

export function isSingle(
  acknowledgement: Acknowledgement | SingleAcknowledgement,
): acknowledgement is SingleAcknowledgement {
  return (acknowledgement as Partial<Acknowledgement>).sender === undefined;
}

/** host → peer, about the next frame on this link. */
export interface Note {
  slots?: number[];
  retained?: boolean;
  redelivered?: boolean;
}

/** host → peer: so many messages are missing in this slot; undefined where nobody can know it. */
export interface GapNotice {
  id: number;
  missed?: number;
}

/** host → peer: who stands for election first when this host is gone. */
export interface StandbyNotice {
  /** Absent when there is nobody in particular. */
  id?: Uint8Array;
}

/** Either side, last frame of a link. */
export interface GoAway {
  /** An error code, or `closed` for an ordinary end. */
  code: string;
  reason: string;
}

/** The data of an error REPLY. */
export interface ErrorReply {
  code: string;
  message: string;
  data?: unknown;
  /** `code` of the error that a handler threw. */
  responderCode?: string;
}

type Check = (value: unknown) => boolean;
const uint: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
// A count from which a host goes on: every number that follows must still be exact, at everybody's.
const joinCount: Check = (value) => uint(value) && (value as number) <= MAX_JOIN_COUNT;
const flag: Check = (value) => typeof value === 'boolean';
const text =
  (maxBytes: number): Check =>
  (value) =>
    typeof value === 'string' && Buffer.byteLength(value) <= maxBytes;
const absent: Check = (value) => value === undefined;
const id8: Check = (value) => value instanceof Uint8Array && value.length === PEER_ID_BYTES;
const pattern: Check = (value) => typeof value === 'string' && isPattern(value, { system: true });
const group: Check = (value) => typeof value === 'string' && BUS_NAME.test(value.toLowerCase());
const oneOf =
  (...words: string[]): Check =>
  (value) =>
    words.includes(value as string);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const record =
  (shape: Record<string, Check>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(shape).every(([key, check]) => check((value as Record<string, unknown>)[key]));
const list =
  (check: Check, most: number): Check =>
  (value) =>
    Array.isArray(value) && value.length <= most && value.every(check);
const either =
  (...checks: Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));

/** Items of a list in a frame; a full window of messages can be settled with one. */
export const MAX_LIST = WINDOW_FRAMES;
/** Twice what the longest of this package needs. */
const MAX_CODE_BYTES = 64;
/** A sentence or two for people. */
const MAX_REASON_BYTES = 4 * 1024;
/** What a handler threw is not ours, and may be long. */
const MAX_HANDLER_MESSAGE_BYTES = 1024 * 1024;
const MAX_HANDLER_CODE_BYTES = 256;
const claimName: Check = (value) => isSubject(value);
const frameBytes: Check = (value) => value instanceof Uint8Array;
const slotSpec = {
  id: uint,
  role: oneOf('slot', 'responder'),
  pattern,
  group: optional(group),
  retained: optional(flag),
  new: optional(flag),
};

/** The checks, by what the frame is called in docs/PROTOCOL.md. */
const checks = {
  WELCOME: record({ minor: uint, epoch: uint, windowBytes: uint, windowFrames: uint, maxFrameBytes: uint }),
  JOIN: record({
    minor: uint,
    label: text(MAX_LABEL_BYTES),
    pid: uint,
    mayHost: flag,
    lastEpoch: uint,
    late: optional(flag),
    pidNamespace: optional(text(MAX_PID_NAMESPACE_BYTES)),
    highestOrder: joinCount,
    firstUnsettled: (value) => joinCount(value) && value !== 0,
    slots: list(record(slotSpec), MAX_LIST),
    claims: optional(list(record({ name: claimName, token: joinCount }), MAX_CLAIMS_PER_PEER)),
    will: optional((value) => frameBytes(value) && (value as Uint8Array).length <= MAX_WILL_BYTES),
  }),
  OPEN: record({ previous: uint, order: uint }),
  'SLOT request': either(
    record({ do: oneOf('open'), ...slotSpec }),
    record({ do: oneOf('close'), id: uint }),
  ),
  'SLOT answer': either(
    record({ do: oneOf('opened'), id: uint, order: uint }),
    record({ do: oneOf('refused'), id: uint, code: text(MAX_CODE_BYTES), message: text(MAX_REASON_BYTES) }),
  ),
  SETTLED: record({
    upTo: uint,
    windowBytes: uint,
    receipts: list(
      record({ sequence: uint, receivers: uint, order: uint, code: optional(text(MAX_CODE_BYTES)) }),
      MAX_LIST,
    ),
  }),
  ACK: list(either(record({ sender: id8, upTo: uint }), record({ order: uint, sender: absent })), MAX_LIST),
  ACKNOW: list(id8, MAX_LIST),
  NOTE: record({
    slots: optional(list(uint, MAX_LIST)),
    retained: optional(flag),
    redelivered: optional(flag),
  }),
  GAP: record({ id: uint, missed: optional(uint) }),
  STANDBY: record({ id: optional(id8) }),
  CREDIT: uint,
  PING: oneOf('ping', 'pong'),
  GOAWAY: record({ code: text(MAX_CODE_BYTES), reason: text(MAX_REASON_BYTES) }),
  'error REPLY': record({
    code: text(MAX_CODE_BYTES),
    message: text(MAX_HANDLER_MESSAGE_BYTES),
    responderCode: optional(text(MAX_HANDLER_CODE_BYTES)),
  }),
  'count REPLY': uint,
  'claim QUERY': record({ name: claimName, token: optional(uint) }),
  'claim REPLY': record({ token: uint }),
  'tap QUERY': record({ pattern: optional(pattern) }),
  'tap REPLY': record({ frames: frameBytes, dropped: uint }),
} satisfies Record<string, Check>;

interface Shapes {
  WELCOME: Welcome;
  JOIN: Join;
  OPEN: Open;
  'SLOT request': SlotRequest;
  'SLOT answer': SlotAnswer;
  SETTLED: Settled;
  ACK: (Acknowledgement | SingleAcknowledgement)[];
  ACKNOW: Uint8Array[];
  NOTE: Note;
  GAP: GapNotice;
  STANDBY: StandbyNotice;
  CREDIT: number;
  PING: 'ping' | 'pong';
  GOAWAY: GoAway;
  'error REPLY': ErrorReply;
  'count REPLY': number;
  'claim QUERY': ClaimRequest;
  'claim REPLY': ClaimGrant;
  'tap QUERY': TapRequest;
  'tap REPLY': TapCopy;
}

/**
 * Decodes and checks the data of a control frame.
 * @throws FrameFault naming the frame and what is wrong with it
 */
export function readControl<Name extends keyof Shapes>(
  name: Name,
  bytes: Uint8Array,
  at: number,
  size: number,
): Shapes[Name] {
  const { data } = readTail(bytes, at, size);
  const fault = scanValue(bytes, data, at + size);
  if (fault !== undefined) throw new FrameFault(`the data of ${name} is malformed: ${fault}`);
  const value = decodeValue(bytes, data, at + size);
  if (!checks[name](value))
    throw new FrameFault(`the data of ${name} lacks a field or has one of the wrong type`);
  return value as Shapes[Name];
}

const kinds = {
  WELCOME: Kind.welcome,
  JOIN: Kind.join,
  OPEN: Kind.open,
  'SLOT request': Kind.slot,
  'SLOT answer': Kind.slot,
  SETTLED: Kind.settled,
  ACK: Kind.ack,
  ACKNOW: Kind.ack,
  NOTE: Kind.note,
  GAP: Kind.gap,
  STANDBY: Kind.standby,
  CREDIT: Kind.credit,
  PING: Kind.ping,
  GOAWAY: Kind.goaway,
  'error REPLY': Kind.reply,
  'count REPLY': Kind.reply,
  'claim QUERY': Kind.query,
  'claim REPLY': Kind.reply,
  'tap QUERY': Kind.query,
  'tap REPLY': Kind.reply,
} satisfies Record<keyof Shapes, number>;

/** Encodes a control frame; `fields` adds what it needs beside its data. */
export function controlFrame<Name extends keyof Shapes>(
  name: Name,
  sender: Uint8Array,
  data: Shapes[Name],
  fields: Partial<FrameFields> = {},
): Buffer {
  return encodeFrame({ ...fields, kind: kinds[name], sender, data: encodeValue(data) });
}

const pingItem = encodedCopy('ping');
const pongItem = encodedCopy('pong');

/**
 * Which of the two a PING frame says. All that an idle bus ever does is this, so it knows both by their bytes.
 * @throws FrameFault as {@link readControl}
 */
export function readPing(bytes: Buffer, at: number, size: number): 'ping' | 'pong' {
  const end = at + size;
  const start = end - pingItem.length;
  if (readTail(bytes, at, size).data === start) {
    if (bytes.compare(pingItem, 0, pingItem.length, start, end) === 0) return 'ping';
    if (bytes.compare(pongItem, 0, pongItem.length, start, end) === 0) return 'pong';
  }
  return readControl('PING', bytes, at, size);
}

function encodedCopy(value: unknown): Uint8Array {
  return Uint8Array.from(encodeValue(value));
}

const nullItem = Uint8Array.of(0xf6);

/** CANCEL of the asker's query `id`; the same frame goes to the host and on to the responders. */
export function cancelFrame(asker: PeerId, id: number): Buffer {
  return encodeFrame({ kind: Kind.cancel, sender: asker.bytes, ref: id, data: nullItem });
}
