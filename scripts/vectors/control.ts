// The data of control frames: each in its variants, and each with one thing wrong.
import { encodeValue } from '../../src/wire/values.js';
import { fromForm } from '../../test/wire/vector-forms.js';

export interface ControlVector {
  /** What the frame is called in docs/PROTOCOL.md. */
  frame: string;
  name: string;
  data: unknown;
  /** The data alone. */
  hex: string;
}

type Samples = Record<string, Record<string, unknown>>;

const id = { $bytes: 'a0a1a2a3a4a5a6a7' };
const otherId = { $bytes: 'b0b1b2b3b4b5b6b7' };
const order = 1_795_305_600_000_000;

const welcome = {
  minor: 0,
  epoch: 1_795_305_600,
  windowBytes: 4_194_304,
  windowFrames: 65_536,
  maxFrameBytes: 67_108_864,
};
const slot = { id: 1, role: 'slot', pattern: 'mail.*' };
const join = {
  minor: 0,
  label: 'reader.js',
  pid: 4711,
  mayHost: false,
  lastEpoch: 0,
  highestOrder: 0,
  firstUnsettled: 1,
  slots: [],
};
// a PUBLISH of the peer b0b1… on "status", data "gone", without sequence, order and time
const will =
  'd8185a000000398900' +
  '190000' +
  '1bb0b1b2b3b4b5b6b7' +
  '1b0000000000000000'.repeat(3) +
  '790006737461747573b800' +
  '64676f6e65';
const responder = { id: 2, role: 'responder', pattern: 'time.now', new: true };
const receipt = { sequence: 12, receivers: 3, order };

const accepted: Samples = {
  WELCOME: { ordinary: welcome, 'with a key of a later minor version': { ...welcome, zone: 'x' } },
  JOIN: {
    first: join,
    'after a take-over': {
      ...join,
      lastEpoch: 1_795_305_600,
      highestOrder: order,
      firstUnsettled: 42,
      slots: [{ ...slot, new: false }, responder],
    },
    'with claims and a will': {
      ...join,
      claims: [{ name: 'printer.1', token: order }],
      will: { $bytes: will },
    },
    'of a peer that knows that it is late': {
      ...join,
      lastEpoch: 1_795_305_600,
      late: true,
      pidNamespace: 'pid:[4026531836]',
    },
  },
  OPEN: { ordinary: { previous: 0, order }, 'after a take-over': { previous: 1_795_305_599, order } },
  'claim QUERY': {
    'for a name': { name: 'printer.1' },
    'after a new OPEN': { name: 'printer.1', token: order },
  },
  'claim REPLY': { granted: { token: order } },
  'tap QUERY': {
    everything: {},
    'of a pattern': { pattern: 'mail.>' },
    'of the system': { pattern: '$presence.*' },
  },
  'tap REPLY': {
    opened: { frames: { $bytes: '' }, dropped: 0 },
    'after a gap': { frames: { $bytes: will }, dropped: 7 },
  },
  'SLOT request': {
    'open a slot': { do: 'open', ...slot },
    'open a slot of a group': { do: 'open', ...slot, group: 'workers', retained: false },
    'open a slot with last values': { do: 'open', ...slot, retained: true },
    'open a responder': { do: 'open', id: 2, role: 'responder', pattern: 'time.now' },
    'open a slot on the system': { do: 'open', id: 3, role: 'slot', pattern: '$presence.*' },
    close: { do: 'close', id: 1 },
  },
  'SLOT answer': {
    opened: { do: 'opened', id: 1, order },
    refused: {
      do: 'refused',
      id: 2,
      code: 'MAILSLOT_NOT_PERMITTED',
      message: 'only the host responds to "$x"',
    },
  },
  SETTLED: {
    plain: { upTo: 41, windowBytes: 4_194_304, receipts: [] },
    'with receipts': {
      upTo: 42,
      windowBytes: 65_536,
      receipts: [receipt, { ...receipt, sequence: 42, receivers: 0, code: 'MAILSLOT_NO_SUCH_PEER' }],
    },
  },
  ACK: {
    nothing: [],
    'of two senders': [
      { sender: id, upTo: 7 },
      { sender: otherId, upTo: 70_000 },
    ],
    'of one message by itself': [{ sender: id, upTo: 7 }, { order }],
  },
  ACKNOW: { 'of two senders': [id, otherId] },
  NOTE: {
    plain: {},
    full: { slots: [1, 2], retained: true, redelivered: true },
    'for a member of a group': { slots: [3] },
    'handed out again': { slots: [3], redelivered: true },
    'of a last value': { slots: [1, 4], retained: true },
  },
  GAP: { counted: { id: 1, missed: 17 }, uncounted: { id: 1 } },
  STANDBY: { 'some peer': { id }, nobody: {} },
  CREDIT: { some: 64 },
  PING: { ping: 'ping', pong: 'pong' },
  GOAWAY: {
    ordinary: { code: 'closed', reason: '' },
    violation: { code: 'MAILSLOT_PROTOCOL_VIOLATION', reason: 'a frame lacks one of its fixed bytes' },
  },
  'error REPLY': {
    'of the host': { code: 'MAILSLOT_NO_RESPONDER', message: 'query: nobody responds to "time.now"' },
    'of a handler': {
      code: 'MAILSLOT_RESPONDER_FAILED',
      message: 'no such file',
      responderCode: 'ENOENT',
      data: { path: '/x' },
    },
  },
  'count REPLY': { none: 0, some: 3 },
};

const refused: Samples = {
  WELCOME: {
    'not a map': 1,
    'no epoch': { ...welcome, epoch: { $undefined: true } },
    'negative window': { ...welcome, windowBytes: -1 },
    'minor is a text': { ...welcome, minor: '0' },
    'window is a fraction': { ...welcome, windowFrames: 1.5 },
    'epoch beyond 53 bits': { ...welcome, epoch: { $bigint: '9007199254740992' } },
    'no largest frame': { ...welcome, maxFrameBytes: null },
  },
  JOIN: {
    null: null,
    'no label': { ...join, label: { $undefined: true } },
    'label of 129 bytes': { ...join, label: { $repeat: { text: 'a', times: 129 } } },
    'pid is a text': { ...join, pid: '4711' },
    'late is a number': { ...join, late: 1 },
    'pid namespace of 65 bytes': { ...join, pidNamespace: { $repeat: { text: 'p', times: 65 } } },
    'mayHost is a number': { ...join, mayHost: 1 },
    'lastEpoch is negative': { ...join, lastEpoch: -1 },
    'highestOrder is missing': { ...join, highestOrder: { $undefined: true } },
    'highestOrder beyond 2⁵²': { ...join, highestOrder: 2 ** 52 + 1 },
    'firstUnsettled is 0': { ...join, firstUnsettled: 0 },
    'firstUnsettled is a fraction': { ...join, firstUnsettled: 0.5 },
    'slots is a map': { ...join, slots: {} },
    'slot with an unknown role': { ...join, slots: [{ ...slot, role: 'tap' }] },
    'slot with a wrong pattern': { ...join, slots: [{ ...slot, pattern: 'a..b' }] },
    'slot without an id': { ...join, slots: [{ role: 'slot', pattern: 'a' }] },
    'new is a number': { ...join, slots: [{ ...slot, new: 1 }] },
    'claim without a token': { ...join, claims: [{ name: 'a' }] },
    'claim of no name': { ...join, claims: [{ name: '$a', token: 1 }] },
    'token beyond 2⁵²': { ...join, claims: [{ name: 'a', token: 2 ** 52 + 1 }] },
    'will is a text': { ...join, will: 'gone' },
  },
  OPEN: { 'no previous': { order }, 'order is a text': { previous: 0, order: '1' } },
  'claim QUERY': {
    'no name': {},
    'a pattern': { name: 'a.*' },
    'token is a text': { name: 'a', token: '1' },
  },
  'claim REPLY': { 'no token': {}, null: null },
  'tap QUERY': { 'not a map': 1, 'wrong pattern': { pattern: 'a..b' } },
  'tap REPLY': {
    'frames are a text': { frames: '', dropped: 0 },
    'no count': { frames: { $bytes: '00' } },
  },
  'SLOT request': {
    'unknown verb': { do: 'move', id: 1 },
    'close without an id': { do: 'close' },
    'open without a pattern': { do: 'open', id: 1, role: 'slot' },
    'group that is no name': { do: 'open', ...slot, group: 'a b' },
    'retained is a text': { do: 'open', ...slot, retained: 'yes' },
  },
  'SLOT answer': {
    'unknown verb': { do: 'closed', id: 1 },
    'opened without an order': { do: 'opened', id: 1 },
    'refused without a code': { do: 'refused', id: 1, message: '' },
    'refused without a message': { do: 'refused', id: 1, code: 'X' },
  },
  SETTLED: {
    'upTo is missing': { windowBytes: 1, receipts: [] },
    'windowBytes is missing': { upTo: 1, receipts: [] },
    'receipts is missing': { upTo: 1, windowBytes: 1 },
    'receipt without receivers': { upTo: 1, windowBytes: 1, receipts: [{ sequence: 1, order }] },
    'receipt with a number as code': { upTo: 1, windowBytes: 1, receipts: [{ ...receipt, code: 5 }] },
  },
  ACK: {
    'a map': {},
    'sender of 7 bytes': [{ sender: { $bytes: 'a0a1a2a3a4a5a6' }, upTo: 1 }],
    'sender is a text': [{ sender: 'a0a1a2a3a4a5a6a7', upTo: 1 }],
    'upTo is missing': [{ sender: id }],
    'order is a fraction': [{ order: 0.5 }],
    'sender is a number beside an order': [{ order, sender: 3 }],
  },
  ACKNOW: { 'a map': {}, 'id of 9 bytes': [{ $bytes: 'a0a1a2a3a4a5a6a7a8' }] },
  NOTE: { null: null, 'slots is a number': { slots: 1 }, 'retained is a number': { retained: 1 } },
  GAP: { 'no id': { missed: 1 }, 'missed is negative': { id: 1, missed: -1 } },
  STANDBY: {
    null: null,
    'id of 7 bytes': { id: { $bytes: 'a0a1a2a3a4a5a6' } },
    'id is a text': { id: 'a0a1a2a3a4a5a6a7' },
  },
  CREDIT: { negative: -1, text: '1' },
  PING: { 'another word': 'pang', number: 0 },
  GOAWAY: {
    'no code': { reason: '' },
    'no reason': { code: 'closed' },
    'code of 65 bytes': { code: { $repeat: { text: 'A', times: 65 } }, reason: '' },
  },
  'error REPLY': {
    'no code': { message: '' },
    'message is a number': { code: 'X', message: 1 },
    'responderCode is a number': { code: 'X', message: '', responderCode: 1 },
  },
  'count REPLY': { negative: -1, fraction: 0.5 },
};

export const controlSamples = (): ControlVector[] => list(accepted);
export const controlFaults = (): ControlVector[] => list(refused);

function list(samples: Samples): ControlVector[] {
  return Object.entries(samples).flatMap(([frame, variants]) =>
    Object.entries(variants).map(([name, data]) => ({
      frame,
      name,
      data,
      hex: Buffer.from(encodeValue(fromForm(data))).toString('hex'),
    })),
  );
}
