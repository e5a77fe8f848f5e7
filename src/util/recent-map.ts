// Entries under rising numbers, most of which go soon after they came. A Map would do the same; but each time one runs
// full of deleted entries, V8 gives it a new table, to which the old one points. Once one of them is in old space, it
// keeps all later ones alive, and what was in them, until the next full collection. Measured with 64 queries in flight:
// seven tenths of what was allocated survived, and a collection of the young generation took 10 ms instead of 1.

/** Numbers, of those still here, that differ by a multiple of it share a place. */
const PLACES = 256;

export class RecentMap<T> {
  /** By the last bits of the numbers; made when there is something to keep. */
  #places: (T | undefined)[] = [];
  /** Which number each place was given to last. */
  #numbers: number[] = [];
  /** Whose place was taken by a later one. */
  readonly #older = new Map<number, T>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): T | undefined {
    const place = number & (PLACES - 1);
    if (this.#numbers[place] === number) return this.#places[place];
    return this.#older.size === 0 ? undefined : this.#older.get(number);
  }

  has(number: number): boolean {
    return this.get(number) !== undefined;
  }

  /** Only under a number that is not here. */
  add(number: number, entry: T): void {
    if (this.#numbers.length === 0) this.#makePlaces();
    const place = number & (PLACES - 1);
    const before = this.#places[place];
    if (before !== undefined) this.#older.set(this.#numbers[place]!, before);
    this.#places[place] = entry;
    this.#numbers[place] = number;
    this.#size += 1;
  }

  /** Whether it was here. */
  delete(number: number): boolean {
    const place = number & (PLACES - 1);
    if (this.#numbers[place] === number && this.#places[place] !== undefined) this.#places[place] = undefined;
    else if (!this.#older.delete(number)) return false;
    this.#size -= 1;
    return true;
  }

  /** All there are now, in no order. */
  values(): T[] {
    return [...this.#older.values(), ...this.#places.filter((entry) => entry !== undefined)];
  }

  #makePlaces(): void {
    this.#places = new Array<T | undefined>(PLACES).fill(undefined);
    this.#numbers = new Array<number>(PLACES).fill(-1);
  }
}
