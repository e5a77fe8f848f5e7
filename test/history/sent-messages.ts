// What each process published, for the checker: what a slot had to get of it, and what became of it since. Messages in a
// row that differ in nothing are one stretch.
import type { Published } from './history.js';
import { findStretch } from './stretches.js';

/** The messages of one sender from sequence `first` to `last`. */
export interface SentStretch {
  readonly published: Published;
  readonly first: number;
  readonly last: number;
  /** `lost` when publish() rejected before anything was sent, `doubtful` when nobody can say. */
  readonly state: 'sent' | 'lost' | 'doubtful';
}

export class SentMessages {
  readonly #bySender = new Map<string, SentStretch[]>();
  readonly #confirmed = new Map<string, number>();

  add(published: Published): void {
    const { process, count = 1 } = published;
    const first = this.countOf(process) + 1;
    const stretch: SentStretch = { published, first, last: first + count - 1, state: 'sent' };
    const stretches = this.#bySender.get(process);
    if (stretches === undefined) this.#bySender.set(process, [stretch]);
    else stretches.push(stretch);
  }

  withdraw(sender: string, sequence: number, certain: boolean): void {
    const stretches = this.of(sender);
    const index = findStretch(stretches, sequence);
    const whole = stretches[index];
    if (whole === undefined || whole.first > sequence) return;
    const parts: SentStretch[] = [
      { ...whole, last: sequence - 1 },
      { ...whole, first: sequence, last: sequence, state: certain ? 'lost' : 'doubtful' },
      { ...whole, first: sequence + 1 },
    ];
    stretches.splice(index, 1, ...parts.filter(({ first, last }) => first <= last));
  }

  confirm(sender: string, sequence: number): void {
    this.#confirmed.set(sender, Math.max(sequence, this.confirmedUpTo(sender)));
  }

  /** The highest sequence of a message that has a receipt; 0 if none. */
  confirmedUpTo(sender: string): number {
    return this.#confirmed.get(sender) ?? 0;
  }

  /** The stretch in which this message is. */
  at(sender: string, sequence: number): SentStretch | undefined {
    const stretches = this.of(sender);
    const stretch = stretches[findStretch(stretches, sequence)];
    return stretch !== undefined && stretch.first <= sequence ? stretch : undefined;
  }

  /** In the order of their sequences, without holes; the first begins with sequence 1. */
  of(sender: string): SentStretch[] {
    return this.#bySender.get(sender) ?? [];
  }

  /** How many messages it has published. */
  countOf(sender: string): number {
    return this.of(sender).at(-1)?.last ?? 0;
  }

  senders(): Iterable<string> {
    return this.#bySender.keys();
  }
}
