// An iterator whose items are looked at before they are handed on. It adds no waiting of its own: leaving it leaves
// the one below at once, even while that is waiting.

/** Hands on what `check` makes of each item, and leaves out those of which it makes nothing. */
export class CheckedIterator<In, Out> implements AsyncIterableIterator<Out> {
  readonly #inner: AsyncIterator<In>;
  readonly #check: (item: In) => Out | undefined | Promise<Out | undefined>;

  constructor(inner: AsyncIterator<In>, check: (item: In) => Out | undefined | Promise<Out | undefined>) {
    this.#inner = inner;
    this.#check = check;
  }

  async next(): Promise<IteratorResult<Out, undefined>> {
    for (;;) {
      const { done, value } = await this.#inner.next();
      if (done) return { done: true, value: undefined };
      const item = await this.#check(value);
      if (item !== undefined) return { done: false, value: item };
    }
  }

  async return(): Promise<IteratorResult<Out, undefined>> {
    await this.#inner.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
