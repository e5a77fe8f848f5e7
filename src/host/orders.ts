// The count that messages are stamped with. It only rises, over epochs as well: it begins at the clock's time in µs,
// and whatever peers and files know of higher ones raises it before anything is relayed.
export class Orders {
  /** The one given last. A run of messages takes several at once, so the hot path counts for itself. */
  last: number;

  constructor(wallTime: number) {
    this.last = wallTime * 1_000;
  }

  next(): number {
    this.last += 1;
    return this.last;
  }

  /** Every order from now on is higher than this one. */
  raise(known: number): void {
    this.last = Math.max(this.last, known);
  }
}
