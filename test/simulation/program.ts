// What the program of a simulated process does: publish, read, ask, answer, own names. It uses nothing but the public calls of
// its Bus and the clock of its thread, and writes down what it sees.
import { MailslotError } from '../../src/errors.js';
import type { Claim, Slot } from '../../src/peer/api.js';
import type { Gap } from '../../src/peer/gap.js';
import type { Message } from '../../src/peer/message.js';
import { wait } from '../../src/util/clock.js';
import type { HistoryRecord, Opened, Untimed } from '../history/history.js';
import { makePayload, readPayload } from './payload.js';
import type { SimProcess } from './sim-process.js';
import type { World } from './world.js';

type Anonymous<Type> = Type extends unknown ? Omit<Type, 'time' | 'process'> : never;

export interface PublishingPlan {
  count: number;
  subjects: readonly string[];
  /** Longest burst without a pause, and longest pause, ms. */
  burst: number;
  pause: number;
  confirms: number;
  largeMessages: number;
  /** Probability that its own process is left out. */
  narrow: number;
}

/** Long bursts of short messages, each burst on one subject. */
export interface PouringPlan {
  count: number;
  subjects: readonly string[];
  /** Longest burst, and longest pause behind it, ms. */
  burst: number;
  pause: number;
  /** Probability that the last message of a burst is confirmed. */
  confirms: number;
  /** Probability that the messages of a burst are not quite that short. */
  longMessages: number;
}

export interface ReadingPlan {
  pattern: string;
  overflow: 'wait' | 'drop-oldest';
  capacity: number;
  stallTimeout: number;
  /** Which of a slot's ways to be read. */
  by: 'read' | 'iteration' | 'batches';
  /** Longest pause after a message or batch, ms; 0 for none. */
  pause: number;
  /** Probability, per message or batch, of a pause of up to a second. */
  rests: number;
}

export interface AskingPlan {
  count: number;
  subject: string;
  /** Longest pause between two queries, ms. */
  pause: number;
}

export interface ClaimingPlan {
  count: number;
  names: readonly string[];
  /** Longest time for which a name is kept, ms, and longest pause after it. */
  hold: number;
  pause: number;
}

interface OpenSlot {
  readonly name: string;
  readonly slot: Slot<unknown, Message | Gap>;
  readonly overflow: Opened['overflow'];
  /** Messages and gaps read so far. */
  items: number;
}

export class Program {
  readonly process: SimProcess;
  readonly #world: World;
  readonly #slots = new Map<string, OpenSlot>();
  #published = 0;
  #asked = 0;
  #slotCount = 0;
  /** Calls that have not settled, and loops that have not ended. */
  busy = 0;

  constructor(world: World, process: SimProcess) {
    this.#world = world;
    this.process = process;
  }

  /** Whether nothing of it is under way: what it published is settled, and its slots are read empty. */
  get isQuiet(): boolean {
    const { bus } = this.process;
    if (bus.state === 'closed') return true;
    if (this.busy > 0 || bus.state !== 'connected' || bus.stats().window.messages > 0) return false;
    return [...this.#slots.values()].every(({ slot }) => slot.info.messageCount === 0);
  }

  get state(): string {
    const { bus, name } = this.process;
    const { window, slots } = bus.stats();
    return `${name} ${bus.state} epoch ${bus.epoch}, ${this.busy} busy, window ${window.messages}+${window.waiting}, slots ${slots.map(({ messages }) => messages)}`;
  }

  // — publishing —

  async publish(plan: PublishingPlan): Promise<void> {
    const { dice } = this.#world;
    this.busy += 1;
    while (this.#published < plan.count && this.process.bus.state !== 'closed') {
      const burst = dice.between(1, plan.burst);
      for (let index = 0; index < burst && this.#published < plan.count; index += 1)
        await this.#publishOne(plan);
      if (plan.pause > 0) await this.#pause(plan.pause);
    }
    this.busy -= 1;
  }

  async #publishOne(plan: PublishingPlan): Promise<void> {
    const { dice } = this.#world;
    this.#published += 1;
    const sequence = this.#published;
    const length = dice.chance(plan.largeMessages) ? dice.between(1_000, 6_000) : dice.between(0, 60);
    const confirm = dice.chance(plan.confirms);
    const echo = !dice.chance(plan.narrow);
    const subject = dice.pick(plan.subjects);
    const data = makePayload(sequence, length);
    if (confirm || !echo)
      this.#note({
        op: 'published',
        sequence,
        subject,
        ...(confirm ? { confirm } : {}),
        ...(echo ? {} : { echo }),
      });
    else this.#world.history.published(this.process.name, sequence, subject);
    if (confirm) return this.#world.watch(this.#confirm(subject, data, { sequence, echo }));
    try {
      if (echo) await this.process.bus.publish(subject, data);
      else await this.process.bus.publish(subject, data, { echo });
    } catch (error) {
      this.#expect(error);
      this.#note({ op: 'unpublished', sequence, certain: true });
    }
  }

  async pour(plan: PouringPlan): Promise<void> {
    const { dice } = this.#world;
    this.busy += 1;
    for (let left = plan.count; left > 0 && this.process.bus.state !== 'closed'; ) {
      const size = Math.min(left, dice.between(1, plan.burst));
      left -= size;
      await this.#pourBurst(size, dice.pick(plan.subjects), dice.chance(plan.longMessages) ? 500 : 0);
      if (dice.chance(plan.confirms)) this.#pourConfirmed(dice.pick(plan.subjects));
      if (plan.pause > 0) await this.#pause(plan.pause);
    }
    this.busy -= 1;
  }

  async #pourBurst(size: number, subject: string, longest: number): Promise<void> {
    const { bus, name } = this.process;
    const { history, dice } = this.#world;
    for (let left = size; left > 0 && bus.state !== 'closed'; left -= 1) {
      this.#published += 1;
      const sequence = this.#published;
      const data = longest === 0 ? sequence : makePayload(sequence, dice.between(0, longest));
      history.published(name, sequence, subject);
      this.#world.countPoured();
      try {
        await bus.publish(subject, data);
      } catch (error) {
        this.#expect(error);
        this.#note({ op: 'unpublished', sequence, certain: true });
      }
    }
  }

  #pourConfirmed(subject: string): void {
    this.#published += 1;
    const sequence = this.#published;
    this.#note({ op: 'published', sequence, subject, confirm: true });
    this.#world.watch(this.#confirm(subject, makePayload(sequence, 0), { sequence, echo: true }));
  }

  async #confirm(
    subject: string,
    data: Uint8Array,
    options: { sequence: number; echo: boolean },
  ): Promise<void> {
    const { sequence, echo } = options;
    this.busy += 1;
    try {
      const receipt = await this.process.bus.publish(subject, data, { confirm: true, echo });
      this.#world.noteHeld();
      this.#note({ op: 'confirmed', sequence, ...receipt });
    } catch (error) {
      const { code } = this.#expect(error);
      this.#note({ op: 'unpublished', sequence, certain: code === 'MAILSLOT_OUTBOX_FULL' });
      this.#note({ op: 'unconfirmed', sequence, code });
    }
    this.busy -= 1;
  }

  // — reading —

  async read(plan: ReadingPlan): Promise<void> {
    const { pattern, overflow, capacity, stallTimeout } = plan;
    this.#slotCount += 1;
    const name = `${this.process.name}-${this.#slotCount}`;
    let slot: OpenSlot['slot'];
    this.busy += 1;
    try {
      slot = await this.process.bus.subscribe(pattern, { overflow, capacity, stallTimeout, gaps: true });
    } catch (error) {
      this.#expect(error);
      return;
    } finally {
      this.busy -= 1;
    }
    this.#note({ op: 'opened', slot: name, pattern, overflow, capacity });
    const open = { name, slot, overflow, items: 0 };
    this.#slots.set(name, open);
    await this.#readAll(open, plan);
    this.#slots.delete(name);
    this.#note({ op: 'closed', slot: name });
  }

  async #readAll(open: OpenSlot, plan: ReadingPlan): Promise<void> {
    switch (plan.by) {
      case 'read':
        return this.#readSingly(open, plan);
      case 'iteration':
        for await (const item of open.slot) {
          this.#take(open, item);
          const rest = this.#restAfter(plan);
          if (rest !== undefined) await rest;
        }
        return;
      case 'batches':
        for await (const items of open.slot.batches()) {
          for (const item of items) this.#take(open, item);
          const rest = this.#restAfter(plan);
          if (rest !== undefined) await rest;
        }
    }
  }

  async #readSingly(open: OpenSlot, plan: ReadingPlan): Promise<void> {
    for (;;) {
      try {
        this.#take(open, (await open.slot.read())!);
      } catch (error) {
        if (MailslotError.is(error, 'MAILSLOT_CLOSED')) return;
        throw error;
      }
      const rest = this.#restAfter(plan);
      if (rest !== undefined) await rest;
    }
  }

  #restAfter({ pause, rests }: ReadingPlan): Promise<void> | undefined {
    if (rests > 0 && this.#world.dice.chance(rests)) return this.#pause(1_000);
    return pause > 0 ? this.#pause(pause) : undefined;
  }

  #take(open: OpenSlot, item: Message | Gap): void {
    open.items += 1;
    if ('gap' in item) return this.#note({ op: 'gap', slot: open.name, missed: item.gap.missed });
    const { order, data } = item;
    const sender = this.#world.nameOf(item.sender);
    const epoch = this.process.epochOf(order);
    const place = { process: this.process.name, slot: open.name };
    this.#world.history.read(place, { sender, sequence: readPayload(data), order, epoch });
  }

  /** Writes down how much has come into the slots that are to hold what is confirmed. */
  noteHeld(): void {
    if (this.process.bus.state === 'closed') return;
    for (const { name, slot, overflow, items } of this.#slots.values()) {
      if (overflow === 'wait') this.#note({ op: 'held', slot: name, count: items + slot.info.messageCount });
    }
  }

  closeSlot(): void {
    for (const { slot } of this.#slots.values()) return void slot.close();
  }

  // — queries —

  /** @param slowness the longest time that an answer takes, ms */
  async respond(subject: string, slowness: number): Promise<void> {
    const { dice } = this.#world;
    await this.process.bus.respond(subject, async ({ data }) => {
      this.#note({ op: 'handled', query: String(data) });
      if (dice.chance(0.7)) await this.#pause(slowness);
      if (dice.chance(0.1)) throw new Error('no answer to that');
      return data;
    });
    this.#note({ op: 'responding', subject });
  }

  async ask(plan: AskingPlan): Promise<void> {
    this.busy += 1;
    while (this.#asked < plan.count && this.process.bus.state !== 'closed') {
      this.#world.watch(this.#askOne(plan.subject));
      await this.#pause(plan.pause);
    }
    this.busy -= 1;
  }

  async #askOne(subject: string): Promise<void> {
    const { bus, name } = this.process;
    this.#asked += 1;
    const query = `${name}-q${this.#asked}`;
    const timeout = this.#world.dice.between(20, 4_000);
    this.busy += 1;
    this.#note({ op: 'asked', query, subject, timeout });
    try {
      const { data } = await bus.query(subject, query, { timeout });
      if (data !== query) throw new Error(`query ${query} was answered with ${data}`);
      this.#note({ op: 'answered', query, outcome: 'reply' });
    } catch (error) {
      this.#note({ op: 'answered', query, outcome: this.#expect(error).code });
    }
    this.busy -= 1;
  }

  // — claims —

  async claim({ count, names, hold, pause }: ClaimingPlan): Promise<void> {
    const { dice } = this.#world;
    this.busy += 1;
    for (let owned = 0; owned < count && this.process.bus.state !== 'closed'; owned += 1) {
      await this.#own(dice.pick(names), hold);
      await this.#pause(pause);
    }
    this.busy -= 1;
  }

  async #own(name: string, hold: number): Promise<void> {
    let claim: Claim;
    try {
      claim = await this.process.bus.claim(name);
    } catch (error) {
      this.#expect(error);
      return;
    }
    const { token } = claim;
    this.#note({ op: 'granted', name, token });
    let isOver = false;
    const ended = (how: 'released' | 'lost'): void => {
      if (isOver) return;
      isOver = true;
      this.#note({ op: 'ungranted', name, token, how });
    };
    void claim.lost.then(() => ended('lost'));
    await this.#pause(hold);
    ended('released');
    await claim.release();
  }

  // — writing down —

  /** A failure that the interface knows; anything else ends the run. */
  #expect(error: unknown): { code: string } {
    if (MailslotError.is(error)) return { code: error.code };
    throw error;
  }

  #pause(longest: number): Promise<void> {
    return wait(this.process.thread.clock, this.#world.dice.delay(0, longest));
  }

  #note(record: Anonymous<HistoryRecord>): void {
    this.#world.note({ process: this.process.name, ...record } as Untimed<HistoryRecord>);
  }
}
