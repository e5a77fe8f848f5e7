// Holds what goes out and what comes in against a contract, and says what is wrong with it. What is sent goes out as
// it is: only a receiver sees what a schema makes of it, since otherwise a schema that converts would do so twice.
import { MailslotError } from '../errors.js';
import { checkPattern, checkSubject } from '../wire/subject.js';
import { type ContractTables, type EntryTable, tablesOf } from './contract.js';
import { RefusedQuestion } from './error-reply.js';
import type { IncomingMessage } from './message.js';
import {
  type ContractIssue,
  isPromise,
  issuesText,
  judge,
  type StandardSchema,
  type Verdict,
} from './standard-schema.js';

/** Who validates: the sender, the receiver, or both of them. */
export type Validate = 'send' | 'receive' | 'both';

type AskingCall = 'query' | 'queryAll' | 'queryStream';
/** `openBus` sends a will. */
type Call = 'publish' | 'openBus' | AskingCall;

export class ContractChecks {
  readonly validatesSent: boolean;
  readonly validatesReceived: boolean;
  readonly #tables: ContractTables;

  /** @throws MAILSLOT_INVALID_SUBJECT, MAILSLOT_INVALID_OPTION */
  constructor(contract: unknown, validate: Validate) {
    this.#tables = tablesOf(contract, 'openBus');
    this.validatesSent = validate !== 'receive';
    this.validatesReceived = validate !== 'send';
  }

  // — the sender's side: a promise comes back only where a validator is asynchronous —

  /** @throws MAILSLOT_INVALID_SUBJECT, MAILSLOT_INVALID_OPTION, also by rejecting */
  checkSent(call: Call, subject: string, data: unknown): Promise<void> | undefined {
    checkSubject(subject, call);
    const schema = this.#schemaFor(call, subject);
    if (schema === undefined) throw unknownSubject(call, subject);
    if (!this.validatesSent) return undefined;
    const verdict = judge(schema, data);
    const check = (found: Verdict): void => {
      if ('issues' in found) throw refused(call, subject, found.issues);
    };
    return isPromise(verdict) ? verdict.then(check) : void check(verdict);
  }

  /** @throws MAILSLOT_INVALID_OPTION when the handler's own answer breaks the contract */
  async checkAnswer(subject: string, answer: unknown): Promise<void> {
    const entry = this.#tables.queries.find(subject);
    if (!this.validatesSent || entry === undefined) return;
    const verdict = await judge(entry.answer, answer);
    if ('issues' in verdict) throw refusedAnswer(subject, verdict.issues);
  }

  // — the receiver's side —

  /** Whether anything that the contract knows can come to a slot or responder of this pattern. */
  checkPattern(call: 'subscribe' | 'respond', pattern: string): void {
    checkPattern(pattern, call);
    const table: EntryTable<unknown> = call === 'subscribe' ? this.#tables.messages : this.#tables.queries;
    if (!table.isReachedBy(pattern)) throw unknownPattern(call, pattern);
  }

  /** The data of a published message; issues where there is no such message at all, too. */
  judgeMessage({ subject, data }: IncomingMessage): Verdict | Promise<Verdict> {
    const entry = this.#tables.messages.find(subject);
    return entry === undefined ? NO_SUCH_MESSAGE : judge(entry.data, data);
  }

  /** Puts what the contract makes of a question in its place. @throws RefusedQuestion */
  async takeQuestion(message: IncomingMessage): Promise<void> {
    const { subject } = message;
    const entry = this.#tables.queries.find(subject);
    if (entry === undefined) throw unknownQuestion(subject);
    if (!this.validatesReceived) return;
    const verdict = await judge(entry.question, message.data);
    if ('issues' in verdict) throw refusedQuestion(subject, verdict.issues);
    message.replaceData(verdict.value);
  }

  /** The same for an answer; the error that stands in its place, where there is one. */
  async takeAnswer(call: AskingCall, message: IncomingMessage): Promise<MailslotError | undefined> {
    const { subject } = message;
    const entry = this.#tables.queries.find(subject);
    if (!this.validatesReceived || entry === undefined) return undefined;
    const verdict = await judge(entry.answer, message.data);
    if ('issues' in verdict) return badAnswer(call, message, verdict.issues);
    message.replaceData(verdict.value);
    return undefined;
  }

  #schemaFor(call: Call, subject: string): StandardSchema | undefined {
    const { messages, queries } = this.#tables;
    return isMessage(call) ? messages.find(subject)?.data : queries.find(subject)?.question;
  }
}

const NO_SUCH_MESSAGE: Verdict = {
  issues: [{ path: [], message: 'the contract has no message of this subject' }],
};

function isMessage(call: Call): boolean {
  return call === 'publish' || call === 'openBus';
}

function unknownSubject(call: Call, subject: string): MailslotError {
  const what = isMessage(call) ? 'message' : 'query';
  return new MailslotError(
    'MAILSLOT_INVALID_SUBJECT',
    `${call}: the contract of this bus has no ${what} "${subject}"; define it there, or correct the subject`,
  );
}

function unknownPattern(call: 'subscribe' | 'respond', pattern: string): MailslotError {
  const what = call === 'subscribe' ? 'message' : 'query';
  return new MailslotError(
    'MAILSLOT_INVALID_SUBJECT',
    `${call}: the contract of this bus has no ${what} that "${pattern}" matches; define it there, or correct the pattern`,
  );
}

function unknownQuestion(subject: string): MailslotError {
  return new RefusedQuestion(
    'MAILSLOT_INVALID_SUBJECT',
    `query: the responder's contract has no query "${subject}"; use the same contract on both sides`,
  );
}

function refused(call: Call, subject: string, issues: ContractIssue[]): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `${call}: "${subject}" breaks the contract at ${issuesText(issues)}; nothing was sent: correct the data, or the contract`,
    { data: issues },
  );
}

function refusedQuestion(subject: string, issues: ContractIssue[]): MailslotError {
  return new RefusedQuestion(
    'MAILSLOT_INVALID_OPTION',
    `query: the question "${subject}" breaks the responder's contract at ${issuesText(issues)}; correct the data, or use the same contract on both sides`,
    { data: issues },
  );
}

function refusedAnswer(subject: string, issues: ContractIssue[]): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `respond: the answer to "${subject}" breaks the contract at ${issuesText(issues)}; correct the handler, or the contract`,
    { data: issues },
  );
}

function badAnswer(
  call: AskingCall,
  { subject, sender }: IncomingMessage,
  issues: ContractIssue[],
): MailslotError {
  return new MailslotError(
    'MAILSLOT_RESPONDER_FAILED',
    `${call}: the answer of ${sender} to "${subject}" breaks the contract at ${issuesText(issues)}; correct its handler, or use the same contract on both sides`,
    { data: issues },
  );
}
