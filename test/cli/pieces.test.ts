// The pure pieces of the command: lines, tables, exit codes, option values.
import { describe, expect, test } from 'vitest';
import { decodeData, encodePlain, withoutFinalNewline } from '../../src/cli/data-format.js';
import { afterAsking, afterJoining, CommandEnd, exitCodeOf } from '../../src/cli/exit-codes.js';
import { parseCount, parseHeader, parseMilliseconds } from '../../src/cli/flags.js';
import { readAll, splitLines } from '../../src/cli/lines.js';
import { formatTable } from '../../src/cli/table.js';
import { errorCatalogue, MailslotError, type MailslotErrorCode } from '../../src/errors.js';
import { MAX_FRAME_BYTES } from '../../src/limits.js';

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function linesOf(text: string, size: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of splitLines(inPieces(Buffer.from(text), size))) lines.push(line.toString());
  return lines;
}

describe('lines', () => {
  test.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['\n\na\n', ['', '', 'a']],
    ['ä\nöü', ['ä', 'öü']],
    ['a\rb\n', ['a\rb']],
  ])('%j in pieces of every size', async (text, lines) => {
    for (let size = 1; size <= text.length + 2; size += 1) expect(await linesOf(text, size)).toEqual(lines);
  });

  test('a line that no message can carry is refused before it is complete', async () => {
    let taken = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (const chunk = new Uint8Array(16 * 1_048_576); ; taken += chunk.length) yield chunk;
    }
    await expect(splitLines(endless()).next()).rejects.toMatchObject({ code: 'MAILSLOT_MESSAGE_TOO_LARGE' });
    await expect(readAll(endless())).rejects.toMatchObject({ code: 'MAILSLOT_MESSAGE_TOO_LARGE' });
    expect(taken).toBeLessThanOrEqual(2 * MAX_FRAME_BYTES);
  });
});

describe('data', () => {
  const hints = { notText: 'try bytes', notJson: 'try text' };

  test('is read as the format says', () => {
    expect(decodeData(Buffer.from('{"a":1}'), 'json', 'x', hints)).toEqual({ a: 1 });
    expect(decodeData(Buffer.from('{"a":1}'), 'text', 'x', hints)).toBe('{"a":1}');
    expect(decodeData(Buffer.from([255]), 'raw', 'x', hints)).toEqual(Uint8Array.of(255));
  });

  test('that does not fit its format is wrong usage, with the way out', () => {
    const decode = (bytes: Buffer, format: 'json' | 'text') => () =>
      decodeData(bytes, format, 'stdin', hints);
    expect(decode(Buffer.from('{a'), 'json')).toThrow(/stdin is not JSON.*; try text$/);
    expect(decode(Buffer.from([255]), 'text')).toThrow(/stdin is not UTF-8 text; try bytes$/);
    expect(decode(Buffer.from([255]), 'json')).toThrow(/stdin is not UTF-8 text; try bytes$/);
  });

  test('is given to a program plainly', () => {
    expect([encodePlain('a'), encodePlain(undefined), encodePlain([1n])]).toEqual([
      'a',
      '',
      '[{"$bigint":"1"}]',
    ]);
  });

  test.each([
    ['a\n', 'a'],
    ['a\r\n', 'a'],
    ['a\n\n', 'a\n'],
    ['a', 'a'],
    ['', ''],
  ])('without its final newline: %j', (text, expected) => {
    expect(withoutFinalNewline(Buffer.from(text)).toString()).toBe(expected);
  });
});

describe('exit codes', () => {
  const codes: Record<MailslotErrorCode, number> = {
    MAILSLOT_CLOSED: 6,
    MAILSLOT_UNREACHABLE: 3,
    MAILSLOT_TIMEOUT: 4,
    MAILSLOT_NO_RESPONDER: 3,
    MAILSLOT_RESPONDER_LOST: 6,
    MAILSLOT_RESPONDER_FAILED: 1,
    MAILSLOT_NO_SUCH_PEER: 3,
    MAILSLOT_INVALID_NAME: 2,
    MAILSLOT_INVALID_SUBJECT: 2,
    MAILSLOT_INVALID_OPTION: 2,
    MAILSLOT_NOT_ENCODABLE: 2,
    MAILSLOT_MESSAGE_TOO_LARGE: 5,
    MAILSLOT_OUTBOX_FULL: 5,
    MAILSLOT_QUOTA_EXCEEDED: 5,
    MAILSLOT_NOT_PERMITTED: 5,
    MAILSLOT_UNSAFE_DIRECTORY: 5,
    MAILSLOT_PATH_TOO_LONG: 5,
    MAILSLOT_BAD_KEY: 5,
    MAILSLOT_PROTOCOL_VIOLATION: 6,
    MAILSLOT_VERSION_MISMATCH: 5,
  };

  test.each(Object.keys(errorCatalogue) as MailslotErrorCode[])('%s', (code) => {
    expect(exitCodeOf(new MailslotError(code, 'x'))).toBe(codes[code]);
  });

  test('a host that was there and is lost is 6, not 3', () => {
    expect(exitCodeOf(afterJoining(new MailslotError('MAILSLOT_UNREACHABLE', 'x')))).toBe(6);
    expect(exitCodeOf(afterJoining(new MailslotError('MAILSLOT_NO_RESPONDER', 'x')))).toBe(3);
  });

  test('what a wrong question would end with is 1 of an answer, and nothing else is', () => {
    const changed = Object.keys(codes).filter((code) => {
      const error = new MailslotError(code as MailslotErrorCode, 'x');
      return exitCodeOf(afterAsking(error)) !== exitCodeOf(error);
    });
    expect(changed).toEqual([
      'MAILSLOT_INVALID_NAME',
      'MAILSLOT_INVALID_SUBJECT',
      'MAILSLOT_INVALID_OPTION',
      'MAILSLOT_NOT_ENCODABLE',
      'MAILSLOT_MESSAGE_TOO_LARGE',
    ]);
    expect(afterAsking(new MailslotError('MAILSLOT_NOT_ENCODABLE', 'x'))).toMatchObject({ exitCode: 1 });
  });

  test('what nobody foresaw is 1', () => {
    expect(exitCodeOf(new TypeError('x'))).toBe(1);
    expect(exitCodeOf(new CommandEnd(4))).toBe(4);
  });
});

describe('tables', () => {
  test('align columns, numbers to the right, and print no control characters', () => {
    const rows = [
      ['a\u001b[31m', 5, true, undefined],
      ['bcd', 1_234, false, 'x'],
    ];
    expect(formatTable(['NAME', 'N', 'HOSTS', 'REST'], rows)).toEqual([
      'NAME       N  HOSTS  REST',
      'a?[31m     5  yes    -',
      'bcd     1234  no     x',
    ]);
  });

  test('without rows are a header', () => {
    expect(formatTable(['A', 'B'], [])).toEqual(['A  B']);
  });
});

describe('option values', () => {
  test('numbers are whole and in range', () => {
    expect([parseCount('7'), parseMilliseconds('0')]).toEqual([7, 0]);
    for (const wrong of ['', '0', '-1', '1.5', '1e3', 'x', '9'.repeat(30)]) {
      expect(() => parseCount(wrong)).toThrow(/Expected/);
    }
  });

  test('headers are collected, split at the first =', () => {
    expect(parseHeader('b=c=d', parseHeader('a='))).toEqual({ a: '', b: 'c=d' });
    expect(() => parseHeader('=x')).toThrow(/name=value/);
  });
});
