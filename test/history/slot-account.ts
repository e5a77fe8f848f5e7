// The account of one slot: what was due to it, what it got, and what it was told to be missing.
//
//   due      what its process must get: all that matches and was published after the slot had opened
//   holes    messages due that did not come although later ones of their sender did
//   leeway   messages that may have come and been dropped, or not: sent before the slot opened, around a gap of
//            unknown size, or by a process that ended; and those that came although they were announced as missing:
//            a host counts what passes by a stalled peer, but when it dies what is not settled is sent again
//
// At any time holes ≤ announced: a hole shows no earlier than its marker. At the end announced ≤ holes + leeway.
import type { Rule } from './checker.js';
import type { Excused, Opened, Published, Read } from './history.js';
import type { SentMessages, SentStretch } from './sent-messages.js';
import { findStretch, type Stretch } from './stretches.js';

/** How far one sender's messages were read from the slot. */
interface Position {
  /** Index of the next message that may come. */
  next: number;
  /** From here on messages are due, Infinity where nobody knows. Below it they may come. */
  due: number;
}

export interface AccountOptions {
  sent: SentMessages;
  /** Gaps of unknown size that its process may show already. */
  excuses: number;
  /** Whether its process may have been counted as stalled. */
  wasStalled: boolean;
  accuse(rule: Rule, message: string): void;
}

export class SlotAccount {
  readonly process: string;
  readonly #opened: Opened;
  readonly #sent: SentMessages;
  readonly #accuse: (rule: Rule, message: string) => void;
  readonly #positions = new Map<string, Position>();
  /** Messages and gap markers read so far; index of each message among them. */
  #items = 0;
  #announced = 0;
  #holes = 0;
  #leeway = 0;
  #excuses: number;
  #wasExcused = false;
  #wasStalled: boolean;
  /** What its process may have been told to miss while it was stalled: messages up to these, by the host of this epoch or a later one. */
  #toldMissing: { upTo: ReadonlyMap<string, number>; epoch: number } | undefined;
  #held = 0;
  /** That of the last message. */
  #lastEpoch = 0;
  #accused = false;
  #closed = false;
  /** By sender and sequence, receipts of messages that were not read yet: at which place among the items they must come at the latest. */
  readonly #receipts = new Map<string, Map<number, number>>();
  /** By subject. */
  readonly #matches = new Map<string, boolean>();

  constructor(opened: Opened, options: AccountOptions) {
    const { sent, excuses, wasStalled, accuse } = options;
    this.process = opened.process;
    this.#opened = opened;
    this.#sent = sent;
    this.#excuses = excuses;
    this.#wasStalled = wasStalled;
    this.#accuse = (rule, message) => accuse(rule, `slot ${opened.slot} of ${opened.process}: ${message}`);
    for (const sender of sent.senders()) {
      this.#positions.set(sender, { next: 0, due: sent.countOf(sender) });
    }
  }

  read({ sender, sequence, count = 1, epoch }: Read): void {
    const end = sequence + count;
    for (let first = sequence; first < end; ) {
      const sent = this.#sent.at(sender, first);
      const last = Math.min(sent?.last ?? Number.POSITIVE_INFINITY, end - 1);
      this.#readRow(sender, { first, last }, sent);
      this.#excuseTold(sender, { first, last }, epoch);
      first = last + 1;
    }
  }

  /** Messages that were sent alike. */
  #readRow(sender: string, row: Stretch, sent: SentStretch | undefined): void {
    const { first, last } = row;
    const itemsBefore = this.#items;
    this.#items += last - first + 1;
    if (sent === undefined || !this.#concerns(sent.published)) {
      return this.#accuse('invented', `${sender}'s message ${first} was read, but not sent to it`);
    }
    const position = this.#positionOf(sender);
    if (first <= position.next)
      this.#accuse('fifo', `${sender}'s message ${first} came after message ${position.next}`);
    if (last <= position.next) return;
    if (sent.state === 'lost') this.#accuse('invented', `${sender}'s message ${first} had been rejected`);
    this.#skip(sender, position, first - 1);
    position.next = position.due = last;
    this.#checkReceipts(sender, row, itemsBefore);
    this.#compare();
  }

  gap(missed: number | undefined): void {
    this.#items += 1;
    // what was dropped in front of a message moves it back by one marker
    this.#receipts.clear();
    if (missed !== undefined && this.#wasStalled) {
      const senders = [...this.#sent.senders()];
      this.#toldMissing = {
        upTo: new Map(senders.map((id) => [id, this.#sent.countOf(id)])),
        epoch: this.#lastEpoch,
      };
    }
    if (missed !== undefined) {
      this.#announced += missed;
      return;
    }
    if (this.#excuses === 0) this.#accuse('unexcused-gap', 'shows a gap of unknown size for no known reason');
    else this.#excuses -= 1;
    // whoever has sent something by now may have something in this gap
    for (const sender of this.#sent.senders()) this.#positionOf(sender).due = Number.POSITIVE_INFINITY;
  }

  /** Its process may show one more gap of unknown size. */
  excuse(reason: Excused['reason']): void {
    this.#wasStalled ||= reason === 'stalled';
    this.#excuses += 1;
    this.#wasExcused = true;
    this.#receipts.clear();
  }

  held(count: number): void {
    this.#held = count;
  }

  /** A receipt came: the message is in this slot, inside its capacity, or was read. */
  confirmed(message: Published): void {
    const { overflow, capacity, time } = this.#opened;
    if (this.#closed || overflow !== 'wait' || message.time < time || !this.#concerns(message)) return;
    if (this.#wasExcused) return;
    if (this.#positionOf(message.process).next >= message.sequence) return;
    const latest = Math.min(this.#held, this.#items + capacity);
    const receipts = this.#receipts.get(message.process);
    if (receipts === undefined) this.#receipts.set(message.process, new Map([[message.sequence, latest]]));
    else receipts.set(message.sequence, latest);
  }

  close(): void {
    this.#closed = true;
  }

  finish(atRest: boolean, ended: ReadonlySet<string>): void {
    if (!atRest || this.#closed) return;
    for (const sender of this.#sent.senders()) this.#skipRest(sender, ended.has(sender));
    this.#compare();
    if (this.#announced > this.#holes + this.#leeway) {
      const most = `${this.#holes + this.#leeway} can be missing`;
      this.#accuse('gap-too-large', `announces ${this.#announced} missing messages, but at most ${most}`);
    }
  }

  /** Messages that came by a later host than that which had announced them as missing, perhaps. */
  #excuseTold(sender: string, { first, last }: Stretch, epoch: number | undefined): void {
    const told = this.#toldMissing;
    if (epoch !== undefined) this.#lastEpoch = epoch;
    if (told === undefined || this.#lastEpoch <= told.epoch) return;
    this.#leeway += Math.max(0, Math.min(last, told.upTo.get(sender) ?? 0) - first + 1);
  }

  #concerns({ subject, process, to, echo }: Published): boolean {
    if (to !== undefined && to !== this.process) return false;
    if (echo === false && process === this.process) return false;
    let isMatch = this.#matches.get(subject);
    if (isMatch === undefined) {
      isMatch = matches(this.#opened.pattern, subject);
      this.#matches.set(subject, isMatch);
    }
    return isMatch;
  }

  #positionOf(sender: string): Position {
    let position = this.#positions.get(sender);
    if (position === undefined) {
      position = { next: 0, due: 0 };
      this.#positions.set(sender, position);
    }
    return position;
  }

  /** The messages from the next one to the one before `index` did not come. */
  #skip(sender: string, { next, due }: Position, index: number): void {
    if (next >= index) return;
    const stretches = this.#sent.of(sender);
    for (let at = findStretch(stretches, next + 1); at < stretches.length; at += 1) {
      const { published, first, last, state } = stretches[at]!;
      if (first > index) return;
      if (!this.#concerns(published) || state === 'lost') continue;
      const start = Math.max(next, first - 1);
      const end = Math.min(index, last);
      const certain = state === 'doubtful' ? 0 : Math.max(0, end - Math.max(start, due));
      this.#holes += certain;
      this.#leeway += end - start - certain;
    }
  }

  /** Of who ended only what was confirmed is due; the rest may have got here or not. */
  #skipRest(sender: string, hasEnded: boolean): void {
    const count = this.#sent.countOf(sender);
    const position = this.#positionOf(sender);
    const certain = hasEnded ? this.#sent.confirmedUpTo(sender) : count;
    this.#skip(sender, position, certain);
    const start = Math.max(certain, position.next);
    this.#skip(sender, { next: start, due: Number.POSITIVE_INFINITY }, count);
  }

  #checkReceipts(sender: string, { first, last }: Stretch, itemsBefore: number): void {
    const receipts = this.#receipts.get(sender);
    if (receipts === undefined) return;
    for (const [sequence, latest] of receipts) {
      if (sequence < first || sequence > last) continue;
      receipts.delete(sequence);
      if (itemsBefore + sequence - first + 1 > latest)
        this.#accuse(
          'early-receipt',
          `${sender}'s message ${sequence} was confirmed before it was taken here`,
        );
    }
  }

  #compare(): void {
    if (this.#holes <= this.#announced || this.#accused) return;
    this.#accused = true;
    this.#accuse('silent-loss', `${this.#holes} messages are missing, ${this.#announced} were announced`);
  }
}

/** Written anew on purpose: the package's own grammar is under test. */
function matches(pattern: string, subject: string): boolean {
  const steps = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, step] of steps.entries()) {
    if (step === '>') return tokens.length > index;
    if (index >= tokens.length || (step !== '*' && step !== tokens[index])) return false;
  }
  return steps.length === tokens.length;
}
