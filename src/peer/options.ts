// Checks what callers pass: each option once, with an error that names the call, the option and what it takes.
import { MailslotError } from '../errors.js';
import { BUS_NAME } from '../limits.js';

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

/** A boolean. @throws MAILSLOT_INVALID_OPTION */
export function checkFlag(value: unknown, { call, option }: { call: string; option: string }): void {
  if (typeof value !== 'boolean') throw invalid(call, option, value, 'true or false');
}

/** A text that can be sent and is not too long. @throws MAILSLOT_INVALID_OPTION */
export function checkText(
  value: unknown,
  { call, option, maxBytes }: { call: string; option: string; maxBytes: number },
): void {
  if (typeof value === 'string' && isWellFormed(value) && Buffer.byteLength(value) <= maxBytes) return;
  throw invalid(call, option, value, `a well-formed text of at most ${maxBytes} bytes`);
}

/** The name of a group: like that of a bus, capitals allowed. @throws MAILSLOT_INVALID_OPTION */
export function checkGroup(value: unknown, call: string): void {
  if (typeof value === 'string' && BUS_NAME.test(value.toLowerCase())) return;
  throw invalid(
    call,
    'group',
    value,
    '1 to 32 letters, digits and -, of which the first is a letter or digit',
  );
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

/**
 * The options object itself; what this version does not know is refused, not ignored.
 * @param within the option whose value that object is, if it is not the argument
 * @throws MAILSLOT_INVALID_OPTION
 */
export function checkOptions(value: unknown, call: string, known: readonly string[], within?: string): void {
  if (typeof value !== 'object' || value === null)
    throw invalid(call, within ?? 'options', value, 'an object');
  const given = Object.entries(value).filter(([, option]) => option !== undefined);
  const unknown = given.find(([name]) => !known.includes(name))?.[0];
  if (unknown === undefined) return;
  const show = (name: string): string => `\`${within === undefined ? name : `${within}.${name}`}\``;
  throw new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: there is no option ${show(unknown)}; it takes ${known.map(show).join(', ')}`,
  );
}

function invalid(call: string, option: string, value: unknown, takes: string): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: \`${option}\` is ${describe(value)}; it takes ${takes}`,
  );
}

/** Of a long text an error shows so much. */
const SHOWN_CHARACTERS = 80;

/** A wrong argument as an error shows it. */
export function describe(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value);
  }
  return typeof value === 'number' || value === null ? String(value) : typeof value;
}

/** Whether no half of a surrogate pair stands alone: `String.prototype.isWellFormed` is not in ES2022. */
export function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}
