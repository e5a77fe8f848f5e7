// What each process published, for the checker: what a slot had to get of it, and what became of it since.
import type { Published } from './history.js';

export interface SentMessage {
  readonly published: Published;
  /** `lost` when publish() rejected before anything was sent, `doubtful` when nobody can say. */
  state: 'sent' | 'lost' | 'doubtful';
}

export class SentMessages {
  readonly #bySender = new Map<string, SentMessage[]>();
  readonly #confirmed = new Map<string, number>();

  add(published: Published): void {
    this.of(published.process).push({ published, state: 'sent' });
  }

  withdraw(sender: string, sequence: number, certain: boolean): void {
    const sent = this.at(sender, sequence);
    if (sent !== undefined) sent.state = certain ? 'lost' : 'doubtful';
  }

  confirm(sender: string, sequence: number): void {
    this.#confirmed.set(sender, Math.max(sequence, this.confirmedUpTo(sender)));
  }

  /** The highest sequence of a message that has a receipt; 0 if none. */
  confirmedUpTo(sender: string): number {
    return this.#confirmed.get(sender) ?? 0;
  }

  at(sender: string, sequence: number): SentMessage | undefined {
    return this.#bySender.get(sender)?.[sequence - 1];
  }

  /** In the order of their sequences; the first has sequence 1. */
  of(sender: string): SentMessage[] {
    let messages = this.#bySender.get(sender);
    if (messages === undefined) {
      messages = [];
      this.#bySender.set(sender, messages);
    }
    return messages;
  }

  senders(): Iterable<string> {
    return this.#bySender.keys();
  }
}
