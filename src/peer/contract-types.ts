// What the compiler makes of a contract: which subjects and patterns there are, and what data goes with each. Types
// only; checked-bus.ts does the same at run time. A literal subject has its own entry, else that of the pattern that
// matches it; a pattern has those of all entries that it has a subject in common with.
import type {
  Bus,
  OpenOptions,
  PublishOptions,
  QueryAllOptions,
  QueryContext,
  QueryOptions,
  QueryStreamOptions,
  Receipt,
  Responder,
  RespondOptions,
  Slot,
  SubscribeOptions,
} from './api.js';
import type { Contract, MessageEntry, QueryEntry } from './contract.js';
import type { Validate } from './contract-checks.js';
import type { Gap } from './gap.js';
import type { Message } from './message.js';
import type { InputOf, OutputOf, StandardSchema } from './standard-schema.js';

/** Options of `openBus` for a bus with a contract. */
export interface ContractOptions<Entries extends Contract = Contract, Mode extends Validate = Validate>
  extends OpenOptions {
  /** What may be published and asked, made by `defineContract`. */
  contract: Entries;
  /** Who validates data: this peer as the sender, as the receiver, or as both. @default 'both' */
  validate?: Mode;
}

/** A Bus that knows its subjects and their data. */
export interface ContractBus<Entries extends Contract, Mode extends Validate = 'both'>
  extends Omit<
    Bus,
    'ref' | 'unref' | 'publish' | 'subscribe' | 'query' | 'queryAll' | 'queryStream' | 'respond'
  > {
  ref(): this;
  unref(): this;
  /**
   * Resolves when every receiver has taken the message.
   * @throws MAILSLOT_INVALID_OPTION, with `ContractIssue[]` as `data`, when the data breaks the contract
   */
  publish<Subject extends string>(
    subject: KnownSubject<Entries, 'message', Subject>,
    data: DataOf<Entries, Subject>,
    options: PublishOptions & { confirm: true },
  ): Promise<Receipt>;
  /**
   * Resolves when the message is in the window: at once while there is room.
   * @throws MAILSLOT_INVALID_OPTION, with `ContractIssue[]` as `data`, when the data breaks the contract
   */
  publish<Subject extends string>(
    subject: KnownSubject<Entries, 'message', Subject>,
    ...rest: DataAndOptions<DataOf<Entries, Subject>, PublishOptions & { confirm?: false }>
  ): Promise<void>;
  subscribe<Pattern extends string>(
    pattern: KnownPattern<Entries, 'message', Pattern>,
    options: SubscribeOptions & { gaps: true },
  ): Promise<Slot<ReceivedData<Entries, Mode, Pattern>, ReceivedMessage<Entries, Mode, Pattern> | Gap>>;
  /** Resolves when the host is delivering to the slot. A message that breaks the contract leaves a gap of 1. */
  subscribe<Pattern extends string>(
    pattern: KnownPattern<Entries, 'message', Pattern>,
    options?: SubscribeOptions,
  ): Promise<Slot<ReceivedData<Entries, Mode, Pattern>, ReceivedMessage<Entries, Mode, Pattern>>>;
  subscribe<Pattern extends string>(
    pattern: KnownPattern<Entries, 'message', Pattern>,
    handler: (message: ReceivedMessage<Entries, Mode, Pattern>) => unknown,
    options?: SubscribeOptions & { gaps?: false },
  ): Promise<Slot<ReceivedData<Entries, Mode, Pattern>, ReceivedMessage<Entries, Mode, Pattern>>>;
  subscribe<Pattern extends string>(
    pattern: KnownPattern<Entries, 'message', Pattern>,
    handler: (item: ReceivedMessage<Entries, Mode, Pattern> | Gap) => unknown,
    options: SubscribeOptions,
  ): Promise<Slot<ReceivedData<Entries, Mode, Pattern>, ReceivedMessage<Entries, Mode, Pattern> | Gap>>;
  /**
   * Asks one responder; resolves to its reply.
   * @throws MAILSLOT_INVALID_OPTION when the question breaks the contract, MAILSLOT_RESPONDER_FAILED when the answer
   *   does; both with `ContractIssue[]` as `data`
   */
  query<Subject extends string>(
    subject: KnownSubject<Entries, 'query', Subject>,
    ...rest: DataAndOptions<QuestionOf<Entries, Subject>, QueryOptions>
  ): Promise<Message<AnswerOf<Entries, Mode, Subject>>>;
  /** Asks all responders; an answer that breaks the contract shows as `error` of its message. */
  queryAll<Subject extends string>(
    subject: KnownSubject<Entries, 'query', Subject>,
    ...rest: DataAndOptions<QuestionOf<Entries, Subject>, QueryAllOptions>
  ): AsyncIterableIterator<Message<AnswerOf<Entries, Mode, Subject>>>;
  /** Asks one responder for a stream of replies; one that breaks the contract ends it with an error. */
  queryStream<Subject extends string>(
    subject: KnownSubject<Entries, 'query', Subject>,
    ...rest: DataAndOptions<QuestionOf<Entries, Subject>, QueryStreamOptions>
  ): AsyncIterableIterator<Message<AnswerOf<Entries, Mode, Subject>>>;
  /** A question that breaks the contract is answered with an error, and the handler does not see it. */
  respond<Pattern extends string>(
    pattern: KnownPattern<Entries, 'query', Pattern>,
    handler: (
      message: ReceivedQuestion<Entries, Mode, Pattern>,
      context: QueryContext,
    ) => Awaitable<AnswerFor<Entries, Pattern> | AsyncIterable<AnswerFor<Entries, Pattern>>>,
    options?: RespondOptions,
  ): Promise<Responder>;
}

type Awaitable<T> = T | PromiseLike<T>;
type Kind = 'message' | 'query';

/** Data may be left out only where it may be undefined. */
type DataAndOptions<Data, Options> = undefined extends Data
  ? [data?: Data, options?: Options]
  : [data: Data, options?: Options];

// — names —

/** The subject itself, or in its place a text that the compiler shows. */
type KnownSubject<Entries, Of extends Kind, Subject extends string> = [KeyOf<Entries, Of, Subject>] extends [
  never,
]
  ? `the contract has no ${Of} of this subject`
  : Subject;

/** The pattern itself, or in its place a text that the compiler shows. */
type KnownPattern<Entries, Of extends Kind, Pattern extends string> = [
  KeysMet<Entries, Of, Pattern>,
] extends [never]
  ? `the contract has no ${Of} that this pattern matches`
  : Pattern;

type KeysOf<Entries, Of extends Kind> = {
  [Key in keyof Entries]: Entries[Key] extends { readonly kind: Of } ? Key : never;
}[keyof Entries] &
  string;

/** The key of a subject's entry. */
type KeyOf<Entries, Of extends Kind, Subject extends string> =
  IsPattern<Subject> extends true
    ? never
    : Subject extends KeysOf<Entries, Of>
      ? Subject
      : KeyThatCovers<KeysOf<Entries, Of>, Subject>;

type KeyThatCovers<Key extends string, Subject extends string> = Key extends unknown
  ? Covers<Tokens<Key>, Tokens<Subject>> extends true
    ? Key
    : never
  : never;

/** The keys that have a subject in common with a pattern; of a subject it is the one that holds for it. */
type KeysMet<Entries, Of extends Kind, Pattern extends string> =
  IsPattern<Pattern> extends true ? KeyThatMeets<KeysOf<Entries, Of>, Pattern> : KeyOf<Entries, Of, Pattern>;

type KeyThatMeets<Key extends string, Pattern extends string> = Key extends unknown
  ? Meets<Tokens<Key>, Tokens<Pattern>> extends true
    ? Key
    : never
  : never;

type Tokens<Name extends string> = Name extends `${infer Head}.${infer Rest}`
  ? [Head, ...Tokens<Rest>]
  : [Name];

type IsPattern<Name extends string> = '*' extends Tokens<Name>[number]
  ? IsComputed<Name>
  : '>' extends Tokens<Name>[number]
    ? IsComputed<Name>
    : false;

/** A token that is any text contains `*` and `>` for the compiler, and is no pattern all the same. */
type IsComputed<Name extends string> = string extends Tokens<Name>[number] ? false : true;

type Covers<Key extends string[], Subject extends string[]> = Key extends [
  infer K extends string,
  ...infer Keys extends string[],
]
  ? Subject extends [infer S extends string, ...infer Subjects extends string[]]
    ? K extends '>'
      ? true
      : K extends '*'
        ? Covers<Keys, Subjects>
        : S extends K
          ? Covers<Keys, Subjects>
          : false
    : false
  : Subject extends []
    ? true
    : false;

type Meets<One extends string[], Other extends string[]> = One extends [
  infer A extends string,
  ...infer As extends string[],
]
  ? Other extends [infer B extends string, ...infer Bs extends string[]]
    ? '>' extends A | B
      ? true
      : TokensMeet<A, B> extends true
        ? Meets<As, Bs>
        : false
    : false
  : Other extends []
    ? true
    : false;

type TokensMeet<A extends string, B extends string> = '*' extends A | B
  ? true
  : A extends B
    ? true
    : B extends A
      ? true
      : false;

// — data —

type DataSchema<Entry> = Entry extends MessageEntry<infer Data> ? Data : never;
type QuestionSchema<Entry> = Entry extends QueryEntry<infer Question, StandardSchema> ? Question : never;
type AnswerSchema<Entry> = Entry extends QueryEntry<StandardSchema, infer Answer> ? Answer : never;

/** What a receiver sees: without validation at its side that is what was sent. */
type Received<Schema, Mode extends Validate> = Schema extends StandardSchema
  ? Mode extends 'send'
    ? InputOf<Schema>
    : OutputOf<Schema>
  : never;

type EntryOf<Entries, Of extends Kind, Subject extends string> = Entries[KeyOf<Entries, Of, Subject> &
  keyof Entries];

type DataOf<Entries, Subject extends string> = InputOf<DataSchema<EntryOf<Entries, 'message', Subject>>>;
type QuestionOf<Entries, Subject extends string> = InputOf<
  QuestionSchema<EntryOf<Entries, 'query', Subject>>
>;
type AnswerOf<Entries, Mode extends Validate, Subject extends string> = Received<
  AnswerSchema<EntryOf<Entries, 'query', Subject>>,
  Mode
>;
type AnswerFor<Entries, Pattern extends string> = InputOf<
  AnswerSchema<Entries[KeysMet<Entries, 'query', Pattern> & keyof Entries]>
>;

type ReceivedData<Entries, Mode extends Validate, Pattern extends string> = Received<
  DataSchema<Entries[KeysMet<Entries, 'message', Pattern> & keyof Entries]>,
  Mode
>;

/** One type per entry that is met, told apart by `subject`. */
type ReceivedMessage<
  Entries,
  Mode extends Validate,
  Pattern extends string,
  Key = KeysMet<Entries, 'message', Pattern>,
> = Key extends keyof Entries & string
  ? Named<Received<DataSchema<Entries[Key]>, Mode>, Pattern, Key>
  : never;

type ReceivedQuestion<
  Entries,
  Mode extends Validate,
  Pattern extends string,
  Key = KeysMet<Entries, 'query', Pattern>,
> = Key extends keyof Entries & string
  ? Named<Received<QuestionSchema<Entries[Key]>, Mode>, Pattern, Key>
  : never;

type Named<Data, Pattern extends string, Key extends string> = Message<Data> & {
  readonly subject: IsPattern<Pattern> extends true ? SubjectOf<Key> : Pattern;
};

/** The subjects that a key matches. */
type SubjectOf<Key extends string> = Key extends `${infer Head}.${infer Rest}`
  ? `${Head extends '*' ? string : Head}.${SubjectOf<Rest>}`
  : Key extends '*' | '>'
    ? string
    : Key;
