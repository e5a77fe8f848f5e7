// Virtual time: events in the order in which they are due, run one after the other. Between two events everything
// that promises make possible is run to its end, so that a seed decides the whole run.

/** Of events due at the same time those of a lower rank come first, as in Node's event loop. */
export const Rank = { deferred: 0, timer: 1, io: 2, afterIo: 3 } as const;
export type Rank = (typeof Rank)[keyof typeof Rank];

interface Happening {
  readonly time: number;
  readonly rank: Rank;
  readonly serial: number;
  run(): void;
}

const settled = Promise.resolve();

export class Agenda {
  #now = 0;
  #serial = 0;
  readonly #heap: Happening[] = [];
  /** Events run so far. */
  count = 0;

  /** ms since the run began. */
  get now(): number {
    return this.#now;
  }

  add(time: number, rank: Rank, run: () => void): void {
    this.#serial += 1;
    this.#heap.push({ time: Math.max(time, this.#now), rank, serial: this.#serial, run });
    this.#rise(this.#heap.length - 1);
  }

  /**
   * Runs events until `isOver` holds, there are none left, or one throws. Each begins only when all microtasks are
   * done: a callback of nextTick waits for all of them, and those that they make, as no other in Node does.
   */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const stepLater = (): void => process.nextTick(step);
      const step = (): void => {
        try {
          const next = isOver() ? undefined : this.#take();
          if (next === undefined) return resolve();
          this.#now = next.time;
          this.count += 1;
          next.run();
        } catch (error) {
          return reject(error);
        }
        // as queueMicrotask does, which costs several times as much
        void settled.then(stepLater);
      };
      process.nextTick(step);
    });
  }

  #take(): Happening | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (this.#heap.length > 0) {
      this.#heap[0] = last!;
      this.#sink();
    }
    return first;
  }

  #rise(index: number): void {
    const heap = this.#heap;
    for (let at = index; at > 0; ) {
      const above = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[above]!)) return;
      [heap[at], heap[above]] = [heap[above]!, heap[at]!];
      at = above;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  if (a.time !== b.time) return a.time < b.time;
  return a.rank === b.rank ? a.serial < b.serial : a.rank < b.rank;
}
