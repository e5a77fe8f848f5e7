// A queue in a ring that grows by doubling: push, shift and indexed access in constant time.

export class Ring<T> {
  #items: (T | undefined)[];
  #head = 0;
  #length = 0;

  /** @param size room at the beginning, a power of two */
  constructor(size = 16) {
    this.#items = new Array<T | undefined>(size);
  }

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item;
    this.#length += 1;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length -= 1;
    return item;
  }

  get last(): T | undefined {
    return this.#length === 0 ? undefined : this.at(this.#length - 1);
  }

  /** Takes the place of the last item, of which there must be one. */
  replaceLast(item: T): void {
    this.#items[(this.#head + this.#length - 1) & (this.#items.length - 1)] = item;
  }

  /** The item `index` places behind the first one. */
  at(index: number): T | undefined {
    return index < this.#length ? this.#items[(this.#head + index) & (this.#items.length - 1)] : undefined;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let index = 0; index < this.#length; index += 1) yield this.at(index) as T;
  }

  #grow(): void {
    const items = this.#items;
    const { length } = items;
    const bigger = new Array<T | undefined>(length * 2);
    for (let index = 0; index < length; index += 1)
      bigger[index] = items[(this.#head + index) & (length - 1)];
    this.#items = bigger;
    this.#head = 0;
  }
}
