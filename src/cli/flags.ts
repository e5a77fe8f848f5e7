// Parsers of option values, and the text blocks of --help. Wrong values end with exit code 2 through commander.
import { InvalidArgumentError } from 'commander';

/** A whole number above zero. */
export function parseCount(text: string): number {
  return parseWhole(text, 1, 'a whole number of at least 1');
}

/** A time in whole milliseconds. */
export function parseMilliseconds(text: string): number {
  return parseWhole(text, 0, 'a whole number of milliseconds');
}

/** Collects repeated `name=value`. */
export function parseHeader(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected name=value.');
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

/** The examples that follow the options in a command's help. */
export function examples(...lines: string[]): string {
  return ['', 'Examples:', ...lines.map((line) => `  $ mailslot ${line}`)].join('\n');
}

function parseWhole(text: string, least: number, expected: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`Expected ${expected}.`);
  return value;
}
