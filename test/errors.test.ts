// docs/ERRORS.md says of the errors what the source does: one heading per code, whether it is retryable, and a
// test for every row of its table. And every code is one that something can meet.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MailslotError } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { errorCatalogue, isErrorCode } from '../src/errors.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8');
const document = read('docs/ERRORS.md');
const codes = Object.keys(errorCatalogue);

/** Codes that nothing in this version gives yet, and what for; they are kept free for that. */
const RESERVED: Record<string, string> = {};

/** The text below a heading, up to the next one. */
function section(heading: string): string {
  return document.split(`\n### ${heading}\n`)[1]?.split(/\n##/)[0] ?? '';
}

function tableRows(): string[][] {
  const table = document
    .split('## Limits and bad input')[1]!
    .split('\n')
    .filter((line) => line.startsWith('|'));
  return table.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/ERRORS.md', () => {
  it('has one heading per code, in the order of the catalogue', () => {
    const headings = [...document.matchAll(/^### (.+)$/gm)].map((match) => match[1]);
    expect(headings).toEqual(codes);
  });

  it.each(codes)('says of %s whether it is retryable, where it comes from and what to do', (code) => {
    const text = section(code);
    const { retryable } = errorCatalogue[code as keyof typeof errorCatalogue];
    expect(text).toMatch(
      new RegExp(`^\nRetryable: ${retryable ? 'yes' : 'no'}\\. (?:From|In) .+\\.\n\n.{40,}`, 's'),
    );
  });

  it('mentions no code that is not in the catalogue', () => {
    const mentioned = new Set([...document.matchAll(/MAILSLOT_[A-Z_]+/g)].map(([code]) => code));
    mentioned.delete('MAILSLOT_DIR');
    expect([...mentioned].filter((code) => !isErrorCode(code))).toEqual([]);
  });

  it.each(tableRows())('has a test for: %s (%s)', (_case, side, outcome, test) => {
    expect(['caller', 'host', 'receiver']).toContain(side);
    expect(outcome).not.toBe('');
    const [file, title] = test!.split(' › ');
    // one title begins with it, of a test or of a case in a table of them; or else one has it
    const lines = read(`test/${file}.test.ts`).split('\n');
    const begun = lines.filter((line) => ["'", '`'].some((quote) => line.includes(quote + title)));
    expect(begun.length > 0 ? begun : lines.filter((line) => line.includes(title!))).toHaveLength(1);
  });
});

describe('every code', () => {
  const elsewhere = ['errors.ts', 'cli/exit-codes.ts'];
  const sources = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts') && !elsewhere.includes(file))
    .map((file) => read(`src/${file}`));

  it.each(codes)('%s is given by something, or reserved', (code) => {
    const given = sources.some((text) => text.includes(`'${code}'`));
    expect(given, `${code} is in the source`).toBe(!(code in RESERVED));
  });
});

describe('MailslotError', () => {
  it('takes from the catalogue whether it is retryable, unless told otherwise', () => {
    for (const code of codes as (keyof typeof errorCatalogue)[]) {
      expect(new MailslotError(code, 'x').retryable).toBe(errorCatalogue[code].retryable);
      expect(new MailslotError(code, 'x', { retryable: true }).retryable).toBe(true);
    }
  });

  it('is recognised by code, across copies, and nothing else is', () => {
    const error = new MailslotError('MAILSLOT_CLOSED', 'x', { cause: 'why' });
    const copy = Object.assign(new Error('x'), {
      [Symbol.for('mailslot.error')]: true,
      code: 'MAILSLOT_CLOSED',
    });
    for (const one of [error, copy]) {
      expect(MailslotError.is(one)).toBe(true);
      expect(MailslotError.is(one, 'MAILSLOT_CLOSED')).toBe(true);
      expect(MailslotError.is(one, 'MAILSLOT_TIMEOUT')).toBe(false);
    }
    for (const other of [new Error('x'), { code: 'MAILSLOT_CLOSED' }, 'MAILSLOT_CLOSED', null, undefined]) {
      expect(MailslotError.is(other)).toBe(false);
    }
    expect([error.name, error.cause, error.data, error.responderCode]).toEqual([
      'MailslotError',
      'why',
      undefined,
      undefined,
    ]);
    expect(error).toBeInstanceOf(Error);
  });
});
