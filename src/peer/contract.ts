// A contract: which subjects there are, and what their data looks like. Defining one checks its form; what a Bus
// does with it is in checked-bus.ts, and what the compiler makes of it in contract-types.ts.
//
// Keys are subjects or patterns. A subject of its own goes before a pattern; two patterns of one kind that have a
// subject in common are refused, so that the order of keys never matters.
import { MailslotError } from '../errors.js';
import { checkPattern, isSubject, matches, patternsMeet } from '../wire/subject.js';
import { describe } from './options.js';
import { isStandardSchema, type StandardSchema } from './standard-schema.js';

/** Data that is published. */
export interface MessageEntry<Data extends StandardSchema = StandardSchema> {
  readonly kind: 'message';
  /** What validates the data. */
  readonly data: Data;
}

/** A question and its answer. */
export interface QueryEntry<
  Question extends StandardSchema = StandardSchema,
  Answer extends StandardSchema = StandardSchema,
> {
  readonly kind: 'query';
  /** What validates the asker's data. */
  readonly question: Question;
  /** What validates the responder's data; of a stream, each of its values. */
  readonly answer: Answer;
}

/** What may be published and asked, by subject or pattern. */
export type Contract = Readonly<Record<string, MessageEntry | QueryEntry>>;

/** Entry of a contract: messages with such data are published on this subject. */
export function message<Data extends StandardSchema>(data: Data): MessageEntry<Data> {
  return { kind: 'message', data };
}

/** Entry of a contract: queries with such a question, and such an answer, are asked on this subject. */
export function query<Question extends StandardSchema, Answer extends StandardSchema>(
  question: Question,
  answer: Answer,
): QueryEntry<Question, Answer> {
  return { kind: 'query', question, answer };
}

/**
 * Says which messages and queries there are on a bus.
 * @param entries by subject or pattern; a subject goes before a pattern that matches it
 * @throws MAILSLOT_INVALID_SUBJECT for a key that is no pattern; MAILSLOT_INVALID_OPTION for an entry that is made
 *   neither by `message` nor by `query`, and for two patterns that match one subject
 */
export function defineContract<const Entries extends Contract>(entries: Entries): Entries {
  tablesOf(entries, 'defineContract');
  return Object.freeze(entries);
}

/** A contract, looked up by subject. */
export interface ContractTables {
  readonly messages: EntryTable<MessageEntry>;
  readonly queries: EntryTable<QueryEntry>;
}

/** @throws as {@link defineContract} */
export function tablesOf(contract: unknown, call: string): ContractTables {
  if (typeof contract !== 'object' || contract === null) throw noContract(call, contract);
  const messages = new EntryTable<MessageEntry>();
  const queries = new EntryTable<QueryEntry>();
  for (const [key, entry] of Object.entries(contract)) {
    checkPattern(key, call);
    if (isMessage(entry)) messages.add(key, entry, call);
    else if (isQuery(entry)) queries.add(key, entry, call);
    else throw noEntry(call, key);
  }
  return { messages, queries };
}

/** The entries of one kind. */
export class EntryTable<Entry> {
  readonly #subjects = new Map<string, Entry>();
  readonly #patterns = new Map<string, Entry>();

  add(key: string, entry: Entry, call: string): void {
    if (isSubject(key)) {
      this.#subjects.set(key, entry);
      return;
    }
    for (const other of this.#patterns.keys()) if (patternsMeet(key, other)) throw overlap(call, other, key);
    this.#patterns.set(key, entry);
  }

  find(subject: string): Entry | undefined {
    const entry = this.#subjects.get(subject);
    if (entry !== undefined) return entry;
    for (const [pattern, candidate] of this.#patterns) if (matches(pattern, subject)) return candidate;
    return undefined;
  }

  /** Whether some subject that this pattern matches has an entry. */
  isReachedBy(pattern: string): boolean {
    const keys = [...this.#subjects.keys(), ...this.#patterns.keys()];
    return keys.some((key) => patternsMeet(key, pattern));
  }
}

function isMessage(entry: unknown): entry is MessageEntry {
  const { kind, data } = Object(entry) as Partial<MessageEntry>;
  return kind === 'message' && isStandardSchema(data);
}

function isQuery(entry: unknown): entry is QueryEntry {
  const { kind, question, answer } = Object(entry) as Partial<QueryEntry>;
  return kind === 'query' && isStandardSchema(question) && isStandardSchema(answer);
}

function noContract(call: string, found: unknown): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: the contract is ${describe(found)}; it takes an object of messages and queries by subject`,
  );
}

function noEntry(call: string, key: string): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: the entry "${key}" is neither a message nor a query; make it with message(schema) or query(schema, schema), with schemas that follow Standard Schema 1`,
  );
}

function overlap(call: string, one: string, other: string): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: the patterns "${one}" and "${other}" match the same subjects; name the subjects, or narrow one of the patterns`,
  );
}
