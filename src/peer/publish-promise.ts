// The promise of a publish that could not be admitted at once. Programs often do not await publish(); a failure
// they did not ask for must not kill them, and must not vanish either. So the promise is marked as handled, and
// whether anybody listens is known by overriding `then`: `await` goes through it for a subclass.
export class PublishPromise<T> extends Promise<T> {
  #observed = false;

  // derived promises are ordinary ones
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Follows `work`; `onUnobserved` gets a failure that nobody waits for. */
  static of<T>(work: Promise<T>, onUnobserved: (error: unknown) => void): PublishPromise<T> {
    const promise = new PublishPromise<T>((resolve, reject) => {
      work.then(resolve, (error: unknown) => {
        reject(error);
        // a caller that awaits in the same tick as the failure comes first
        queueMicrotask(() => {
          if (!promise.#observed) onUnobserved(error);
        });
      });
    });
    Promise.prototype.then.call(promise, undefined, () => {});
    return promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: being listened to is what this class is about
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#observed = true;
    return super.then(onFulfilled, onRejected);
  }
}
