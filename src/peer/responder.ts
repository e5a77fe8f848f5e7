// The answering side of queries: runs handlers, a limited number at a time, and sees to it that each query gets its
// last reply, be it an error. It neither encodes (replies.ts) nor streams (streamed-answer.ts).

import { MailslotError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import type { Deadlines } from '../util/deadlines.js';
import { type Inspect, inspected, show } from '../util/inspection.js';
import { type ErrorReply, readControl } from '../wire/control.js';
import { At, checkRef, Flag, FrameFault, readFlags, readRef, readU16 } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import { PatternTrie } from '../wire/subject.js';
import { SubjectCache } from '../wire/subject-cache.js';
import type { QueryHandler, Responder } from './api.js';
import { HandlerLine } from './handler-line.js';
import { messageOf } from './incoming.js';
import type { IncomingMessage } from './message.js';
import { QueryTask, taskKey } from './query-task.js';
import { Replies } from './replies.js';
import { answerFirst, isAsyncIterable, StreamedAnswer } from './streamed-answer.js';

export interface RespondersOptions {
  clock: Clock;
  deadlines: Deadlines;
  peerId: PeerId;
  maxMessageBytes: number;
  send(frame: Buffer): boolean;
  /** The responder wants no more queries. */
  onClosed(responder: OpenResponder): void;
}

/** The responders of this peer that a query on one subject is for. */
interface Addressees {
  readonly subject: string;
  readonly responders: readonly OpenResponder[];
}

/** All responders of one Bus, and the queries they work on. */
export class Responders {
  readonly #options: RespondersOptions;
  readonly #replies: Replies;
  readonly #trie = new PatternTrie<OpenResponder>();
  readonly #cache = new SubjectCache<Addressees>((subject) => ({
    subject,
    responders: this.#trie.match(subject),
  }));
  readonly #responders = new Map<number, OpenResponder>();
  /** Queries that were not answered in the moment they came; one may keep several responders busy. */
  readonly #tasks = new Map<string, Set<QueryTask>>();
  answered = 0;
  #whenIdle: (() => void)[] = [];

  constructor(options: RespondersOptions) {
    this.#options = options;
    this.#replies = new Replies(options);
  }

  add(id: number, pattern: string, handler: QueryHandler, concurrency: number): OpenResponder {
    const onClose = (): void => this.#remove(responder);
    const responder = new OpenResponder({ id, pattern, handler, concurrency, onClose });
    this.#responders.set(id, responder);
    this.#trie.add(pattern, responder);
    this.#cache.clear();
    return responder;
  }

  /** Answers queries on this subject for as long as the Bus lives, beside what the program opens. */
  answer(subject: string, handler: QueryHandler): void {
    const own = { id: 0, pattern: subject, handler, concurrency: 1, onClose: () => {} };
    this.#trie.add(subject, new OpenResponder(own));
  }

  all(): Iterable<OpenResponder> {
    return this.#responders.values();
  }

  /** A QUERY came. */
  takeQuery(bytes: Buffer, at: number, size: number): void {
    const { clock } = this.#options;
    const length = readU16(bytes, at + At.subjectLength);
    const { subject, responders } = this.#cache.lookup(bytes, at + At.subject, length);
    const chosen = readFlags(bytes, at) & Flag.all ? responders : leastBusy(responders);
    if (chosen.length === 0) this.#replies.refuse(new QueryTask(bytes, at, clock.wallTime()), gone());
    for (const responder of chosen) {
      const task = new QueryTask(bytes, at, clock.wallTime());
      task.responder = responder;
      const message = this.#messageOf(task, bytes, at, size, subject);
      if (message !== undefined) this.#start(responder, message, task);
    }
  }

  /** CREDIT came: the asker has read so much of a streamed reply. */
  takeCredit(bytes: Buffer, at: number, size: number): void {
    checkRef('CREDIT', bytes, at);
    const credit = readControl('CREDIT', bytes, at, size);
    for (const task of this.#tasksAt(bytes, at)) task.stream?.grant(credit);
  }

  /** CANCEL came, from the asker or because the asker left. */
  cancel(bytes: Buffer, at: number): void {
    checkRef('CANCEL', bytes, at);
    for (const task of this.#tasksAt(bytes, at)) task.abort(cancelled());
  }

  /** The link ended: nobody waits for these answers any more. */
  linkLost(): void {
    for (const task of this.#allTasks()) task.abort(cancelled());
  }

  /** Resolves when no handler is at work. */
  whenIdle(): Promise<void> {
    if (this.#tasks.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #remove(responder: OpenResponder): void {
    const { id, pattern } = responder;
    this.#responders.delete(id);
    this.#trie.remove(pattern, responder);
    this.#cache.clear();
    const tasks = this.#allTasks().filter((task) => task.responder === responder && !task.aborted);
    // ahead of the host's hearing of it, which does not know which of several responders here has a query
    for (const task of tasks) this.#replies.refuse(task, lost());
    this.#options.onClosed(responder);
    for (const task of tasks) task.abort(closed(pattern));
  }

  #allTasks(): QueryTask[] {
    return [...this.#tasks.values()].flatMap((tasks) => [...tasks]);
  }

  /** Those for the query that the frame at `at` refers to. */
  #tasksAt(bytes: Buffer, at: number): QueryTask[] {
    return [...(this.#tasks.get(taskKey(bytes, at + At.sender, readRef(bytes, at))) ?? [])];
  }

  /** The question; undefined when it cannot be taken, which the asker is told. */
  #messageOf(
    task: QueryTask,
    bytes: Buffer,
    at: number,
    size: number,
    subject: string,
  ): IncomingMessage | undefined {
    const { maxMessageBytes } = this.#options;
    try {
      if (size <= maxMessageBytes) return messageOf(bytes, at, size, { subject, call: 'respond' });
      this.#replies.refuse(task, tooLarge(size, maxMessageBytes));
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error;
      this.#replies.refuse(task, malformed(error));
    }
    return undefined;
  }

  #start(responder: OpenResponder, message: IncomingMessage, task: QueryTask): void {
    if (!responder.line.hasRoom) this.#track(task, message.subject);
    responder.line.enter(() => this.#work(responder, message, task));
  }

  /** Calls the handler; returns a promise when there is no answer yet. */
  #work(responder: OpenResponder, message: IncomingMessage, task: QueryTask): Promise<void> | undefined {
    if (task.aborted) return this.#end(task);
    try {
      const answer = responder.handle(message, task.context());
      if (isPromise(answer) || isAsyncIterable(answer)) {
        this.#track(task, message.subject);
        return this.#finish(task, answer);
      }
      this.#replies.answer(task, answer);
    } catch (error) {
      this.#replies.fail(task, error);
    }
    return this.#end(task);
  }

  async #finish(task: QueryTask, answer: unknown): Promise<void> {
    try {
      const value = await answer;
      if (isAsyncIterable(value)) await this.#stream(task, value[Symbol.asyncIterator]());
      else if (!task.aborted) this.#replies.answer(task, value);
    } catch (error) {
      if (!task.aborted) this.#replies.fail(task, error);
    }
    this.#end(task);
  }

  #stream(task: QueryTask, iterator: AsyncIterator<unknown>): Promise<void> {
    if (!task.isStreamed) return answerFirst(task, iterator, this.#replies);
    task.stream = new StreamedAnswer(task, iterator, this.#replies);
    return task.stream.run();
  }

  /** The query outlasts this moment: from here on it can be cancelled, and has its deadline. */
  #track(task: QueryTask, subject: string): void {
    const tasks = this.#tasks.get(task.key) ?? new Set();
    this.#tasks.set(task.key, tasks.add(task));
    const { ttl } = task;
    if (ttl === undefined || task.timer !== undefined) return;
    task.timer = this.#options.deadlines.set(ttl, () => task.abort(tooLate(subject)));
  }

  #end(task: QueryTask): undefined {
    this.answered += 1;
    if (this.#tasks.size === 0) return;
    task.timer?.cancel();
    const tasks = this.#tasks.get(task.key);
    tasks?.delete(task);
    if (tasks?.size === 0) this.#tasks.delete(task.key);
    if (this.#tasks.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

interface OpenResponderOptions {
  id: number;
  pattern: string;
  handler: QueryHandler;
  concurrency: number;
  onClose(): void;
}

export class OpenResponder implements Responder {
  readonly id: number;
  readonly pattern: string;
  readonly line: HandlerLine;
  readonly #handler: QueryHandler;
  readonly #onClose: () => void;
  #open = true;

  constructor({ id, pattern, handler, concurrency, onClose }: OpenResponderOptions) {
    this.id = id;
    this.pattern = pattern;
    this.#handler = handler;
    this.line = new HandlerLine(concurrency);
    this.#onClose = onClose;
  }

  get open(): boolean {
    return this.#open;
  }

  handle(...args: Parameters<QueryHandler>): ReturnType<QueryHandler> {
    return this.#handler(...args);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#onClose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspected](...args: [number, object, Inspect]): string {
    return show('Responder', { pattern: this.pattern, open: this.open }, args);
  }
}

/** The one with the fewest queries, if there is any; among equals the one that was opened first. */
function leastBusy(responders: readonly OpenResponder[]): readonly OpenResponder[] {
  if (responders.length < 2) return responders;
  return [responders.reduce((best, other) => (other.line.load < best.line.load ? other : best))];
}

function isPromise(answer: unknown): answer is PromiseLike<unknown> {
  return (
    typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function'
  );
}

function gone(): ErrorReply {
  return {
    code: 'MAILSLOT_RESPONDER_LOST',
    message: 'query: the responder was closed before the query arrived; ask again',
  };
}

function lost(): ErrorReply {
  return {
    code: 'MAILSLOT_RESPONDER_LOST',
    message:
      'query: the responder was closed before it answered; the query may have been carried out: ask again only if that does no harm',
  };
}

function tooLarge(size: number, limit: number): ErrorReply {
  const message = `query: ${size} bytes exceed the responder's maxMessageBytes of ${limit}; send less, or raise it in openBus there`;
  return { code: 'MAILSLOT_MESSAGE_TOO_LARGE', message };
}

function malformed(fault: FrameFault): ErrorReply {
  return { code: 'MAILSLOT_PROTOCOL_VIOLATION', message: `query: ${fault.message}` };
}

function cancelled(): MailslotError {
  return new MailslotError('MAILSLOT_CLOSED', 'respond: the asker cancelled this query or is gone');
}

function closed(pattern: string): MailslotError {
  const message = `respond: the responder for "${pattern}" was closed, and the asker was told so`;
  return new MailslotError('MAILSLOT_CLOSED', message);
}

function tooLate(subject: string): MailslotError {
  return new MailslotError('MAILSLOT_TIMEOUT', `respond: the asker of "${subject}" does not wait any longer`);
}
