// Checks what callers pass: each option once, with an error that names the call, the option and what it takes.
import { MailslotError } from '../errors.js';

/** A whole number of ms or bytes within bounds. @throws MAILSLOT_INVALID_OPTION */
export function checkNumber(
  value: unknown,
  { call, option, min, max }: { call: string; option: string; min: number; max: number },
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(call, option, value, `a whole number from ${min} to ${max}`);
}

/** One of some words. @throws MAILSLOT_INVALID_OPTION */
export function checkWord<Word extends string>(
  value: unknown,
  { call, option, words }: { call: string; option: string; words: readonly Word[] },
): Word {
  if (words.includes(value as Word)) return value as Word;
  throw invalid(call, option, value, words.map((word) => `'${word}'`).join(' or '));
}

/** A function. @throws MAILSLOT_INVALID_OPTION */
export function checkHandler(value: unknown, call: string): void {
  if (typeof value !== 'function') throw invalid(call, 'handler', value, 'a function');
}

/** An AbortSignal or nothing. @throws MAILSLOT_INVALID_OPTION */
export function checkSignal(value: unknown, call: string): void {
  if (value === undefined || value instanceof AbortSignal) return;
  throw invalid(call, 'signal', value, 'an AbortSignal');
}

/** The options object itself. @throws MAILSLOT_INVALID_OPTION */
export function checkOptions(value: unknown, call: string): void {
  if (typeof value === 'object' && value !== null) return;
  throw invalid(call, 'options', value, 'an object');
}

function invalid(call: string, option: string, value: unknown, takes: string): MailslotError {
  const found =
    typeof value === 'string' ? JSON.stringify(value) : typeof value === 'number' ? value : typeof value;
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: \`${option}\` is ${found}; it takes ${takes}`,
  );
}
