import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import { MailslotError } from '../../src/errors.js';
import { MAX_SUBJECT_BYTES } from '../../src/limits.js';
import {
  checkPattern,
  checkSubject,
  isPattern,
  isSubject,
  matches,
  PatternTrie,
} from '../../src/wire/subject.js';

const longest = 'x'.repeat(MAX_SUBJECT_BYTES);

const subjects = ['a', 'A', '0', '_', '-', 'a.b', 'a-b.c_d.E9', 'mail.new', longest, `${'a.'.repeat(127)}a`];
const notSubjects: unknown[] = [
  '',
  '.',
  'a.',
  '.a',
  'a..b',
  'a b',
  ' a',
  'a ',
  'a\n',
  'a.b\n',
  'a\0',
  'ä',
  'a.é',
  '*',
  'a.*',
  '>',
  'a.>',
  'a/b',
  'a:b',
  'a,b',
  '$a',
  'a.$b',
  'a$',
  '$',
  `${longest}x`,
  undefined,
  null,
  7,
  {},
  ['a'],
  Symbol('a'),
];
const patterns = ['*', '>', 'a.*', '*.a', '*.*', 'a.>', '*.>', 'a.*.b', 'a.*.>', 'mail.new'];
const notPatterns: unknown[] = [
  '',
  '.',
  'a.',
  '>.a',
  'a.>.b',
  '>>',
  '**',
  'a*',
  '*a',
  'a.b*',
  'a.>b',
  '*.',
  '.*',
  '$*',
  '$>',
  '$a.*',
  '*.$a',
  'a b',
  `${longest}x`,
  5,
  undefined,
];

/** pattern, subject, whether it matches */
const cases: [string, string, boolean][] = [
  ['a', 'a', true],
  ['a', 'b', false],
  ['a', 'A', false],
  ['a', 'aa', false],
  ['aa', 'a', false],
  ['a', 'a.b', false],
  ['a.b', 'a', false],
  ['a.b', 'a.b', true],
  ['a.b', 'a.c', false],
  ['a.b', 'b.a', false],
  ['a.b.c', 'a.b.c', true],
  ['a.b.c', 'a.b', false],
  ['a.b', 'a.b.c', false],
  ['a-b', 'a-b', true],
  ['a-b', 'a_b', false],
  ['*', 'a', true],
  ['*', 'anything', true],
  ['*', 'a.b', false],
  ['*.*', 'a.b', true],
  ['*.*', 'a', false],
  ['*.*', 'a.b.c', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a', false],
  ['a.*', 'b.b', false],
  ['a.*', 'a.b.c', false],
  ['*.a', 'b.a', true],
  ['*.a', 'a.b', false],
  ['*.a', 'a', false],
  ['a.*.c', 'a.b.c', true],
  ['a.*.c', 'a.c', false],
  ['a.*.c', 'a.b.b.c', false],
  ['a.*.c', 'a.b.d', false],
  ['*.b.*', 'a.b.c', true],
  ['*.b.*', 'b.b.b', true],
  ['*.b.*', 'a.c.c', false],
  ['*.*.*', 'a.b.c', true],
  ['*.*.*', 'a.b', false],
  ['>', 'a', true],
  ['>', 'a.b', true],
  ['>', 'a.b.c.d.e.f', true],
  ['a.>', 'a', false],
  ['a.>', 'a.b', true],
  ['a.>', 'a.b.c', true],
  ['a.>', 'b.a', false],
  ['a.>', 'aa.b', false],
  ['a.b.>', 'a.b', false],
  ['a.b.>', 'a.b.c', true],
  ['a.b.>', 'a.c.c', false],
  ['*.>', 'a', false],
  ['*.>', 'a.b', true],
  ['*.>', 'a.b.c', true],
  ['*.*.>', 'a.b', false],
  ['*.*.>', 'a.b.c.d', true],
  ['a.*.>', 'a.b', false],
  ['a.*.>', 'a.b.c', true],
  ['a.*.>', 'b.b.c', false],
  ['*.b.>', 'a.b.c', true],
  ['*.b.>', 'a.b', false],
  ['>', '$sys', false],
  ['>', '$sys.peers', false],
  ['*', '$sys', false],
  ['*.peers', '$sys.peers', false],
  ['*.>', '$sys.peers', false],
  ['*.*', '$sys.peers', false],
  ['$sys', '$sys', true],
  ['$sys.*', '$sys.peers', true],
  ['$sys.>', '$sys.peers.all', true],
  ['$sys.*', '$other.peers', false],
  ['$sys.peers', '$sys.slots', false],
];

describe('the grammar', () => {
  it.each(subjects)('accepts the subject %s', (text) => {
    expect([isSubject(text), isPattern(text)]).toEqual([true, true]);
  });

  it.each(notSubjects.map((text) => [text]))('refuses the subject %j', (text) => {
    expect(isSubject(text)).toBe(false);
    expect(() => checkSubject(text, 'publish')).toThrow(/^publish: the subject /);
  });

  it.each(patterns)('accepts the pattern %s', (text) => {
    expect(isPattern(text)).toBe(true);
    expect(() => checkPattern(text, 'subscribe')).not.toThrow();
  });

  it.each(notPatterns.map((text) => [text]))('refuses the pattern %j', (text) => {
    expect(isPattern(text)).toBe(false);
    expect(() => checkPattern(text, 'subscribe')).toThrow(/^subscribe: the pattern /);
  });

  it('lets only the bus itself use a first token with $', () => {
    expect(isSubject('$sys.peers', { system: true })).toBe(true);
    expect(isPattern('$sys.>', { system: true })).toBe(true);
    for (const text of ['$', '$.a', '$$a', 'a.$b', '$a.$b', '$*', '$>', '$*.a']) {
      expect([text, isSubject(text, { system: true }), isPattern(text, { system: true })]).toEqual([
        text,
        false,
        false,
      ]);
    }
    expect(isSubject(`$${'x'.repeat(MAX_SUBJECT_BYTES)}`, { system: true })).toBe(false);
  });

  it('says what was called, what was found and what is allowed', () => {
    const messageOf = (text: unknown): string => {
      try {
        checkSubject(text, 'publish');
      } catch (error) {
        expect(MailslotError.is(error, 'MAILSLOT_INVALID_SUBJECT')).toBe(true);
        return (error as Error).message;
      }
      return 'nothing was thrown';
    };
    expect(messageOf('a b')).toBe(
      'publish: the subject is "a b"; subjects are tokens of letters, digits, _ and - joined by dots',
    );
    expect(messageOf('')).toContain('is empty');
    expect(messageOf(7)).toContain('is of the type number');
    expect(messageOf(null)).toContain('is of the type null');
    expect(messageOf('x'.repeat(256))).toContain('has 256 characters of at most 255');
    expect(messageOf('$sys')).toContain('"$sys" begins with $');
    expect(messageOf(`é${'x'.repeat(200)}`).length).toBeLessThan(250);
  });
});

describe('a pattern and a subject', () => {
  it.each(cases)('%s / %s: %s', (pattern, subject, expected) => {
    expect(matches(pattern, subject)).toBe(expected);
    const trie = new PatternTrie<string>();
    trie.add(pattern, 'it');
    expect(trie.match(subject)).toEqual(expected ? ['it'] : []);
  });
});

describe('PatternTrie', () => {
  it('returns values in the order of adding, once per adding', () => {
    const trie = new PatternTrie<string>();
    trie.add('>', 'first');
    trie.add('a.b', 'second');
    trie.add('a.*', 'third');
    trie.add('a.>', 'second');
    trie.add('a.b', 'second');
    expect(trie.match('a.b')).toEqual(['first', 'second', 'third', 'second', 'second']);
    expect(trie.size).toBe(5);
  });

  it('removes one adding at a time and nothing else', () => {
    const trie = new PatternTrie<number>();
    trie.add('a.b', 1);
    trie.add('a.b', 1);
    trie.add('a', 1);
    expect(trie.remove('a.b', 2)).toBe(false);
    expect(trie.remove('a.b.c', 1)).toBe(false);
    expect(trie.remove('a.*', 1)).toBe(false);
    expect(trie.remove('a.b', 1)).toBe(true);
    expect(trie.match('a.b')).toEqual([1]);
    expect(trie.remove('a.b', 1)).toBe(true);
    expect(trie.remove('a.b', 1)).toBe(false);
    expect([trie.match('a.b'), trie.match('a'), trie.size]).toEqual([[], [1], 1]);
  });

  it('agrees with a plain comparison on random patterns, while they come and go', () => {
    const random = new SeededRandom(7);
    const tokens = ['a', 'b', 'c', '$s'];
    const name = (choices: string[]) =>
      Array.from({ length: 1 + random.below(4) }, () => random.pick(choices)).join('.');
    const trie = new PatternTrie<number>();
    let listed: { pattern: string; value: number }[] = [];
    for (let round = 0; round < 1_000; round += 1) {
      const isSystem = random.below(4) === 0;
      const pattern =
        (isSystem ? '$s.' : '') + name(['a', 'b', 'c', '*', '*']) + (random.below(3) === 0 ? '.>' : '');
      if (random.below(3) > 0 || listed.length === 0) {
        trie.add(pattern, round);
        listed.push({ pattern, value: round });
      } else {
        const gone = random.pick(listed);
        expect(trie.remove(gone.pattern, gone.value)).toBe(true);
        listed = listed.filter((one) => one !== gone);
      }
      const subject = name(tokens);
      const expected = listed.filter((one) => matchesByRegExp(one.pattern, subject)).map((one) => one.value);
      expect(trie.match(subject)).toEqual(expected);
      expect(listed.filter((one) => matches(one.pattern, subject)).map((one) => one.value)).toEqual(expected);
      expect(trie.size).toBe(listed.length);
    }
  });

  it('looks at no pattern that cannot match', () => {
    const looks = (patterns: number) => {
      const trie = new PatternTrie<object>();
      for (let i = 0; i < patterns; i += 1) trie.add(`device.n${i}.*`, {});
      trie.add('device.x.>', {});
      return countMapReads(() => expect(trie.match('device.x.temperature')).toHaveLength(1));
    };
    expect(looks(10_000)).toBe(looks(1));
  });
});

function matchesByRegExp(pattern: string, subject: string): boolean {
  const source = pattern
    .split('.')
    .map((token, i) =>
      token === '>' ? '.+' : token === '*' ? (i === 0 ? '[^.$][^.]*' : '[^.]+') : token.replace('$', '\\$'),
    )
    .join('\\.');
  return !(pattern.startsWith('>') && subject.startsWith('$')) && new RegExp(`^${source}$`).test(subject);
}

function countMapReads(run: () => void): number {
  const { get } = Map.prototype;
  let reads = 0;
  Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown) {
    reads += 1;
    return get.call(this, key);
  };
  try {
    run();
  } finally {
    Map.prototype.get = get;
  }
  return reads;
}
