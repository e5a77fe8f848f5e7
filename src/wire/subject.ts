// Subjects and patterns: their grammar, which pattern matches which subject, and an index of many patterns.
// What lies behind a pattern is the caller's.
//
//   subject   tokens of A–Z a–z 0–9 _ - joined by dots, at most MAX_SUBJECT_BYTES
//   pattern   a subject in which * stands for one token and a last > for one or more
//
// A first token may begin with $ where the bus talks to itself. Users can name none of these, and neither * nor >
// in the first place reaches them.
import { MailslotError } from '../errors.js';
import { MAX_SUBJECT_BYTES } from '../limits.js';

/** Which names are meant. */
export interface SubjectOptions {
  /** Whether a first token may begin with `$`. @default false */
  system?: boolean;
}

const TOKEN = '[A-Za-z0-9_-]+';
const SUBJECT = new RegExp(`^${TOKEN}(?:\\.${TOKEN})*$`);
const PATTERN = new RegExp(`^(?:(?:${TOKEN}|\\*)\\.)*(?:${TOKEN}|\\*|>)$`);
/** Of a wrong subject an error shows so much. */
const SHOWN_CHARACTERS = 80;

export function isSubject(text: unknown, options: SubjectOptions = {}): text is string {
  return isName(text, SUBJECT, options);
}

export function isPattern(text: unknown, options: SubjectOptions = {}): text is string {
  return isName(text, PATTERN, options);
}

function isName(text: unknown, grammar: RegExp, { system = false }: SubjectOptions): text is string {
  if (typeof text !== 'string' || text.length > MAX_SUBJECT_BYTES) return false;
  return grammar.test(system && text.startsWith('$') ? text.slice(1) : text) && !/^\$[*>]/.test(text);
}

/**
 * @param call what the program called, for the message
 * @throws MailslotError `MAILSLOT_INVALID_SUBJECT`
 */
export function checkSubject(
  text: unknown,
  call: string,
  options: SubjectOptions = {},
): asserts text is string {
  if (isSubject(text, options)) return;
  throw invalid(
    text,
    `${call}: the subject`,
    'subjects are tokens of letters, digits, _ and - joined by dots',
  );
}

/**
 * @param call what the program called, for the message
 * @throws MailslotError `MAILSLOT_INVALID_SUBJECT`
 */
export function checkPattern(
  text: unknown,
  call: string,
  options: SubjectOptions = {},
): asserts text is string {
  if (isPattern(text, options)) return;
  const allowed =
    'patterns are tokens of letters, digits, _ and -, or * for any one, joined by dots, with a last >';
  throw invalid(text, `${call}: the pattern`, `${allowed} for one or more`);
}

function invalid(text: unknown, what: string, allowed: string): MailslotError {
  return new MailslotError('MAILSLOT_INVALID_SUBJECT', `${what} ${describe(text)}; ${allowed}`);
}

function describe(text: unknown): string {
  if (typeof text !== 'string') return `is of the type ${text === null ? 'null' : typeof text}`;
  if (text === '') return 'is empty';
  if (text.length > MAX_SUBJECT_BYTES) return `has ${text.length} characters of at most ${MAX_SUBJECT_BYTES}`;
  if (text.startsWith('$')) return `${quote(text)} begins with $, which is kept for the bus itself`;
  return `is ${quote(text)}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);
}

/** Whether a pattern matches a subject; both must be valid. */
export function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  if (subject.startsWith('$') && wanted[0] !== tokens[0]) return false;
  if (wanted[wanted.length - 1] !== '>') {
    return (
      wanted.length === tokens.length && wanted.every((token, i) => token === '*' || token === tokens[i])
    );
  }
  const fixed = wanted.slice(0, -1);
  return tokens.length > fixed.length && fixed.every((token, i) => token === '*' || token === tokens[i]);
}

/** Whether some subject is matched by both patterns, which must be valid. */
export function patternsMeet(one: string, other: string): boolean {
  const [a, b] = [one.split('.'), other.split('.')];
  for (let i = 0; i < a.length && i < b.length; i += 1) {
    if (a[i] === '>' || b[i] === '>') return true;
    if (a[i] !== b[i] && a[i] !== '*' && b[i] !== '*') return false;
  }
  return a.length === b.length;
}

interface Entry<T> {
  readonly value: T;
  readonly serial: number;
}

/** One place in the index: what ends here, and where each next token leads. */
class Branch<T> {
  readonly next = new Map<string, Branch<T>>();
  readonly entries: Entry<T>[] = [];

  get isBare(): boolean {
    return this.next.size === 0 && this.entries.length === 0;
  }
}

/**
 * Values by pattern. Finding those of a subject costs by the branches its tokens can take, whatever else is here.
 * A value may be added more than once; each adding counts.
 */
export class PatternTrie<T> {
  readonly #root = new Branch<T>();
  #size = 0;
  #serial = 0;

  /** How many values are here. */
  get size(): number {
    return this.#size;
  }

  /** Adds a value under a pattern, which must be valid. */
  add(pattern: string, value: T): void {
    let branch = this.#root;
    for (const token of pattern.split('.')) {
      let next = branch.next.get(token);
      if (next === undefined) {
        next = new Branch<T>();
        branch.next.set(token, next);
      }
      branch = next;
    }
    branch.entries.push({ value, serial: this.#serial++ });
    this.#size += 1;
  }

  /** Takes the value out that was added first under this pattern; returns whether there was one. */
  remove(pattern: string, value: T): boolean {
    const removed = removeFrom(this.#root, pattern.split('.'), 0, value);
    if (removed) this.#size -= 1;
    return removed;
  }

  /** The values of all patterns that match, in the order of adding; a value is there once per adding. */
  match(subject: string): T[] {
    const found: Entry<T>[] = [];
    collect(this.#root, subject.split('.'), 0, found);
    found.sort((a, b) => a.serial - b.serial);
    return found.map((entry) => entry.value);
  }
}

function removeFrom<T>(branch: Branch<T>, tokens: readonly string[], depth: number, value: T): boolean {
  const token = tokens[depth];
  if (token === undefined) {
    const index = branch.entries.findIndex((entry) => entry.value === value);
    if (index >= 0) branch.entries.splice(index, 1);
    return index >= 0;
  }
  const next = branch.next.get(token);
  if (next === undefined) return false;
  const removed = removeFrom(next, tokens, depth + 1, value);
  if (next.isBare) branch.next.delete(token);
  return removed;
}

function collect<T>(branch: Branch<T>, tokens: readonly string[], depth: number, found: Entry<T>[]): void {
  const token = tokens[depth];
  if (token === undefined) {
    append(found, branch);
    return;
  }
  const literal = branch.next.get(token);
  if (literal !== undefined) collect(literal, tokens, depth + 1, found);
  if (depth === 0 && token.startsWith('$')) return;
  const any = branch.next.get('*');
  if (any !== undefined) collect(any, tokens, depth + 1, found);
  const rest = branch.next.get('>');
  if (rest !== undefined) append(found, rest);
}

function append<T>(found: Entry<T>[], branch: Branch<T>): void {
  for (const entry of branch.entries) found.push(entry);
}
