// What a contract may look like, and which entry holds for which subject.
import { defineContract, MailslotError, message, openBus, query, type StandardSchema } from 'mailslot';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EntryTable } from '../../src/peer/contract.js';
import { matches, patternsMeet } from '../../src/wire/subject.js';
import { runProgram } from '../support/program.js';
import { busFolder } from '../support/scratch.js';

const text = message(z.string());
const ask = query(z.string(), v.number());

function refusal(define: () => unknown): MailslotError {
  try {
    define();
  } catch (error) {
    if (error instanceof MailslotError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('defineContract', () => {
  it('takes subjects and patterns, with validators of different libraries', () => {
    const entries = { 'mail.new': text, 'mail.*': text, 'log.>': message(v.string()), 'mail.find': ask };
    const contract = defineContract(entries);
    expect(contract).toBe(entries);
    expect(Object.isFrozen(contract)).toBe(true);
  });

  it('takes validators that are functions', () => {
    const standard = { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } as const;
    const callable = Object.assign(() => true, { '~standard': standard });
    expect(() => defineContract({ a: message(callable) })).not.toThrow();
  });

  it.each(['', 'a..b', '>.a', 'a*', '$peers', 'a b'])('refuses the key "%s"', (key) => {
    const error = refusal(() => defineContract({ [key]: text }));
    expect(error.code).toBe('MAILSLOT_INVALID_SUBJECT');
    expect(error.message).toContain('defineContract: the pattern');
  });

  const noEntries = {
    'a validator alone': z.string(),
    'an object that is no validator': message({} as StandardSchema),
    'a validator of another version': message({
      '~standard': { version: 2, validate: () => ({ value: 1 }) },
    } as unknown as StandardSchema),
    'a query without an answer': { kind: 'query', question: z.string() },
    nothing: undefined,
  };
  it.each(Object.entries(noEntries))('refuses %s as an entry', (_what, entry) => {
    const error = refusal(() => defineContract({ 'mail.new': entry as typeof text }));
    expect(error.code).toBe('MAILSLOT_INVALID_OPTION');
    expect(error.message).toContain('"mail.new"');
  });

  it.each([
    ['a.*', '*.b'],
    ['a.>', 'a.*.c'],
    ['>', 'a.*'],
    ['a.>', '*.>'],
  ])('refuses %s beside %s, which match the same subjects', (one, other) => {
    const error = refusal(() => defineContract({ [one]: text, [other]: text }));
    expect(error.code).toBe('MAILSLOT_INVALID_OPTION');
    expect(error.message).toContain(`"${one}" and "${other}"`);
  });

  it('lets a message and a query share their subjects', () => {
    expect(() => defineContract({ 'a.*': text, '*.b': ask })).not.toThrow();
  });

  it('is held to the same rules in openBus', async () => {
    const directory = busFolder();
    const overlapping = { 'a.*': text, '*.b': text };
    const refused: [unknown, string][] = [
      [overlapping, 'MAILSLOT_INVALID_OPTION'],
      [{ a: z.string() }, 'MAILSLOT_INVALID_OPTION'],
      ['mail', 'MAILSLOT_INVALID_OPTION'],
      [{ 'a..b': text }, 'MAILSLOT_INVALID_SUBJECT'],
    ];
    for (const [contract, code] of refused) {
      const opening = openBus('test', { directory, contract: contract as never });
      await expect(opening, JSON.stringify(contract)).rejects.toMatchObject({ code });
    }
    await expect(
      openBus('test', { directory, contract: { a: text }, validate: 'never' as 'both' }),
    ).rejects.toThrow("'send' or 'receive' or 'both'");
    const withoutContract = { directory, validate: 'send' };
    await expect(openBus('test', withoutContract)).rejects.toMatchObject({ code: 'MAILSLOT_INVALID_OPTION' });
  });
});

it('a program with a contract that is none ends', async () => {
  const source = `await openBus('test', { directory, contract: { 'a..b': 1 } }).catch(({ code }) => console.log(code));`;
  const { code, stdout } = await runProgram(busFolder(), source);
  expect([code, stdout]).toEqual([0, 'MAILSLOT_INVALID_SUBJECT\n']);
});

describe('an entry', () => {
  const table = new EntryTable<string>();
  for (const key of ['a.b', 'a.*', 'c.d.>', '*.x.y', 'd']) table.add(key, key, 'test');

  it.each([
    ['a.b', 'a.b'],
    ['a.c', 'a.*'],
    ['a', undefined],
    ['c', undefined],
    ['c.d', undefined],
    ['c.d.e', 'c.d.>'],
    ['a.x.y', '*.x.y'],
    ['d', 'd'],
    ['d.e', undefined],
  ])('of %s is that of %s', (subject, key) => expect(table.find(subject)).toBe(key));
});

describe('two patterns', () => {
  it('meet exactly when there is a subject that both match', () => {
    const tokens = ['a', 'b'];
    const names = (of: string[]): string[] =>
      [1, 2, 3].flatMap((length) =>
        Array.from({ length }, () => of).reduce<string[]>(
          (some, more) =>
            some.length === 0 ? more : some.flatMap((name) => more.map((t) => `${name}.${t}`)),
          [],
        ),
      );
    const subjects = names(tokens);
    const patterns = names([...tokens, '*', '>']).filter((name) => !/>\./.test(name));
    let pairs = 0;
    for (const one of patterns) {
      for (const other of patterns) {
        const shared = subjects.some((subject) => matches(one, subject) && matches(other, subject));
        if (patternsMeet(one, other) !== shared) expect(`${one} and ${other}`).toBe(`shared: ${shared}`);
        pairs += 1;
      }
    }
    expect(pairs).toBeGreaterThan(2_000);
  });
});
