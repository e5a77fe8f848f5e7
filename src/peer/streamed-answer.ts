// The answering side of a streamed reply: pulls values from what a handler returned and sends each as a reply, as
// far as the asker has granted credit. A slow reader thus slows the handler down.
//
// Invariant: the iterator is asked for nothing while there is no credit, and returned once when nobody listens.
import { STREAM_CREDIT } from '../limits.js';
import { creditOf } from '../wire/credit.js';
import type { QueryTask } from './query-task.js';
import type { Replies } from './replies.js';

export class StreamedAnswer {
  readonly #task: QueryTask;
  readonly #replies: Replies;
  readonly #iterator: AsyncIterator<unknown>;
  #credit = STREAM_CREDIT;
  /** Called when there is credit again, or the query was aborted. */
  #resume: (() => void) | undefined;
  #left: Promise<unknown> | undefined;

  constructor(task: QueryTask, iterator: AsyncIterator<unknown>, replies: Replies) {
    this.#task = task;
    this.#replies = replies;
    this.#iterator = iterator;
  }

  /** Sends all that comes; resolves when the iterator is done with, and never rejects. */
  async run(): Promise<void> {
    this.#task.onAbort = () => void this.#leave();
    try {
      await this.#sendAll();
    } catch (error) {
      if (!this.#task.aborted) this.#replies.fail(this.#task, error);
    }
    await this.#left;
  }

  /** CREDIT came. */
  grant(credit: number): void {
    this.#credit += credit;
    this.#resume?.();
  }

  async #sendAll(): Promise<void> {
    for (;;) {
      await this.#hasCredit();
      if (this.#task.aborted) return;
      const result = await this.#iterator.next();
      if (this.#task.aborted) return;
      if (result.done) return this.#replies.end(this.#task);
      this.#send(result.value);
    }
  }

  #send(value: unknown): void {
    try {
      this.#credit -= creditOf(this.#replies.answerMore(this.#task, value));
    } catch (error) {
      void this.#leave();
      throw error;
    }
  }

  #hasCredit(): Promise<void> | undefined {
    if (this.#credit > 0 || this.#task.aborted) return undefined;
    return new Promise((resolve) => {
      this.#resume = () => {
        this.#resume = undefined;
        resolve();
      };
    });
  }

  /** Lets the iterator clean up; a generator does so when it has come to its next `yield`. */
  #leave(): Promise<unknown> {
    this.#resume?.();
    this.#left ??= returnOf(this.#iterator);
    return this.#left;
  }
}

/** Whether a handler's answer is to be streamed. */
export function isAsyncIterable(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer;
}

/** The answer for an asker that takes one reply only: the first value, or undefined when there is none. */
export async function answerFirst(
  task: QueryTask,
  iterator: AsyncIterator<unknown>,
  replies: Replies,
): Promise<void> {
  let left: Promise<void> | undefined;
  task.onAbort = () => {
    left = returnOf(iterator);
  };
  const { done, value } = await iterator.next();
  if (!task.aborted) replies.answer(task, done ? undefined : value);
  if (!done) await (left ?? returnOf(iterator));
}

/** Returns an iterator and waits for it; what it throws then is of no use to anybody. */
async function returnOf(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // nobody listens any more
  }
}
