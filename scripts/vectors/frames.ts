// Whole frames: every kind in every variant, a stream of some of them, and bytes that are no frames.
import { encodeFrame, encodeHeaders, Flag, Kind } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import { encodeData } from '../../test/wire/vector-forms.js';
import { controlSamples } from './control.js';

export interface FrameVector {
  name: string;
  kind: number;
  flags: (keyof typeof Flag)[];
  sender: string;
  sequence: number;
  order: number;
  time: number;
  subject: string;
  to?: string;
  ttl?: number;
  ref?: number;
  headers?: Record<string, string>;
  data: unknown;
  hex: string;
}

type Fields = Partial<Omit<FrameVector, 'name' | 'kind' | 'hex'>> & { kind: number };

const peer = 'b0b1b2b3b4b5b6b7';
const otherPeer = 'c0c1c2c3c4c5c6c7';
const host = 'a0a1a2a3a4a5a6a7';
const time = 1_795_305_600_123;
const order = 1_795_305_600_000_001;

const message: Fields = {
  kind: Kind.publish,
  sender: peer,
  sequence: 7,
  time,
  subject: 'mail.new',
  data: 'hi',
};
const question: Fields = {
  kind: Kind.query,
  sender: peer,
  sequence: 3,
  time,
  subject: 'time.now',
  ttl: 5_000,
  data: { $undefined: true },
};
const { ttl: _, ...streamQuestion } = question;
const answer: Fields = { kind: Kind.reply, sender: otherPeer, time, to: peer, ref: 3, data: 'noon' };

/** The data of a batch: byte strings with one value each. The array always has a head of 5 bytes. */
function batchOf(...values: unknown[]): unknown {
  return values.map((value) => ({ $bytes: Buffer.from(encodeValue(value)).toString('hex') }));
}

const messages: Record<string, Fields> = {
  'PUBLISH, as its publisher writes it': message,
  'PUBLISH, as its receivers get it': { ...message, order },
  'PUBLISH, confirm': { ...message, flags: ['confirm', 'ackSoon'] },
  'PUBLISH, no-echo': { ...message, flags: ['noEcho'] },
  'PUBLISH, retain': { ...message, flags: ['retain'] },
  'PUBLISH, resent': { ...message, flags: ['resent'] },
  'PUBLISH, ack-soon': { ...message, flags: ['ackSoon'] },
  'PUBLISH, its data in a file': { ...message, flags: ['file'], data: [3, 1_048_581] },
  'PUBLISH, a batch': { ...message, flags: ['batch'], data: batchOf('hi', 17, 'x'.repeat(23)) },
  'PUBLISH, to one peer': { ...message, to: otherPeer },
  'PUBLISH, with a time to live': { ...message, ttl: 1_000 },
  'PUBLISH, with headers': { ...message, headers: { trace: '0af7', 'content-type': 'text/plain' } },
  'PUBLISH, with everything': {
    ...message,
    flags: ['confirm', 'noEcho', 'resent', 'ackSoon'],
    sequence: 4_294_967_296,
    order: Number.MAX_SAFE_INTEGER,
    to: otherPeer,
    ttl: 4_294_967_295,
    ref: 9,
    headers: { '': '', long: 'x'.repeat(24), longer: 'y'.repeat(256), grüße: '世界' },
    data: { list: [1, 2, 3] },
  },
  'PUBLISH, bytes': { ...message, data: { $bytes: '00ff' } },
  'PUBLISH, undefined': { ...message, data: { $undefined: true } },
  'PUBLISH, the longest subject': { ...message, subject: 'a'.repeat(255) },
  'PUBLISH, a peer joined': {
    kind: Kind.publish,
    sender: host,
    order,
    time,
    subject: '$presence.joined',
    data: {
      id: peer,
      label: 'reader.js',
      pid: 4711,
      hosting: false,
      connectedAt: time,
      slots: 1,
      responders: 0,
    },
  },
  'PUBLISH, a peer left': {
    kind: Kind.publish,
    sender: host,
    order,
    time,
    subject: '$presence.left',
    data: {
      id: peer,
      label: 'reader.js',
      pid: 4711,
      hosting: false,
      connectedAt: time,
      slots: 0,
      responders: 0,
      cause: 'crashed',
    },
  },
  QUERY: question,
  'QUERY, to one peer': { ...question, to: otherPeer },
  'QUERY, to all': { ...question, flags: ['all'], ttl: 1_000 },
  'QUERY, with headers': { ...question, headers: { trace: '0af7' } },
  'QUERY, for a stream': { ...streamQuestion, flags: ['stream'] },
  'QUERY, who is there': { ...question, subject: '$peers', data: null },
  'QUERY, what waits in slots': { ...question, flags: ['all'], subject: '$slots', ttl: 1_000, data: null },
  REPLY: answer,
  'REPLY, another one follows': { ...answer, flags: ['more'] },
  'REPLY, the end of a stream': { ...answer, flags: ['stream'], data: null },
  'CREDIT, to a responder': { kind: Kind.credit, sender: peer, to: otherPeer, ref: 3, data: 64 },
  CANCEL: { kind: Kind.cancel, sender: peer, ref: 3, data: null },
  'ACK, which also asks for its own': { kind: Kind.ack, sender: peer, flags: ['ackSoon'], data: [] },
  STANDBY: { kind: Kind.standby, sender: host, data: {} },
  'kind 16, relayed': { ...message, kind: 16 },
  'kind 20, ignored': { kind: 20, sender: host, data: null },
};

const controlKinds: Record<string, number> = {
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
  PING: Kind.ping,
  GOAWAY: Kind.goaway,
  'error REPLY': Kind.reply,
  'count REPLY': Kind.reply,
  'claim QUERY': Kind.query,
  'claim REPLY': Kind.reply,
  'tap QUERY': Kind.query,
  'tap REPLY': Kind.reply,
};
const fromPeer = ['JOIN', 'SLOT request', 'ACK', 'CREDIT', 'claim QUERY', 'tap QUERY'];
const otherFields: Record<string, Partial<Fields>> = {
  'error REPLY': { flags: ['error'], to: peer, ref: 3 },
  'count REPLY': { flags: ['all'], to: peer, ref: 3 },
  'claim QUERY': { subject: '$claim', sequence: 3, ttl: 2 ** 31 - 1 },
  'claim REPLY': { flags: ['more'], to: peer, ref: 3 },
  'tap QUERY': { subject: '$tap', sequence: 3, ttl: 2 ** 31 - 1 },
  'tap REPLY': { flags: ['more'], to: peer, ref: 3 },
};

/** Every frame, with the control frames around the data of control.json. */
export function frameSamples(): FrameVector[] {
  const control = controlSamples()
    .filter(({ frame }) => frame in controlKinds)
    .map(({ frame, name, data }) =>
      build(`${frame}, ${name}`, {
        kind: controlKinds[frame]!,
        sender: fromPeer.includes(frame) ? peer : host,
        data,
        ...otherFields[frame],
      }),
    );
  return [...Object.entries(messages).map(([name, fields]) => build(name, fields)), ...control];
}

function build(name: string, fields: Fields): FrameVector {
  const { kind, flags = [], sender = peer, sequence = 0, order = 0, time = 0, subject = '', data } = fields;
  const { to, ttl, ref, headers } = fields;
  const frame = encodeFrame({
    kind,
    flags: flags.reduce((bits, flag) => bits | Flag[flag], 0),
    sender: Buffer.from(sender, 'hex'),
    sequence,
    order,
    time,
    subject,
    to: to === undefined ? undefined : Buffer.from(to, 'hex'),
    ttl,
    ref,
    headers: headers && encodeHeaders(headers),
    data: encodeData(flags, data),
  });
  const options = {
    ...(to === undefined ? {} : { to }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(ref === undefined ? {} : { ref }),
    ...(headers === undefined ? {} : { headers }),
  };
  const hex = frame.toString('hex');
  return { name, kind, flags, sender, sequence, order, time, subject, ...options, data, hex };
}

const streamed = ['PUBLISH, with everything', 'PING, ping', 'PUBLISH, bytes', 'QUERY, to one peer'];

/** Frames back to back, and a place to cut inside each field of the first one. */
export function streamOf(frames: readonly FrameVector[]): object {
  const chosen = streamed.map((name) => frames.find((frame) => frame.name === name)!);
  const subject = 51 + chosen[0]!.subject.length;
  const cuts = [
    { at: 1, inside: 'the prefix' },
    { at: 5, inside: 'the length' },
    { at: 7, inside: 'nothing: before the array' },
    { at: 8, inside: 'nothing: before the kind' },
    { at: 11, inside: 'the flags' },
    { at: 17, inside: 'the sender' },
    { at: 25, inside: 'the sequence' },
    { at: 35, inside: 'the order' },
    { at: 44, inside: 'the time' },
    { at: 50, inside: 'the length of the subject' },
    { at: 53, inside: 'the subject' },
    { at: subject + 1, inside: 'the head of the options' },
    { at: subject + 6, inside: 'the option `to`' },
    { at: subject + 14, inside: 'the option `ttl`' },
    { at: subject + 22, inside: 'the option `ref`' },
    { at: subject + 40, inside: 'the headers' },
    { at: chosen[0]!.hex.length / 2 - 2, inside: 'the data' },
    { at: chosen[0]!.hex.length / 2, inside: 'nothing: between two frames' },
  ];
  return { frames: streamed, hex: chosen.map((frame) => frame.hex).join(''), cuts };
}

const good = build('', { ...message, to: otherPeer, ttl: 1, ref: 2 });
const subjectEnd = 51 + good.subject.length;
const plain = build('', message);
const batch = build('', messages['PUBLISH, a batch']!);

function subjectEndOf({ subject }: FrameVector): number {
  return 51 + subject.length;
}

function bend(frame: FrameVector, at: number, hex: string): string {
  const bytes = Buffer.from(frame.hex, 'hex');
  bytes.write(hex, at, 'hex');
  return bytes.toString('hex');
}

/** Bytes that end the link they come from. */
export function frameFaults(): object[] {
  const faults: Record<string, string> = {
    'another tag': bend(plain, 0, 'd819'),
    'a length of 1 byte': bend(plain, 2, '58'),
    'shorter than any frame': bend(plain, 3, '0000002e'),
    'longer than any frame': bend(plain, 3, '03fffffa'),
    'an array of eight': bend(plain, 7, '88'),
    'flags of 1 byte': bend(plain, 9, '18'),
    'sender of 4 bytes': bend(plain, 12, '1a'),
    'sequence of 4 bytes': bend(plain, 21, '1a'),
    'order of 4 bytes': bend(plain, 30, '1a'),
    'time of 4 bytes': bend(plain, 39, '1a'),
    'subject with a length of 1 byte': bend(plain, 48, '78'),
    'subject of 256 bytes': bend(plain, 49, '0100'),
    'subject behind the end': bend(plain, 49, '00ff'),
    'options with a short head': bend(plain, subjectEnd, 'a0'),
    'a batch that is no array': bend(plain, 10, '10'),
    'a batch of another kind': bend(batch, 8, '01'),
    'a batch of nothing': bend(batch, subjectEndOf(batch) + 3, '00000000'),
    'a batch with too many messages': bend(batch, subjectEndOf(batch) + 3, '00000100'),
    'a batch with options': bend(batch, subjectEndOf(batch) + 1, '01'),
    '`to` flagged but absent': bend(plain, 11, '20'),
    '`ttl` flagged but absent': bend(plain, 11, '40'),
    '`ref` flagged but absent': bend(plain, 11, '80'),
    '`to` with another key': bend(good, subjectEnd + 2, '02'),
    '`ttl` of 8 bytes': bend(good, subjectEnd + 13, '1b'),
    '`ref` of 4 bytes': bend(good, subjectEnd + 19, '1a'),
  };
  return Object.entries(faults).map(([name, hex]) => ({ name, hex }));
}
