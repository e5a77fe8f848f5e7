import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import { SubjectCache } from '../../src/wire/subject-cache.js';

/** A cache that answers with the subject itself and notes what it had to resolve. */
function echoCache(options: { capacity?: number; seed?: number } = {}) {
  const resolved: string[] = [];
  const cache = new SubjectCache((subject) => {
    resolved.push(subject);
    return { subject };
  }, options);
  const ask = (subject: string, offset = 3) => {
    const bytes = Buffer.alloc(subject.length + offset + 5, 0xee);
    bytes.write(subject, offset, 'latin1');
    return cache.lookup(bytes, offset, subject.length);
  };
  return { cache, resolved, ask };
}

describe('SubjectCache', () => {
  it('resolves a subject once, wherever its bytes lie', () => {
    const { ask, resolved } = echoCache();
    const first = ask('mail.new');
    expect(first).toEqual({ subject: 'mail.new' });
    expect(ask('mail.new', 0)).toBe(first);
    ask('other');
    expect(ask('mail.new', 8)).toBe(first);
    expect(resolved).toEqual(['mail.new', 'other']);
  });

  it('tells subjects apart by every byte and by length', () => {
    const { ask } = echoCache();
    for (let length = 0; length <= 255; length += 1)
      expect(ask('x'.repeat(length)).subject).toHaveLength(length);
    const base = 'abcdefghijklmnopqrstu';
    for (let at = 0; at < base.length; at += 1) {
      const changed = `${base.slice(0, at)}Z${base.slice(at + 1)}`;
      expect(ask(base).subject).toBe(base);
      expect(ask(changed).subject).toBe(changed);
    }
    expect(ask('a\0').subject).toBe('a\0');
    expect(ask('a').subject).toBe('a');
  });

  it('keeps no hold on the bytes it was asked with', () => {
    const { cache } = echoCache();
    const bytes = Buffer.from('mail.new');
    cache.lookup(bytes, 0, 8);
    bytes.write('mail.old');
    expect(cache.lookup(bytes, 0, 8).subject).toBe('mail.old');
    expect(cache.lookup(Buffer.from('mail.new'), 0, 8).subject).toBe('mail.new');
  });

  it('forgets everything on clear', () => {
    const { cache, ask, resolved } = echoCache();
    const before = ask('a');
    cache.clear();
    expect(ask('a')).not.toBe(before);
    expect(resolved).toEqual(['a', 'a']);
  });

  it('remembers at most its capacity, and forgets what was not asked for lately', () => {
    const { ask, resolved } = echoCache({ capacity: 100 });
    for (let i = 0; i < 1_000; i += 1) {
      ask(`s.${i}`);
      ask('hot');
    }
    expect(resolved.filter((subject) => subject === 'hot')).toHaveLength(1);
    resolved.length = 0;
    for (let i = 999; i >= 0; i -= 1) ask(`s.${i}`);
    expect(1_000 - resolved.length).toBeLessThanOrEqual(100);
    expect(1_000 - resolved.length).toBeGreaterThanOrEqual(40);
  });

  it('holds its whole half capacity without forgetting', () => {
    const { ask, resolved } = echoCache({ seed: 99 });
    for (let round = 0; round < 2; round += 1) for (let i = 0; i < 8_000; i += 1) ask(`device.${i}.state`);
    expect(resolved).toHaveLength(8_000);
  });

  it('tells subjects with the same hash apart', () => {
    // among so many random ones some share all 32 bits: 200,000² / 2 / 2³² ≈ 5 pairs
    const random = new SeededRandom(11);
    const { ask } = echoCache({ capacity: 500_000 });
    let wrong = 0;
    for (let i = 0; i < 200_000; i += 1) {
      const subject = `${random.below(2 ** 32)}.${random.below(2 ** 32)}`;
      if (ask(subject).subject !== subject) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  it('answers right for a random mix of many subjects and sizes', () => {
    const random = new SeededRandom(3);
    const { ask } = echoCache({ capacity: 64, seed: 5 });
    for (let i = 0; i < 15_000; i += 1) {
      const subject = `${'ab.'.repeat(random.below(5))}${random.below(300).toString(36)}`;
      expect(ask(subject, random.below(9)).subject).toBe(subject);
    }
  });

  it('stays right when resolving asks for other subjects, and when it throws', () => {
    let fails = true;
    const cache: SubjectCache<string> = new SubjectCache((subject) => {
      if (subject === 'bad' && fails) throw new Error('not now');
      return subject === 'outer' ? cache.lookup(Buffer.from('inner'), 0, 5) : subject;
    });
    expect(cache.lookup(Buffer.from('outer'), 0, 5)).toBe('inner');
    expect(cache.lookup(Buffer.from('outer'), 0, 5)).toBe('inner');
    expect(cache.lookup(Buffer.from('inner'), 0, 5)).toBe('inner');
    expect(() => cache.lookup(Buffer.from('bad'), 0, 3)).toThrow('not now');
    fails = false;
    expect(cache.lookup(Buffer.from('bad'), 0, 3)).toBe('bad');
  });
});
