// Rows of numbers that have something in common, in the order of the numbers: what makes a history of long runs cheap to
// judge.

export interface Stretch {
  readonly first: number;
  readonly last: number;
}

/** Index of the first stretch that does not end before `number`; how many there are when all do. */
export function findStretch(stretches: readonly Stretch[], number: number): number {
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (stretches[middle]!.last < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface MarkedStretch extends Stretch {
  readonly mark: string;
}

/** Gives each number the mark that it got first, and says when it gets another one. */
export class Marks {
  readonly #stretches: MarkedStretch[] = [];

  /** Marks the numbers from `first` to `last`; returns a stretch of them that has another mark already. */
  set(first: number, last: number, mark: string): MarkedStretch | undefined {
    const stretches = this.#stretches;
    let conflict: MarkedStretch | undefined;
    let next = first;
    let index = findStretch(stretches, first);
    while (next <= last) {
      const known = stretches[index];
      if (known === undefined || known.first > next) {
        stretches.splice(index, 0, {
          first: next,
          last: Math.min(last, (known?.first ?? last + 1) - 1),
          mark,
        });
      } else if (known.mark !== mark) conflict ??= known;
      next = stretches[index]!.last + 1;
      index += 1;
    }
    return conflict;
  }
}
