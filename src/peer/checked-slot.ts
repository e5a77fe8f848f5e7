// A slot of a bus with a contract: each message is held against the contract when it is read, and shows what the
// contract makes of its data. One that breaks it is dropped there, and leaves a gap of 1 that names its sender.
// Everything else is the slot's below: the queue, its policy, acknowledgements.
import { MailslotError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { type Inspect, inspected } from '../util/inspection.js';
import type { Slot, SlotInfo } from './api.js';
import { CheckedIterator } from './checked-iterator.js';
import type { ContractChecks } from './contract-checks.js';
import { type Gap, isGap } from './gap.js';
import type { IncomingMessage, Message } from './message.js';
import type { OpenSlot } from './slot.js';
import { isPromise, issuesText, type Verdict } from './standard-schema.js';

type Item = Message | Gap;

export class CheckedSlot implements Slot<unknown, Item> {
  readonly #slot: OpenSlot;
  readonly #checks: ContractChecks;
  readonly #clock: Clock;
  /** The message last peeked at: it is not converted a second time. */
  #peeked: Message | undefined;

  constructor(slot: OpenSlot, checks: ContractChecks, clock: Clock) {
    this.#slot = slot;
    this.#checks = checks;
    this.#clock = clock;
  }

  get pattern(): string {
    return this.#slot.pattern;
  }

  get open(): boolean {
    return this.#slot.open;
  }

  get info(): SlotInfo {
    return this.#slot.info;
  }

  /** What to show of an item that was read; undefined when there is nothing to show. */
  check(item: Item): Item | undefined | Promise<Item | undefined> {
    if (isGap(item) || item === this.#peeked) return item;
    const message = item as IncomingMessage;
    const verdict = this.#checks.judgeMessage(message);
    if (isPromise(verdict)) return verdict.then((found) => this.#accept(message, found));
    return this.#accept(message, verdict);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Item> {
    return new CheckedIterator(this.#slot[Symbol.asyncIterator](), (item) => this.check(item));
  }

  batches(): AsyncIterableIterator<Item[]> {
    return new CheckedIterator(this.#slot.batches(), async (batch) => {
      const items = await Promise.all(batch.map((item) => this.check(item)));
      const shown = items.filter((item) => item !== undefined);
      return shown.length === 0 ? undefined : shown;
    });
  }

  async read(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<Item | undefined> {
    const start = this.#clock.now();
    for (let left = options; ; left = { ...options, ...this.#remaining(options.timeout, start) }) {
      const item = await this.#slot.read(left);
      if (item === undefined) return undefined;
      const shown = await this.check(item);
      if (shown !== undefined) return shown;
    }
  }

  /** @throws MAILSLOT_INVALID_OPTION when the message breaks the contract, or its validator is asynchronous */
  peek(): Message | undefined {
    const message = this.#slot.peek() as IncomingMessage | undefined;
    if (message === undefined || message === this.#peeked) return message;
    const verdict = this.#checks.judgeMessage(message);
    if (isPromise(verdict)) {
      verdict.catch(() => {});
      throw notNow(message);
    }
    if ('issues' in verdict) throw notFit(message, verdict);
    message.replaceData(verdict.value);
    this.#peeked = message;
    return message;
  }

  consume(handler: (message: Item) => unknown, options?: { concurrency?: number }): Promise<void> {
    return this.#slot.consume(
      typeof handler === 'function' ? (item) => this.hand(item, handler) : handler,
      options,
    );
  }

  /** Gives an item to a handler, if there is something to show of it. */
  async hand(item: Item, handler: (message: Item) => unknown): Promise<void> {
    const shown = await this.check(item);
    if (shown !== undefined) await handler(shown);
  }

  drain(): Promise<void> {
    return this.#slot.drain();
  }

  close(): Promise<{ unread: number }> {
    return this.#slot.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspected](...args: [number, object, Inspect]): string {
    return this.#slot[inspected](...args);
  }

  #accept(message: IncomingMessage, verdict: Verdict): Item | undefined {
    if ('issues' in verdict) {
      const reason = `"${message.subject}" breaks the contract at ${issuesText(verdict.issues)}`;
      return this.#slot.refuse({ sender: message.sender, reason });
    }
    message.replaceData(verdict.value);
    return message;
  }

  #remaining(timeout: number | undefined, start: number): { timeout?: number } {
    if (timeout === undefined) return {};
    return { timeout: Math.max(0, Math.ceil(timeout - (this.#clock.now() - start))) };
  }
}

function notNow({ subject }: Message): MailslotError {
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `peek: the validator of "${subject}" is asynchronous, and peek is not; use read()`,
  );
}

function notFit({ subject, sender }: Message, verdict: Verdict): MailslotError {
  const issues = 'issues' in verdict ? verdict.issues : [];
  return new MailslotError(
    'MAILSLOT_INVALID_OPTION',
    `peek: "${subject}" of ${sender} breaks the contract at ${issuesText(issues)}; read() drops it`,
    { data: issues },
  );
}
