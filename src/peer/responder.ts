// The answering side of queries: runs handlers, a limited number at a time, and sends exactly one reply for each
// query, be it an error.
import PQueue from 'p-queue';
import { MailslotError } from '../errors.js';
import { MAX_TIMEOUT } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import { controlFrame, type ErrorReply } from '../wire/control.js';
import {
  At,
  encodeFrame,
  Flag,
  Kind,
  readFlags,
  readRef,
  readSubject,
  readTtl,
  readU64,
} from '../wire/frame.js';
import { type PeerId, peerKeyAt } from '../wire/peer-id.js';
import { PatternTrie } from '../wire/subject.js';
import { encodeValue } from '../wire/values.js';
import type { QueryHandler, Responder } from './api.js';
import { describeFailure } from './error-reply.js';
import { messageOf } from './incoming.js';
import type { IncomingMessage } from './message.js';

/** A query that a handler of this peer works on. */
interface Task {
  readonly key: string;
  readonly asker: Uint8Array;
  readonly id: number;
  readonly deadline: number;
  readonly controller: AbortController;
  readonly timer: Timer;
}

export interface RespondersOptions {
  clock: Clock;
  peerId: PeerId;
  maxMessageBytes: number;
  send(frame: Buffer): boolean;
  /** The responder wants no more queries. */
  onClosed(responder: OpenResponder): void;
}

/** All responders of one Bus, and the queries they work on. */
export class Responders {
  readonly #options: RespondersOptions;
  readonly #trie = new PatternTrie<OpenResponder>();
  readonly #responders = new Map<number, OpenResponder>();
  /** By asker and id; one query may keep several responders busy. */
  readonly #tasks = new Map<string, Set<Task>>();
  answered = 0;
  #whenIdle: (() => void)[] = [];

  constructor(options: RespondersOptions) {
    this.#options = options;
  }

  /** Queries being worked on. */
  get busy(): number {
    return this.#tasks.size;
  }

  add(id: number, pattern: string, handler: QueryHandler, concurrency: number): OpenResponder {
    const responder = new OpenResponder({
      id,
      pattern,
      handler,
      concurrency,
      onClose: () => {
        this.#responders.delete(id);
        this.#trie.remove(pattern, responder);
        this.#options.onClosed(responder);
      },
    });
    this.#responders.set(id, responder);
    this.#trie.add(pattern, responder);
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
    const asker = Buffer.from(bytes.subarray(at + At.sender, at + At.sender + 8));
    const id = readU64(bytes, at + At.sequence);
    const flags = readFlags(bytes, at);
    const responders = this.#trie.match(readSubject(bytes, at));
    const chosen = flags & Flag.all ? responders : [leastBusy(responders)].filter((one) => one !== undefined);
    const ttl = flags & Flag.hasTtl ? Math.min(readTtl(bytes, at), MAX_TIMEOUT) : MAX_TIMEOUT;
    if (chosen.length === 0) return this.#replyError(asker, id, gone());
    const problem = this.#problemOf(bytes, at, size);
    for (const responder of chosen) {
      if (problem === undefined) this.#start(responder, messageOf(bytes, at, size), { asker, id, ttl });
      else this.#replyError(asker, id, problem);
    }
  }

  /** CANCEL came, from the asker or because the asker left. */
  cancel(bytes: Buffer, at: number): void {
    const key = taskKey(peerKeyAt(bytes, at + At.sender), readRef(bytes, at));
    for (const task of this.#tasks.get(key) ?? []) task.controller.abort(cancelled());
  }

  /** The link ended: nobody waits for these answers any more. */
  linkLost(): void {
    for (const tasks of this.#tasks.values()) for (const task of tasks) task.controller.abort(cancelled());
  }

  /** Resolves when no handler is at work. */
  whenIdle(): Promise<void> {
    if (this.#tasks.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #problemOf(bytes: Buffer, at: number, size: number): ErrorReply | undefined {
    if (size > this.#options.maxMessageBytes) {
      const message = `query: ${size} bytes exceed the responder's maxMessageBytes of ${this.#options.maxMessageBytes}; send less, or raise it in openBus there`;
      return { code: 'MAILSLOT_MESSAGE_TOO_LARGE', message };
    }
    try {
      messageOf(bytes, at, size);
      return undefined;
    } catch (error) {
      return { code: 'MAILSLOT_PROTOCOL_VIOLATION', message: `query: ${(error as Error).message}` };
    }
  }

  #start(
    responder: OpenResponder,
    message: IncomingMessage,
    query: { asker: Buffer; id: number; ttl: number },
  ): void {
    const { clock } = this.#options;
    const controller = new AbortController();
    const task: Task = {
      key: taskKey(peerKeyAt(query.asker, 0), query.id),
      asker: query.asker,
      id: query.id,
      deadline: clock.wallTime() + query.ttl,
      controller,
      timer: clock.setTimer(query.ttl, () => controller.abort(tooLate(message.subject))),
    };
    const tasks = this.#tasks.get(task.key) ?? new Set();
    this.#tasks.set(task.key, tasks.add(task));
    void responder
      .run(message, task)
      .then(
        (answer) => this.#replyData(task, answer),
        (error: unknown) => this.#replyError(task.asker, task.id, describeFailure(error)),
      )
      .finally(() => this.#end(task));
  }

  #end(task: Task): void {
    task.timer.cancel();
    this.answered += 1;
    const tasks = this.#tasks.get(task.key);
    tasks?.delete(task);
    if (tasks?.size === 0) this.#tasks.delete(task.key);
    if (this.#tasks.size > 0) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  #replyData({ asker, id }: Task, answer: unknown): void {
    const { clock, peerId, maxMessageBytes } = this.#options;
    try {
      const data = encodeValue(answer, 'respond');
      const frame = encodeFrame({
        kind: Kind.reply,
        sender: peerId.bytes,
        time: clock.wallTime(),
        to: asker,
        ref: id,
        data,
      });
      if (frame.length <= maxMessageBytes) this.#options.send(frame);
      else this.#replyError(asker, id, tooLarge(frame.length, maxMessageBytes));
    } catch (error) {
      this.#replyError(asker, id, describeFailure(error));
    }
  }

  #replyError(asker: Uint8Array, id: number, error: ErrorReply): void {
    const { clock, peerId, maxMessageBytes, send } = this.#options;
    const fields = { to: asker, ref: id, flags: Flag.error, time: clock.wallTime() };
    const frame = controlFrame('error REPLY', peerId.bytes, error, fields);
    if (frame.length <= maxMessageBytes || error.data === undefined) return void send(frame);
    // the data is a courtesy; that the handler failed has to arrive
    const { data: _, ...rest } = error;
    send(controlFrame('error REPLY', peerId.bytes, rest, fields));
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
  readonly #handler: QueryHandler;
  readonly #queue: PQueue;
  readonly #onClose: () => void;
  #open = true;

  constructor({ id, pattern, handler, concurrency, onClose }: OpenResponderOptions) {
    this.id = id;
    this.pattern = pattern;
    this.#handler = handler;
    this.#queue = new PQueue({ concurrency });
    this.#onClose = onClose;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Queries it works on or that wait for it. */
  get load(): number {
    return this.#queue.size + this.#queue.pending;
  }

  run(message: IncomingMessage, task: Task): Promise<unknown> {
    const { signal } = task.controller;
    return this.#queue.add(async () => {
      signal.throwIfAborted();
      return this.#handler(message, { signal, deadline: task.deadline });
    });
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#onClose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function leastBusy(responders: readonly OpenResponder[]): OpenResponder | undefined {
  let best: OpenResponder | undefined;
  for (const responder of responders) if (best === undefined || responder.load < best.load) best = responder;
  return best;
}

function taskKey(askerKey: string, id: number): string {
  return `${askerKey}${id}`;
}

function gone(): ErrorReply {
  return {
    code: 'MAILSLOT_RESPONDER_LOST',
    message: 'query: the responder was closed before the query arrived; ask again',
  };
}

function tooLarge(size: number, limit: number): ErrorReply {
  const message = `query: the answer has ${size} bytes, more than the responder's maxMessageBytes of ${limit}; answer with less, or raise it in openBus on both sides`;
  return { code: 'MAILSLOT_MESSAGE_TOO_LARGE', message };
}

function cancelled(): MailslotError {
  return new MailslotError('MAILSLOT_CLOSED', 'respond: the asker cancelled this query or is gone');
}

function tooLate(subject: string): MailslotError {
  return new MailslotError('MAILSLOT_TIMEOUT', `respond: the asker of "${subject}" does not wait any longer`);
}
