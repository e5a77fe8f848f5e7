// The ledger of readers that see too many messages to write them down: it finds what the checker finds. Both are given the
// same readings, random ones among them, of one slot and two senders that go on to the end.
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import type { Account, Member } from '../../scripts/torture/crew.js';
import { Ledger } from '../../scripts/torture/ledger.mjs';
import { judgeSlot, unreadInTime } from '../../scripts/torture/verdict.js';
import { checkHistory, type Rule } from './checker.js';
import type { HistoryRecord } from './history.js';

const SENT = 20;
const SENDERS = ['a', 'b'];

type Reading = { sender: string; sequence: number } | { missed: number | undefined };

/** What the checker says of a slot that was open before anything was published, and was read empty. */
function rulesBroken(readings: readonly Reading[]): Set<Rule> {
  const records: HistoryRecord[] = [];
  const note = (record: object): void => {
    records.push({ time: records.length, ...record } as HistoryRecord);
  };
  note({ op: 'opened', process: 'r', slot: 's', pattern: '>', overflow: 'drop-oldest', capacity: 10 });
  for (const process of SENDERS)
    for (let sequence = 1; sequence <= SENT; sequence += 1)
      note({ op: 'published', process, sequence, subject: 'n' });
  for (const [order, reading] of readings.entries()) {
    if ('missed' in reading) {
      if (reading.missed === undefined) note({ op: 'excused', process: 'r', reason: 'late' });
      note({ op: 'gap', process: 'r', slot: 's', missed: reading.missed });
    } else note({ op: 'read', process: 'r', slot: 's', order, ...reading });
  }
  return new Set(checkHistory(records, { atRest: true }).map(({ rule }) => rule));
}

/** The same of ledger and verdict. */
function rulesBrokenInLedger(readings: readonly Reading[]): Set<Rule> {
  const ledger = new Ledger();
  for (const [order, reading] of readings.entries()) {
    if ('missed' in reading) ledger.gap(reading.missed);
    else ledger.read(reading.sender, reading.sequence, order + 1);
  }
  const { lost, excess } = verdictOf(ledger.account());
  const rules = new Set<Rule>();
  if (lost > 0 || ledger.faults.some((fault: string) => fault.startsWith('silent'))) rules.add('silent-loss');
  if (excess > 0) rules.add('gap-too-large');
  if (ledger.doubled + ledger.late > 0) rules.add('fifo');
  return rules;
}

function verdictOf(account: Account) {
  const reader = member({ readyAt: 0, unread: [], task: { slot: { pattern: '*', options: {} } } });
  const senders = SENDERS.map((id) =>
    member({ id, startedAt: 1, total: SENT, task: { publish: { subject: 'n' } } }),
  );
  return judgeSlot([reader, ...senders], reader, account);
}

const member = (facts: object): Member => facts as Member;

/**
 * Mostly sound: now and then something is left out, said twice, or announced. Not the first message of a sender: whether
 * that was due the ledger cannot know while it reads.
 */
function randomReadings(random: SeededRandom): Reading[] {
  const next = new Map(SENDERS.map((sender) => [sender, 1]));
  const readings: Reading[] = [];
  const open = (): string[] => SENDERS.filter((sender) => next.get(sender)! <= SENT);
  while (open().length > 0) {
    const sender = random.pick(open());
    const sequence = next.get(sender)!;
    const what = sequence === 1 ? 40 : random.below(40);
    if (what === 0) readings.push({ sender, sequence: sequence - 1 });
    if (what === 1) readings.push({ missed: 1 });
    if (what === 2) readings.push({ missed: undefined });
    if (what === 3 || what === 4) readings.push({ missed: 1 });
    if (what !== 2 && what !== 3 && what !== 5) readings.push({ sender, sequence });
    next.set(sender, sequence + 1);
  }
  return readings;
}

/** A copy in which `count` readings from `at` on are replaced. */
function spliced(readings: readonly Reading[], at: number, count: number, ...others: Reading[]): Reading[] {
  return [...readings.slice(0, at), ...others, ...readings.slice(at + count)];
}

it('messages whose file was gone are excused where their reader was late, and nowhere else', () => {
  const unread = [{ missed: 8, reason: 'no file', at: 1_000_000 }];
  const of = (gapsAt: number[]) =>
    unreadInTime(
      member({ task: { label: 'r' }, unread, gaps: gapsAt.map((at) => ({ at, epoch: 1, lag: 0 })) }),
    );
  expect(of([1_000_500])).toEqual([]);
  expect(of([900_000])).toEqual([expect.stringContaining('lost 8 messages and was not late: no file')]);
  expect(of([])).toHaveLength(1);
});

describe('the ledger of a reader in torture', () => {
  const whole = SENDERS.flatMap((sender) =>
    Array.from({ length: SENT }, (_, index) => ({ sender, sequence: index + 1 })),
  );

  it('finds nothing where nothing is wrong', () => {
    expect(rulesBrokenInLedger(whole)).toEqual(new Set());
  });

  it.each<[string, Rule, Reading[]]>([
    ['a message that is missing', 'silent-loss', spliced(whole, 5, 1)],
    ['a first message that is missing', 'silent-loss', spliced(whole, 0, 1)],
    ['a last message that is missing', 'silent-loss', whole.slice(0, -1)],
    ['a message that comes twice', 'fifo', spliced(whole, 5, 0, whole[4]!)],
    ['a message that comes too late', 'fifo', [...spliced(whole, 5, 1), { missed: 1 }, whole[5]!]],
    ['a gap in which nothing is missing', 'gap-too-large', [...whole, { missed: 1 }]],
  ])('finds %s', (_, rule, readings) => {
    expect(rulesBrokenInLedger(readings)).toContain(rule);
  });

  it('finds what the checker finds, in hundreds of random readings', () => {
    const found = new Map<Rule, number>();
    for (let seed = 1; seed <= 300; seed += 1) {
      const readings = randomReadings(new SeededRandom(seed));
      const rules = rulesBroken(readings);
      expect(rulesBrokenInLedger(readings), `seed ${seed}: ${JSON.stringify(readings)}`).toEqual(rules);
      for (const rule of rules) found.set(rule, (found.get(rule) ?? 0) + 1);
    }
    expect([...found.keys()].sort()).toEqual(['fifo', 'gap-too-large', 'silent-loss']);
  });
});
