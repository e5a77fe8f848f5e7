// What control.json has no room for: malformed bytes, limits, and frames as they are built. The wrong fields are
// in the vectors (vectors.test.ts).
import { describe, expect, it } from 'vitest';
import { cancelFrame, controlFrame, type Join, readControl } from '../../src/wire/control.js';
import { At, encodeFrame, Flag, FrameFault, Kind, readFlags, readRef } from '../../src/wire/frame.js';
import { peerIdAt } from '../../src/wire/peer-id.js';
import { encodeValue } from '../../src/wire/values.js';

type Name = Parameters<typeof readControl>[0];

const host = peerIdAt(Buffer.alloc(8, 0xaa), 0);
const framed = (data: Uint8Array) => encodeFrame({ kind: 20, sender: host.bytes, data });
const read = (name: Name, value: unknown) => {
  const frame = framed(encodeValue(value));
  return readControl(name, frame, 0, frame.length);
};
const wrongField = (name: Name) => `the data of ${name} lacks a field or has one of the wrong type`;

const join: Join = {
  minor: 0,
  label: '',
  pid: 1,
  mayHost: true,
  lastEpoch: 0,
  highestOrder: 0,
  firstUnsettled: 1,
  slots: [],
};

describe('readControl', () => {
  it('says what is malformed, and where', () => {
    for (const [hex, reason] of [
      ['a1', 'the value is cut short (at byte 1)'],
      ['a0a0', '1 bytes follow the value (at byte 1)'],
      ['bfff', 'an item has no definite length (at byte 0)'],
      ['d82a01', 'tag 42 does not belong here (at byte 0)'],
    ] as const) {
      const frame = framed(Buffer.from(hex, 'hex'));
      const reading = () => readControl('WELCOME', frame, 0, frame.length);
      expect(reading).toThrow(FrameFault);
      expect(reading).toThrow(`the data of WELCOME is malformed: ${reason}`);
    }
  });

  it('needs each field that has no default', () => {
    for (const field of Object.keys(join)) {
      const { [field as keyof Join]: _gone, ...rest } = join;
      expect(() => read('JOIN', rest), field).toThrow(wrongField('JOIN'));
    }
    expect(read('JOIN', join)).toEqual(join);
  });

  it('ignores fields it does not know', () => {
    expect(read('OPEN', { previous: 1, order: 2, later: [1, 2] })).toMatchObject({ previous: 1, order: 2 });
  });

  it('takes a field that is undefined for one that is absent', () => {
    expect(read('GAP', { id: 1, missed: undefined })).toEqual({ id: 1, missed: undefined });
  });

  it('counts a label in bytes', () => {
    expect(read('JOIN', { ...join, label: 'ü'.repeat(64) })).toBeDefined();
    expect(() => read('JOIN', { ...join, label: 'ü'.repeat(65) })).toThrow(wrongField('JOIN'));
  });

  it.each([
    ['GOAWAY', (length: number) => ({ code: 'closed', reason: 'r'.repeat(length) }), 4_096],
    ['GOAWAY', (length: number) => ({ code: 'c'.repeat(length), reason: '' }), 64],
    ['error REPLY', (length: number) => ({ code: 'c', message: 'm'.repeat(length) }), 1_048_576],
    ['error REPLY', (length: number) => ({ code: 'c', message: '', responderCode: 'r'.repeat(length) }), 256],
    ['ACKNOW', (length: number) => new Array(length).fill(host.bytes), 65_536],
    ['NOTE', (length: number) => ({ slots: new Array(length).fill(1) }), 65_536],
  ] as const)('%s has a limit, which is exact', (name, ofLength, limit) => {
    expect(() => read(name, ofLength(limit))).not.toThrow();
    expect(() => read(name, ofLength(limit + 1))).toThrow(FrameFault);
  });

  it('takes the names of groups as those of buses, in either case', () => {
    const slot = { do: 'open', id: 1, role: 'slot', pattern: 'a' };
    expect(read('SLOT request', { ...slot, group: 'Workers-2' })).toMatchObject({ group: 'Workers-2' });
    for (const group of ['', '-a', 'a.b', 'a'.repeat(33), 5]) {
      expect(() => read('SLOT request', { ...slot, group }), String(group)).toThrow(
        wrongField('SLOT request'),
      );
    }
  });
});

describe('controlFrame', () => {
  const kinds: [Name, number][] = [
    ['WELCOME', Kind.welcome],
    ['JOIN', Kind.join],
    ['OPEN', Kind.open],
    ['SLOT request', Kind.slot],
    ['SLOT answer', Kind.slot],
    ['SETTLED', Kind.settled],
    ['ACK', Kind.ack],
    ['ACKNOW', Kind.ack],
    ['NOTE', Kind.note],
    ['GAP', Kind.gap],
    ['CREDIT', Kind.credit],
    ['STANDBY', Kind.standby],
    ['PING', Kind.ping],
    ['GOAWAY', Kind.goaway],
    ['error REPLY', Kind.reply],
    ['count REPLY', Kind.reply],
  ];

  it.each(kinds)('%s is of kind %i', (name, kind) => {
    expect(controlFrame(name, host.bytes, 0 as never)[At.kind]).toBe(kind);
  });

  it('carries its sender, its data, and nothing else', () => {
    const frame = controlFrame('PING', host.bytes, 'ping');
    expect(frame.subarray(At.sender, At.sender + 8)).toEqual(host.bytes);
    expect(readFlags(frame, 0)).toBe(0);
    expect(readControl('PING', frame, 0, frame.length)).toBe('ping');
  });

  it('takes the fields that a reply needs', () => {
    const fields = { to: host.bytes, ref: 9, flags: Flag.all };
    const frame = controlFrame('count REPLY', host.bytes, 2, fields);
    expect(readFlags(frame, 0)).toBe(Flag.all | Flag.hasTo | Flag.hasRef);
    expect(readRef(frame, 0)).toBe(9);
    expect(readControl('count REPLY', frame, 0, frame.length)).toBe(2);
  });
});

describe('cancelFrame', () => {
  it('names the asker and its query', () => {
    const frame = cancelFrame(host, 77);
    expect(frame[At.kind]).toBe(Kind.cancel);
    expect(frame.subarray(At.sender, At.sender + 8)).toEqual(host.bytes);
    expect(readRef(frame, 0)).toBe(77);
    expect(frame.at(-1)).toBe(0xf6);
  });
});
