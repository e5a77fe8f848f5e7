// M2: what the parts of torture that count something say of accounts with one fault in them.
import { describe, expect, it } from 'vitest';
import {
  faultsOfPresence,
  faultsOfQueries,
  faultsOfSlots,
  type PresenceAccount,
  type QueryAccount,
  type SlotReading,
  type SlotsAccount,
} from '../../scripts/torture/judges.js';

describe('queries', () => {
  const sound: QueryAccount = {
    settled: 100,
    hanging: 0,
    repeated: 0,
    outcomes: new Map([
      ['answered', 90],
      ['MAILSLOT_TIMEOUT', 8],
      ['MAILSLOT_RESPONDER_LOST', 2],
    ]),
    late: new Map([
      ['1', 7],
      ['300', 1],
    ]),
  };
  const ended = (what: string): Partial<QueryAccount> => ({
    outcomes: new Map([['answered', 99]]).set(what, 1),
  });

  it('keep what is promised', () => {
    expect(faultsOfQueries(sound)).toEqual([]);
  });

  it.each<[string, Partial<QueryAccount>]>([
    ['without an outcome', { settled: 101 }],
    ['with two outcomes', { settled: 99 }],
    ['that hang', { hanging: 1 }],
    ['handled twice', { repeated: 1 }],
    ['answered wrongly', ended('a wrong answer')],
    ['of which it is said that nobody answers', ended('MAILSLOT_NO_RESPONDER')],
    ['that ended with something else', ended('TypeError: x is not a function')],
    ['most of which end late', { late: new Map([['10', 3]]).set('100', 5) }],
    ['none of which reaches its deadline', { late: new Map() }],
  ])('%s', (_, fault) => {
    expect(faultsOfQueries({ ...sound, ...fault })).toHaveLength(1);
  });
});

describe('slots', () => {
  const reading = { overflow: 'drop-oldest', delivered: 60, announced: 40, missed: 40, disordered: 0 };
  const waiting = { overflow: 'wait', delivered: 100, announced: 0, missed: 0, disordered: 0 };
  const sound: SlotsAccount = {
    published: 100,
    readings: [reading, waiting],
    joins: 1,
    standstill: 1_200,
    stallTimeout: 1_000,
  };
  const wrong = (fault: Partial<SlotReading>): Partial<SlotsAccount> => ({
    readings: [{ ...reading, ...fault }, waiting],
  });

  it('keep what is promised', () => {
    expect(faultsOfSlots(sound)).toEqual([]);
  });

  it.each<[string, Partial<SlotsAccount>]>([
    ['that lose a message without a word', wrong({ delivered: 59 })],
    ['that deliver one twice', wrong({ delivered: 61 })],
    ['that count otherwise than they announce', wrong({ missed: 41 })],
    ['that change the order', wrong({ disordered: 1 })],
    ['that drop although they wait', { readings: [{ ...waiting, delivered: 99, announced: 1, missed: 1 }] }],
    ['that give nothing to those who join', { joins: 0 }],
    ['that hold the publisher up', { standstill: 4_000 }],
  ])('%s', (_, fault) => {
    expect(faultsOfSlots({ ...sound, ...fault })).toHaveLength(1);
  });
});

describe('news of who is gone', () => {
  const sound: PresenceAccount = { crashes: [3, 4, 500], suspensions: [1.9] };

  it('comes in time', () => {
    expect(faultsOfPresence(sound)).toEqual([]);
    expect(faultsOfPresence({ crashes: [3], suspensions: [] })).toEqual([]);
  });

  it.each<[string, Partial<PresenceAccount>]>([
    ['of a kill comes late', { crashes: [3, 200, 300] }],
    ['of a kill comes before it', { crashes: [3, 4, -20] }],
    ['of a suspension comes late', { suspensions: [4] }],
  ])('%s', (_, fault) => {
    expect(faultsOfPresence({ ...sound, ...fault })).toHaveLength(1);
  });
});
