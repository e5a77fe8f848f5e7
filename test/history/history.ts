// What happened on a bus, as its programs saw it: one record per happening, or per row of messages with nothing between
// them, in the order of time. Simulated and real runs write the same records, and checker.ts judges both. Nothing here
// knows how a run came about.

/**
 * `process` and `sender` are names of one kind: whatever the run calls its Bus objects, a new name for each.
 * `sequence` is the program's own count of what it published, from 1 on without holes, and travels in the message.
 * Times are ms by one clock for all.
 */
export type HistoryRecord =
  | Published
  | Unpublished
  | { time: number; op: 'confirmed'; process: string; sequence: number; receivers: number; order: number }
  | { time: number; op: 'unconfirmed'; process: string; sequence: number; code: string }
  | Opened
  | Read
  | { time: number; op: 'gap'; process: string; slot: string; missed: number | undefined }
  | Held
  | { time: number; op: 'closed'; process: string; slot: string }
  | { time: number; op: 'responding'; process: string; subject: string }
  | { time: number; op: 'asked'; process: string; query: string; subject: string; timeout: number }
  | { time: number; op: 'handled'; process: string; query: string }
  | { time: number; op: 'answered'; process: string; query: string; outcome: string }
  | Granted
  | Ungranted
  | Excused
  | { time: number; op: 'hosting'; process: string; epoch: number }
  | { time: number; op: 'hosted'; process: string; epoch: number }
  | { time: number; op: 'ended'; process: string; how: 'killed' | 'closed' };

/** publish() was called. */
export interface Published {
  time: number;
  op: 'published';
  process: string;
  sequence: number;
  /** So often in a row, with sequences that rise by 1. @default 1 */
  count?: number;
  subject: string;
  confirm?: boolean;
  /** Only slots of this process get it. */
  to?: string;
  /** False leaves out the slots of its own process. */
  echo?: boolean;
}

/** subscribe() has resolved. */
export interface Opened {
  time: number;
  op: 'opened';
  process: string;
  slot: string;
  pattern: string;
  overflow: 'wait' | 'drop-oldest';
  capacity: number;
}

/** The program took a message out of a slot. */
export interface Read {
  time: number;
  op: 'read';
  process: string;
  slot: string;
  sender: string;
  sequence: number;
  /** So many in a row, with sequences and orders that rise by 1. @default 1 */
  count?: number;
  order: number;
  /** That of the link on which it came; undefined where the run cannot know it. */
  epoch?: number | undefined;
}

/** publish() has rejected. */
export interface Unpublished {
  time: number;
  op: 'unpublished';
  process: string;
  sequence: number;
  /** Whether nothing can have been sent. */
  certain: boolean;
}

/** So many messages and gap markers have come into the slot by now, those already read included. */
export interface Held {
  time: number;
  op: 'held';
  process: string;
  slot: string;
  count: number;
}

/** claim() has resolved. */
export interface Granted {
  time: number;
  op: 'granted';
  process: string;
  name: string;
  token: number;
}

/** It is about to be released, or `lost` has resolved. */
export interface Ungranted {
  time: number;
  op: 'ungranted';
  process: string;
  name: string;
  token: number;
  how: 'released' | 'lost';
}

/** This process may show one more gap of unknown size in each of its slots. */
export interface Excused {
  time: number;
  op: 'excused';
  process: string;
  reason: 'late' | 'skipped' | 'stalled';
}

/** Messages that go on where a record ends make it longer, so that a burst is a few records. */
export class History {
  readonly records: HistoryRecord[] = [];
  readonly #now: () => number;
  /** The last record, if more messages may join it. */
  #publishing: (Required<Pick<Published, 'count'>> & Published) | undefined;
  #reading: (Required<Pick<Read, 'count'>> & Read) | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  note(record: Untimed<HistoryRecord>): void {
    this.#publishing = this.#reading = undefined;
    this.records.push({ time: this.#now(), ...record } as HistoryRecord);
  }

  /** publish() is called with no options. */
  published(process: string, sequence: number, subject: string): void {
    const time = this.#now();
    const last = this.#publishing;
    if (
      last !== undefined &&
      last.process === process &&
      last.subject === subject &&
      last.time === time &&
      last.sequence + last.count === sequence
    ) {
      last.count += 1;
      return;
    }
    this.#reading = undefined;
    this.#publishing = { time, op: 'published', process, sequence, count: 1, subject };
    this.records.push(this.#publishing);
  }

  /** The program takes a message out of a slot. */
  read({ process, slot }: { process: string; slot: string }, message: ReadMessage): void {
    const { sender, sequence, order, epoch } = message;
    const time = this.#now();
    const last = this.#reading;
    if (
      last !== undefined &&
      last.slot === slot &&
      last.sender === sender &&
      last.sequence + last.count === sequence &&
      last.order + last.count === order &&
      last.epoch === epoch &&
      last.time === time
    ) {
      last.count += 1;
      return;
    }
    this.#publishing = undefined;
    this.#reading = { time, op: 'read', process, slot, sender, sequence, count: 1, order, epoch };
    this.records.push(this.#reading);
  }

  /** One line per record: what two runs of one seed have in common to the byte. */
  toText(): string {
    return this.records.map((record) => `${JSON.stringify(record)}\n`).join('');
  }
}

export type ReadMessage = Pick<Read, 'sender' | 'sequence' | 'order' | 'epoch'>;

export type Untimed<Type> = Type extends unknown ? Omit<Type, 'time'> : never;
