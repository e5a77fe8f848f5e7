// The checker itself: a good history has no violation, and each bad one is found by the rule that it breaks.
import { describe, expect, it } from 'vitest';
import { type CheckOptions, checkHistory } from './checker.js';
import type { HistoryRecord, Untimed } from './history.js';

type Line = Untimed<HistoryRecord>;

const published = (sequence: number, more: object = {}): Line => ({
  op: 'published',
  process: 'a',
  sequence,
  subject: 's',
  ...more,
});
const opened = (more: object = {}): Line => ({
  op: 'opened',
  process: 'b',
  slot: 'b1',
  pattern: 's',
  overflow: 'wait',
  capacity: 10,
  ...more,
});
const read = (sequence: number, order: number, more: object = {}): Line => ({
  op: 'read',
  process: 'b',
  slot: 'b1',
  sender: 'a',
  sequence,
  order,
  epoch: 1,
  ...more,
});
const gap = (missed: number | undefined): Line => ({ op: 'gap', process: 'b', slot: 'b1', missed });
const excused: Line = { op: 'excused', process: 'b', reason: 'late' };
const confirmed = (sequence: number): Line => ({
  op: 'confirmed',
  process: 'a',
  sequence,
  receivers: 1,
  order: 1,
});
const held = (count: number): Line => ({ op: 'held', process: 'b', slot: 'b1', count });
const killed = (process: string): Line => ({ op: 'ended', process, how: 'killed' });
const asked: Line = { op: 'asked', process: 'a', query: 'q1', subject: 'q', timeout: 100 };
const handled: Line = { op: 'handled', process: 'b', query: 'q1' };
const answered = (outcome: string): Line => ({ op: 'answered', process: 'a', query: 'q1', outcome });
const responding: Line = { op: 'responding', process: 'b', subject: 'q' };
const hosting = (process: string, epoch: number): Line => ({ op: 'hosting', process, epoch });
const granted = (process: string, token: number, name = 'x'): Line => ({
  op: 'granted',
  process,
  name,
  token,
});
const ungranted = (process: string, token: number, how: 'released' | 'lost' = 'released'): Line => ({
  op: 'ungranted',
  process,
  name: 'x',
  token,
  how,
});

/** Ten ms pass between any two lines. */
function rulesBroken(lines: readonly Line[], options: CheckOptions = { atRest: true }): string[] {
  const records = lines.map((line, index) => ({ time: 10 * index, ...line }) as HistoryRecord);
  return checkHistory(records, options).map(({ rule }) => rule);
}

describe('a history that keeps every promise has no violation', () => {
  const good: Record<string, Line[]> = {
    'everything read': [opened(), published(1), published(2), read(1, 5), read(2, 6)],
    'other subjects are not due': [opened(), published(1, { subject: 't' }), published(2), read(2, 6)],
    'noEcho and to are not due': [
      opened({ process: 'a', slot: 'a1' }),
      published(1, { echo: false }),
      published(2, { to: 'c' }),
    ],
    'dropped and announced': [opened(), published(1), published(2), published(3), gap(2), read(3, 7)],
    'announced at the very end': [opened(), published(1), published(2), read(1, 5), gap(1)],
    'an early message may come or not': [published(1), published(2), opened(), read(2, 6)],
    'an unknown gap with a reason': [
      opened(),
      published(1),
      published(2),
      excused,
      gap(undefined),
      read(2, 6),
    ],
    'announced to a stalled peer, and sent again by the next host': [
      hosting('c', 1),
      opened(),
      { op: 'excused', process: 'b', reason: 'stalled' },
      published(1),
      gap(1),
      killed('c'),
      hosting('d', 2),
      read(1, 5, { epoch: 2 }),
    ],
    'a killed publisher takes along what was not confirmed': [opened(), published(1), killed('a')],
    'a rejected publish is not due': [
      opened(),
      published(1),
      { op: 'unpublished', process: 'a', sequence: 1, certain: true },
    ],
    'another order in another epoch': [
      opened(),
      opened({ slot: 'b2' }),
      published(1),
      read(1, 5),
      read(1, 9, { slot: 'b2', epoch: 2 }),
    ],
    'a receipt once it is held': [
      opened(),
      published(1, { confirm: true }),
      held(1),
      confirmed(1),
      read(1, 5),
    ],
    'a query with one outcome': [asked, handled, answered('reply')],
    'nobody there, where nobody responds': [asked, answered('MAILSLOT_NO_RESPONDER'), responding],
    'one host after the other': [
      hosting('a', 1),
      { op: 'hosted', process: 'a', epoch: 1 },
      hosting('b', 2),
      killed('b'),
      hosting('a', 3),
    ],
    'one owner after the other': [
      granted('a', 1),
      granted('b', 1, 'y'),
      ungranted('a', 1),
      granted('b', 5),
      killed('b'),
      granted('a', 6),
    ],
    'a name lost by who was away': [granted('b', 1), excused, ungranted('b', 1, 'lost'), granted('a', 2)],
    'a name taken from who read nothing, and learns of it later': [
      granted('b', 1),
      { op: 'excused', process: 'b', reason: 'stalled' },
      granted('a', 2),
      ungranted('b', 1, 'lost'),
    ],
  };
  it.each(Object.entries(good))('%s', (_, lines) => {
    expect(rulesBroken(lines)).toEqual([]);
  });
});

describe('M2: every kind of bad history is found', () => {
  const bad: [rule: string, what: string, lines: Line[]][] = [
    ['invented', 'read, but never sent', [opened(), read(1, 5)]],
    ['invented', 'read by a slot that it is not for', [opened(), published(1, { subject: 't' }), read(1, 5)]],
    [
      'invented',
      'read although publish() had rejected',
      [opened(), published(1), { op: 'unpublished', process: 'a', sequence: 1, certain: true }, read(1, 5)],
    ],
    ['fifo', 'twice', [opened(), published(1), read(1, 5), read(1, 6, { epoch: 2 })]],
    ['fifo', 'an earlier one later', [opened(), published(1), published(2), gap(1), read(2, 5), read(1, 6)]],
    ['order', 'orders that do not rise', [opened(), published(1), published(2), read(1, 6), read(2, 5)]],
    [
      'order',
      'two orders of one message in one epoch',
      [opened(), opened({ slot: 'b2' }), published(1), read(1, 5), read(1, 6, { slot: 'b2' })],
    ],
    [
      'order',
      'one order of two messages in one epoch',
      [
        opened(),
        opened({ slot: 'b2', pattern: 't' }),
        published(1),
        published(2, { subject: 't' }),
        read(1, 5),
        read(2, 5, { slot: 'b2' }),
      ],
    ],
    ['silent-loss', 'a hole without a marker', [opened(), published(1), published(2), read(2, 6)]],
    [
      'silent-loss',
      'a marker that is too small',
      [opened(), published(1), published(2), published(3), gap(1), read(3, 6)],
    ],
    ['silent-loss', 'the last message lost', [opened(), published(1), published(2), read(1, 5)]],
    ['silent-loss', 'a marker that comes late', [opened(), published(1), published(2), read(2, 6), gap(1)]],
    [
      'silent-loss',
      'confirmed by a publisher that was killed then',
      [opened(), published(1, { confirm: true }), held(1), confirmed(1), killed('a')],
    ],
    [
      'gap-too-large',
      'more announced than missing',
      [opened(), published(1), published(2), gap(2), read(2, 6)],
    ],
    [
      'gap-too-large',
      'announced to a stalled peer, and given by the same host',
      [
        hosting('c', 1),
        opened(),
        published(1),
        read(1, 5),
        { op: 'excused', process: 'b', reason: 'stalled' },
        published(2),
        gap(1),
        read(2, 6),
      ],
    ],
    [
      'gap-too-large',
      'announced to a stalled peer before it was published',
      [
        hosting('c', 1),
        opened(),
        { op: 'excused', process: 'b', reason: 'stalled' },
        gap(1),
        killed('c'),
        hosting('d', 2),
        published(1),
        read(1, 5, { epoch: 2 }),
      ],
    ],
    ['unexcused-gap', 'an unknown gap for no reason', [opened(), published(1), gap(undefined)]],
    ['unexcused-gap', 'a second one for one reason', [opened(), excused, gap(undefined), gap(undefined)]],
    [
      'early-receipt',
      'confirmed before it had come',
      [opened(), published(1, { confirm: true }), held(0), confirmed(1), read(1, 5)],
    ],
    [
      'early-receipt',
      'confirmed while it waited for room',
      [
        opened({ capacity: 1 }),
        published(1),
        published(2, { confirm: true }),
        held(2),
        confirmed(2),
        read(1, 5),
        read(2, 6),
      ],
    ],
    ['unsettled-confirm', 'a confirm that never settles', [published(1, { confirm: true })]],
    ['query-outcomes', 'a query that hangs', [asked]],
    ['query-outcomes', 'a second outcome', [asked, handled, answered('reply'), answered('MAILSLOT_TIMEOUT')]],
    ['query-repeated', 'a query handled twice', [asked, handled, handled, answered('reply')]],
    [
      'query-late',
      'an outcome long after the time-out',
      [asked, ...Array<Line>(20).fill(held(0)), answered('MAILSLOT_TIMEOUT')],
    ],
    ['invented', 'a reply that nobody gave', [asked, answered('reply')]],
    [
      'responder-denied',
      'nobody there, though somebody is',
      [responding, asked, answered('MAILSLOT_NO_RESPONDER')],
    ],
    ['two-hosts', 'two at once', [hosting('a', 1), hosting('b', 2)]],
    ['two-owners', 'granted while somebody has it', [granted('a', 1), granted('b', 2)]],
    ['two-owners', 'granted twice to one process', [granted('a', 1), granted('a', 2)]],
    ['two-owners', 'taken from who was late, but reads', [granted('b', 1), excused, granted('a', 2)]],
    [
      'two-owners',
      'granted before the owner has learned of its loss, whose token was old',
      [granted('a', 1), ungranted('a', 0), granted('b', 2)],
    ],
    ['token', 'a token given twice', [granted('a', 1), ungranted('a', 1), granted('b', 1)]],
    ['token', 'a token that falls', [granted('a', 2), killed('a'), granted('b', 1)]],
    ['claim-lost', 'lost by an owner that was there', [granted('a', 1), ungranted('a', 1, 'lost')]],
    ['claim-lost', 'lost for a reason of before', [excused, granted('b', 1), ungranted('b', 1, 'lost')]],
    ['two-hosts', 'an epoch given twice', [hosting('a', 1), killed('a'), hosting('b', 1)]],
  ];
  it.each(bad)('%s: %s', (rule, _, lines) => {
    expect(rulesBroken(lines, { atRest: true, deadlineSlack: 50 })).toEqual([rule]);
  });
});

describe('a run that is not at rest', () => {
  it('owes nothing yet', () => {
    const lines = [opened(), published(1, { confirm: true }), asked];
    expect(rulesBroken(lines, { atRest: false })).toEqual([]);
  });

  it('does not lack what comes later', () => {
    const lines = [opened(), published(1), published(2), read(2, 5)];
    expect(rulesBroken(lines, { atRest: false })).toEqual(['silent-loss']);
  });
});
