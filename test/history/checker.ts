// Judges a history in one pass: what was promised about messages, queries, confirms and claims, and nothing about
// speed. It believes the records; whether they are complete is the business of who writes them. What slots must hold
// is in slot-account.ts, what owners of names may rely on in claim-account.ts.
import { ClaimAccount } from './claim-account.js';
import type { HistoryRecord } from './history.js';
import { SentMessages } from './sent-messages.js';
import { SlotAccount } from './slot-account.js';
import { Marks } from './stretches.js';

export type Rule =
  | 'invented'
  | 'fifo'
  | 'order'
  | 'silent-loss'
  | 'gap-too-large'
  | 'unexcused-gap'
  | 'early-receipt'
  | 'unsettled-confirm'
  | 'query-outcomes'
  | 'query-repeated'
  | 'query-late'
  | 'responder-denied'
  | 'two-hosts'
  | 'two-owners'
  | 'token'
  | 'claim-lost';

export interface Violation {
  rule: Rule;
  message: string;
}

export interface CheckOptions {
  /** Whether the run came to rest: nothing was under way any more and every open slot had been read empty. */
  atRest: boolean;
  /** So much later than its time-out a query may have its outcome, ms. @default no limit */
  deadlineSlack?: number;
}

type Of<Op extends HistoryRecord['op']> = Extract<HistoryRecord, { op: Op }>;

/** Everything that is wrong with a history, in the order in which it shows; empty when it keeps all promises. */
export function checkHistory(records: readonly HistoryRecord[], options: CheckOptions): Violation[] {
  const checker = new Checker(options);
  for (const record of records) checker.take(record);
  return checker.finish();
}

class Checker {
  readonly #options: CheckOptions;
  readonly #violations: Violation[] = [];
  readonly #sent = new SentMessages();
  readonly #slots = new Map<string, SlotAccount>();
  readonly #ended = new Set<string>();
  readonly #excuses = new Map<string, number>();
  readonly #stalled = new Set<string>();
  readonly #confirms = new Map<string, Of<'published'>>();
  readonly #responders = new Map<string, Of<'responding'>>();
  readonly #queries = new Map<string, { asked: Of<'asked'>; handled: boolean; answered: boolean }>();
  readonly #orders = new Orders((rule, message) => this.#accuse(rule, message));
  readonly #claims = new ClaimAccount((rule, message) => this.#accuse(rule, message));
  #host: Of<'hosting'> | undefined;
  #lastEpoch = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  take(record: HistoryRecord): void {
    switch (record.op) {
      case 'published':
        this.#sent.add(record);
        if (record.confirm) this.#confirms.set(`${record.process} ${record.sequence}`, record);
        return;
      case 'unpublished':
        this.#confirms.delete(`${record.process} ${record.sequence}`);
        return this.#sent.withdraw(record.process, record.sequence, record.certain);
      case 'confirmed':
        return this.#confirmed(record);
      case 'unconfirmed':
        this.#confirms.delete(`${record.process} ${record.sequence}`);
        return;
      case 'opened':
        this.#slots.set(
          record.slot,
          new SlotAccount(record, {
            sent: this.#sent,
            // what a host notices late may concern slots that have opened since
            excuses: this.#excuses.get(record.process) ?? 0,
            wasStalled: this.#stalled.has(record.process),
            accuse: (rule, message) => this.#accuse(rule, message),
          }),
        );
        return;
      case 'read':
        this.#orders.take(record);
        return this.#slots.get(record.slot)?.read(record);
      case 'gap':
        return this.#slots.get(record.slot)?.gap(record.missed);
      case 'held':
        return this.#slots.get(record.slot)?.held(record.count);
      case 'closed':
        return this.#slots.get(record.slot)?.close();
      case 'granted':
        return this.#claims.granted(record);
      case 'ungranted':
        return this.#claims.ungranted(record);
      case 'excused':
        this.#absent(record.process);
        this.#claims.excused(record.process, record.reason === 'stalled');
        this.#excuses.set(record.process, (this.#excuses.get(record.process) ?? 0) + 1);
        for (const slot of this.#slots.values())
          if (slot.process === record.process) slot.excuse(record.reason);
        if (record.reason === 'stalled') this.#stalled.add(record.process);
        return;
      case 'responding':
        this.#responders.set(`${record.process} ${record.subject}`, record);
        return;
      case 'asked':
        this.#queries.set(record.query, { asked: record, handled: false, answered: false });
        return;
      case 'handled':
        return this.#handled(record);
      case 'answered':
        return this.#answered(record);
      case 'hosting':
        return this.#hosting(record);
      case 'hosted':
        if (this.#host?.epoch === record.epoch) this.#host = undefined;
        return;
      case 'ended':
        return this.#processEnded(record);
    }
  }

  finish(): Violation[] {
    for (const slot of this.#slots.values()) slot.finish(this.#options.atRest, this.#ended);
    if (this.#options.atRest) this.#finishPromises();
    return this.#violations;
  }

  #finishPromises(): void {
    for (const { process, sequence } of this.#confirms.values()) {
      if (!this.#ended.has(process))
        this.#accuse('unsettled-confirm', `the confirm of ${process}'s message ${sequence} never settled`);
    }
    for (const { asked, answered } of this.#queries.values()) {
      if (!answered && !this.#ended.has(asked.process))
        this.#accuse('query-outcomes', `query ${asked.query} of ${asked.process} has no outcome`);
    }
  }

  #confirmed({ process, sequence }: Of<'confirmed'>): void {
    const key = `${process} ${sequence}`;
    const published = this.#confirms.get(key);
    if (published === undefined) {
      return this.#accuse('invented', `${process} has a receipt for message ${sequence} that waits for none`);
    }
    this.#confirms.delete(key);
    this.#sent.confirm(process, sequence);
    for (const slot of this.#slots.values()) if (!this.#ended.has(slot.process)) slot.confirmed(published);
  }

  #handled({ process, query }: Of<'handled'>): void {
    const known = this.#queries.get(query);
    if (known === undefined)
      return this.#accuse('invented', `${process} handled ${query}, which nobody asked`);
    if (known.handled) this.#accuse('query-repeated', `query ${query} was handled twice, now by ${process}`);
    known.handled = true;
  }

  #answered({ time, query, outcome }: Of<'answered'>): void {
    const known = this.#queries.get(query);
    if (known === undefined) return this.#accuse('invented', `${query} has an outcome, but nobody asked it`);
    if (known.answered) this.#accuse('query-outcomes', `query ${query} has a second outcome: ${outcome}`);
    if (outcome === 'reply' && !known.handled)
      this.#accuse('invented', `query ${query} has a reply, but nobody handled it`);
    known.answered = true;
    if (outcome === 'MAILSLOT_NO_RESPONDER') this.#checkDenial(known.asked);
    const { deadlineSlack = Number.POSITIVE_INFINITY } = this.#options;
    const late = time - known.asked.time - known.asked.timeout;
    if (late > deadlineSlack)
      this.#accuse('query-late', `query ${query} had its outcome ${late} ms after its time-out`);
  }

  /** Nobody was there: not when somebody had been there all the time. */
  #checkDenial({ query, subject, time }: Of<'asked'>): void {
    for (const responder of this.#responders.values()) {
      if (responder.subject !== subject || responder.time > time) continue;
      this.#accuse('responder-denied', `query ${query} found nobody, but ${responder.process} responds`);
    }
  }

  /** Nobody can say any more whether it responds. */
  #absent(process: string): void {
    for (const [key, responder] of this.#responders)
      if (responder.process === process) this.#responders.delete(key);
  }

  #hosting(record: Of<'hosting'>): void {
    const { process, epoch } = record;
    if (this.#host !== undefined)
      this.#accuse(
        'two-hosts',
        `${process} hosts ${epoch} while ${this.#host.process} hosts ${this.#host.epoch}`,
      );
    if (epoch <= this.#lastEpoch)
      this.#accuse('two-hosts', `${process} hosts ${epoch}, but epoch ${this.#lastEpoch} was taken before`);
    this.#lastEpoch = epoch;
    this.#host = record;
  }

  #processEnded({ process }: Of<'ended'>): void {
    this.#ended.add(process);
    this.#absent(process);
    this.#claims.ended(process);
    if (this.#host?.process === process) this.#host = undefined;
    for (const slot of this.#slots.values()) if (slot.process === process) slot.close();
  }

  #accuse(rule: Rule, message: string): void {
    this.#violations.push({ rule, message });
  }
}

/** Orders rise at every slot, and within an epoch a message has one order and an order one message. */
class Orders {
  readonly #accuse: (rule: Rule, message: string) => void;
  readonly #last = new Map<string, number>();
  /** By epoch and sender: how much higher the order of a message is than its sequence. */
  readonly #orders = new Map<string, Marks>();
  /** By epoch: sender, and the same difference, of an order. */
  readonly #messages = new Map<number, Marks>();

  constructor(accuse: (rule: Rule, message: string) => void) {
    this.#accuse = accuse;
  }

  take({ process, slot, sender, sequence, count = 1, order, epoch }: Of<'read'>): void {
    const last = this.#last.get(slot) ?? Number.NEGATIVE_INFINITY;
    if (order <= last) this.#accuse('order', `slot ${slot} of ${process}: order ${order} came after ${last}`);
    this.#last.set(slot, order + count - 1);
    if (epoch === undefined) return;
    const ahead = order - sequence;
    const known = marksOf(this.#orders, `${epoch} ${sender}`).set(sequence, sequence + count - 1, `${ahead}`);
    if (known !== undefined) {
      const message = Math.max(sequence, known.first);
      const orders = `${message + Number(known.mark)} and ${message + ahead}`;
      this.#accuse('order', `message ${sender} ${message} has the orders ${orders} in epoch ${epoch}`);
    }
    const mark = `${sender} ${ahead}`;
    const other = marksOf(this.#messages, epoch).set(order, order + count - 1, mark);
    if (other !== undefined) {
      const shared = Math.max(order, other.first);
      const messages = [other.mark, mark].map((one) => messageAt(shared, one)).join(' and of ');
      this.#accuse('order', `order ${shared} in epoch ${epoch} is that of ${messages}`);
    }
  }
}

function marksOf<Key>(all: Map<Key, Marks>, key: Key): Marks {
  let marks = all.get(key);
  if (marks === undefined) {
    marks = new Marks();
    all.set(key, marks);
  }
  return marks;
}

function messageAt(order: number, mark: string): string {
  const [sender, ahead] = mark.split(' ');
  return `${sender} ${order - Number(ahead)}`;
}
