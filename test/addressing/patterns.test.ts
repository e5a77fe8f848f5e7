// Which pattern matches which subject: one table, held by the matcher, the index, slots and responders.
import { openBus } from 'mailslot';
import { beforeAll, describe, expect, it } from 'vitest';
import { matches, PatternTrie } from '../../src/wire/subject.js';
import { makeFolder } from '../support/scratch.js';

/** Pattern, what it matches, and what it does not. */
const table: [pattern: string, matched: string[], others: string[]][] = [
  ['mail', ['mail'], ['Mail', 'mai', 'mails', 'mail.new', 'new.mail']],
  ['mail.new', ['mail.new'], ['mail', 'mail.New', 'mail.newer', 'mail.new.urgent', 'new.mail']],
  ['*', ['mail', 'Mail', '0', '-', '_'], ['mail.new', 'a.b.c']],
  ['mail.*', ['mail.new', 'mail.New', 'mail.0'], ['mail', 'mail.new.urgent', 'mails.new', 'a.mail.new']],
  ['*.new', ['mail.new', 'mails.new', 'new.new'], ['new', 'mail.New', 'a.mail.new', 'mail.new.urgent']],
  ['*.*', ['mail.new', 'a.b', 'a.a'], ['mail', 'a.b.c']],
  ['a.*.c', ['a.b.c', 'a.a.c', 'a.-.c'], ['a.c', 'a.b', 'a.b.d', 'a.b.b.c', 'a.b.c.d', 'b.b.c']],
  ['*.b.*', ['a.b.c', 'b.b.b', 'b.b.c'], ['a.b', 'b.c', 'a.c.b', 'a.b.c.d']],
  ['a.*.*', ['a.b.c', 'a.c.b', 'a.a.c'], ['a', 'a.b', 'a.b.c.d', 'b.b.c']],
  ['*.*.*', ['a.b.c', 'b.b.b', 'mail.new.urgent'], ['a.b', 'a.b.c.d']],
  ['>', ['mail', 'mail.new', '0', 'a.b.c', 'a.b.c.d'], []],
  ['mail.>', ['mail.new', 'mail.0', 'mail.new.urgent'], ['mail', 'mails.new', 'a.mail.new']],
  ['a.b.>', ['a.b.c', 'a.b.d', 'a.b.c.d', 'a.b.b.c'], ['a', 'a.b', 'a.c.b', 'b.b.c']],
  ['*.>', ['mail.new', 'a.b.c', 'a.b.c.d'], ['mail', '-']],
  ['*.b.>', ['a.b.c', 'b.b.c', 'a.b.c.d'], ['a.b', 'a.c.b', 'b.c']],
  ['a.*.>', ['a.b.c', 'a.b.c.d', 'a.c.b'], ['a', 'a.b', 'b.b.c']],
  ['*.*.>', ['a.b.c', 'a.b.c.d'], ['a', 'a.b', 'mail.new']],
  ['A-Z_a-z.0-9', ['A-Z_a-z.0-9'], ['a-z_a-z.0-9', 'A-Z_a-z', 'A-Z_a-z.0-9.0']],
];

const cases = table.flatMap(([pattern, matched, others]) => [
  ...matched.map((subject) => ({ pattern, subject, is: 'matches' as const })),
  ...others.map((subject) => ({ pattern, subject, is: 'does not match' as const })),
]);
const patterns = table.map(([pattern]) => pattern);
const subjects = [...new Set(cases.map(({ subject }) => subject))];

/** What came over real links, as `pattern subject`. */
const published = new Set<string>();
const asked = new Set<string>();

// one bus for all cases: each of them is a look at what came
beforeAll(async () => {
  const { path: directory, remove } = makeFolder();
  const sender = await openBus('test', { directory, hostThread: 'inline' });
  const receiver = await openBus('test', { directory });
  const slots = await Promise.all(patterns.map((pattern) => receiver.subscribe(pattern)));
  for (const pattern of patterns) await receiver.respond(pattern, () => pattern);
  for (const subject of subjects) {
    await sender.publish(subject, 1, { confirm: true });
    for await (const { data } of sender.queryAll(subject)) asked.add(`${data} ${subject}`);
  }
  for (const slot of slots) {
    for (let next = await slot.read({ timeout: 0 }); next; next = await slot.read({ timeout: 0 })) {
      published.add(`${slot.pattern} ${next.subject}`);
    }
  }
  await receiver.close();
  await sender.close();
  remove();
});

describe('addressing: the table of patterns and subjects', () => {
  it('has at least 60 cases', () => {
    expect(new Set(cases.map(({ pattern, subject }) => `${pattern} ${subject}`)).size).toBe(cases.length);
    expect(cases.length).toBeGreaterThanOrEqual(60);
  });

  it.each(cases)('$pattern $is $subject', ({ pattern, subject, is }) => {
    const trie = new PatternTrie<string>();
    for (const one of patterns) trie.add(one, one);
    const name = `${pattern} ${subject}`;
    const found = {
      matcher: matches(pattern, subject),
      index: trie.match(subject).includes(pattern),
      slot: published.has(name),
      responder: asked.has(name),
    };
    const expected = is === 'matches';
    expect(found).toEqual({ matcher: expected, index: expected, slot: expected, responder: expected });
  });
});
