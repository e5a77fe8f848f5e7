// Waiting for what must come about. Nothing here sleeps for a guessed time: it looks until it holds, or fails.
import type { Bus, BusEvent, Message, Slot } from 'mailslot';

const PATIENCE = 12_000;

/** Resolves to the first truthy value of `look`, which is called again and again. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  what = 'the condition',
): Promise<NonNullable<T>> {
  const start = performance.now();
  for (;;) {
    const value = await look();
    if (value) return value as NonNullable<T>;
    if (performance.now() - start > PATIENCE) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The next `count` messages of a slot. */
export async function take<T>(slot: Slot<T>, count: number): Promise<Message<T>[]> {
  const messages: Message<T>[] = [];
  while (messages.length < count) {
    const message = await slot.read({ timeout: PATIENCE });
    if (message === undefined) throw new Error(`only ${messages.length} of ${count} messages came`);
    messages.push(message);
  }
  return messages;
}

/** The data of the next `count` messages. */
export async function takeData<T>(slot: Slot<T>, count: number): Promise<T[]> {
  return (await take(slot, count)).map((message) => message.data);
}

/** Whether a promise is still pending after everything that is ready now has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open');
  const turn = new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(open))));
  return (await Promise.race([promise.catch(() => {}), turn])) === open;
}

type EventOf<Type extends BusEvent['type']> = Extract<BusEvent, { type: Type }>;

/** Everything that happens on a bus from now on. */
export class EventLog {
  readonly all: BusEvent[] = [];
  readonly ended: Promise<void>;

  constructor(bus: Bus) {
    this.ended = this.#listen(bus);
  }

  get types(): BusEvent['type'][] {
    return this.all.map((event) => event.type);
  }

  of<Type extends BusEvent['type']>(type: Type): EventOf<Type>[] {
    return this.all.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** The first event of this type that matches, past or future. */
  first<Type extends BusEvent['type']>(
    type: Type,
    matches: (event: EventOf<Type>) => boolean = () => true,
  ): Promise<EventOf<Type>> {
    return eventually(() => this.of(type).find(matches), `event ${type}`);
  }

  async #listen(bus: Bus): Promise<void> {
    for await (const event of bus.events()) this.all.push(event);
  }
}
