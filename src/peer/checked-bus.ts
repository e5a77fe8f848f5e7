// A Bus with a contract: every verb holds subject and data against it first, and is then what it is without one. A
// Bus without a contract never comes here.
import type {
  PublishOptions,
  QueryAllOptions,
  QueryHandler,
  QueryOptions,
  QueryStreamOptions,
  Receipt,
  Responder,
  RespondOptions,
  Slot,
  SubscribeOptions,
} from './api.js';
import { OpenBus, type OpenBusOptions } from './bus.js';
import { CheckedIterator } from './checked-iterator.js';
import { CheckedSlot } from './checked-slot.js';
import type { ContractChecks } from './contract-checks.js';
import type { Gap } from './gap.js';
import type { IncomingMessage, Message } from './message.js';
import { checkHandler } from './options.js';
import { PublishPromise } from './publish-promise.js';
import type { OpenSlot } from './slot.js';
import { isAsyncIterable } from './streamed-answer.js';

type Handler<T> = (message: Message<T>) => unknown;

export class CheckedBus extends OpenBus {
  readonly #checks: ContractChecks;
  readonly #clock: OpenBusOptions['clock'];
  /** Settles when the last publish that has to wait for a validator was sent or refused. */
  #validating: Promise<unknown> | undefined;

  constructor(options: OpenBusOptions, checks: ContractChecks) {
    super(options);
    this.#checks = checks;
    this.#clock = options.clock;
  }

  override publish(
    subject: string,
    data: unknown,
    options: PublishOptions & { confirm: true },
  ): Promise<Receipt>;
  override publish(subject: string, data?: unknown, options?: PublishOptions): Promise<void>;
  override publish(subject: string, data?: unknown, options?: PublishOptions): Promise<unknown> {
    const failed = (error: unknown): void => this.emit({ type: 'publish-failed', subject, error });
    let check: Promise<void> | undefined;
    try {
      check = this.#checks.checkSent('publish', subject, data);
    } catch (error) {
      return PublishPromise.of(Promise.reject(error), failed);
    }
    const publish = (): Promise<unknown> => super.publish(subject, data, options);
    if (check === undefined && this.#validating === undefined) return publish();
    return PublishPromise.of(this.#publishInTurn(check, publish), failed);
  }

  /** What was published first is sent first, however long its validator takes. */
  async #publishInTurn(check: Promise<void> | undefined, publish: () => Promise<unknown>): Promise<unknown> {
    const before = this.#validating;
    const sent = Promise.all([check, before]).then(() => ({ published: publish() }));
    // what is refused leaves at once, and those before it may still be in front of those behind it
    const turn = Promise.allSettled([sent, before]).then(() => {
      if (this.#validating === turn) this.#validating = undefined;
    });
    this.#validating = turn;
    return (await sent).published;
  }

  protected override async whenHandedOver(): Promise<void> {
    while (this.#validating !== undefined) await this.#validating;
  }

  override subscribe<T>(
    pattern: string,
    options: SubscribeOptions & { gaps: true },
  ): Promise<Slot<T, Message<T> | Gap>>;
  override subscribe<T>(pattern: string, options?: SubscribeOptions): Promise<Slot<T>>;
  override subscribe<T>(
    pattern: string,
    handler: Handler<T>,
    options?: SubscribeOptions & { gaps?: false },
  ): Promise<Slot<T>>;
  override subscribe<T>(
    pattern: string,
    handler: (item: Message<T> | Gap) => unknown,
    options: SubscribeOptions,
  ): Promise<Slot<T, Message<T> | Gap>>;
  override async subscribe<T>(
    pattern: string,
    second: Handler<T> | SubscribeOptions = {},
    third: SubscribeOptions = {},
  ): Promise<Slot<T>> {
    this.#checks.checkPattern('subscribe', pattern);
    const slot =
      typeof second === 'function'
        ? await this.#subscribeHandler(pattern, second as (item: unknown) => unknown, third)
        : this.#checked(await super.subscribe(pattern, second));
    return slot as Slot<T>;
  }

  #subscribeHandler(
    pattern: string,
    handler: (item: unknown) => unknown,
    options: SubscribeOptions,
  ): Promise<unknown> {
    if (!this.#checks.validatesReceived) return super.subscribe(pattern, handler, options);
    // messages may come before the call that opens the slot has resolved
    const slot: Promise<CheckedSlot> = super
      .subscribe(pattern, async (item) => (await slot).hand(item, handler), options)
      .then((opened) => this.#wrap(opened));
    return slot;
  }

  #checked(slot: Slot): Slot {
    return this.#checks.validatesReceived ? (this.#wrap(slot) as Slot) : slot;
  }

  #wrap(slot: unknown): CheckedSlot {
    return new CheckedSlot(slot as OpenSlot, this.#checks, this.#clock);
  }

  override async query<T>(subject: string, data?: unknown, options?: QueryOptions): Promise<Message<T>> {
    // without a promise the data is encoded before anybody can change it
    const check = this.#checks.checkSent('query', subject, data);
    if (check !== undefined) await check;
    const reply = await super.query<T>(subject, data, options);
    const failure = await this.#checks.takeAnswer('query', reply as unknown as IncomingMessage);
    if (failure !== undefined) throw failure;
    return reply;
  }

  override queryAll<T>(
    subject: string,
    data?: unknown,
    options?: QueryAllOptions,
  ): AsyncIterableIterator<Message<T>> {
    const check = this.#checks.checkSent('queryAll', subject, data);
    const ask = (): AsyncIterableIterator<Message<T>> => super.queryAll<T>(subject, data, options);
    const replies = check === undefined ? ask() : askAfter(check, ask);
    return new CheckedIterator(replies, async (reply) => {
      if (reply.error !== undefined) return reply;
      const incoming = reply as unknown as IncomingMessage;
      const failure = await this.#checks.takeAnswer('queryAll', incoming);
      return failure === undefined ? reply : (incoming.toFailure(failure) as Message as Message<T>);
    });
  }

  override queryStream<T>(
    subject: string,
    data?: unknown,
    options?: QueryStreamOptions,
  ): AsyncIterableIterator<Message<T>> {
    const check = this.#checks.checkSent('queryStream', subject, data);
    const ask = (): AsyncIterableIterator<Message<T>> => super.queryStream<T>(subject, data, options);
    const replies = check === undefined ? ask() : askAfter(check, ask);
    return new CheckedIterator(replies, async (reply) => {
      const failure = await this.#checks.takeAnswer('queryStream', reply as unknown as IncomingMessage);
      if (failure === undefined) return reply;
      await replies.return?.();
      throw failure;
    });
  }

  override async respond<Q>(
    pattern: string,
    handler: QueryHandler<Q>,
    options?: RespondOptions,
  ): Promise<Responder> {
    this.#checks.checkPattern('respond', pattern);
    checkHandler(handler, 'respond');
    const checked: QueryHandler<Q> = async (message, context) => {
      await this.#checks.takeQuestion(message as unknown as IncomingMessage);
      context.signal.throwIfAborted();
      const answer = await handler(message, context);
      const check = (value: unknown): Promise<void> => this.#checks.checkAnswer(message.subject, value);
      if (isAsyncIterable(answer)) return checkEach(answer, check);
      await check(answer);
      return answer;
    };
    return super.respond(pattern, checked, options);
  }
}

function askAfter<T>(
  check: Promise<void>,
  ask: () => AsyncIterableIterator<T>,
): AsyncGenerator<T, undefined> {
  // whoever never begins to iterate is told of nothing
  check.catch(() => {});
  return askWhenChecked(check, ask);
}

async function* askWhenChecked<T>(
  check: Promise<void>,
  ask: () => AsyncIterableIterator<T>,
): AsyncGenerator<T, undefined> {
  await check;
  for await (const reply of ask()) yield reply;
  return undefined;
}

/** The same values up to the first one that breaks the contract, which ends the iterable that it came from, too. */
async function* checkEach(
  values: AsyncIterable<unknown>,
  check: (value: unknown) => Promise<void>,
): AsyncGenerator<unknown, undefined> {
  for await (const value of values) {
    await check(value);
    yield value;
  }
  return undefined;
}
