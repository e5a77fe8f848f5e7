// Attacks a Bus that is busy with everything a host can interfere with, and closes it. What it was busy with must
// settle: who calls it gets an error otherwise.
import type { Bus, BusEvent, openBus } from 'mailslot';
import type { FalseHost } from './link-fuzzer.js';
import type { SeededRandom } from './seeded-random.js';

const PATIENCE = 10_000;

export interface BusFuzzOptions {
  /** Of the package that is tested, which may be the built one. */
  openBus: typeof openBus;
  directory: string;
  host: FalseHost;
  random: SeededRandom;
}

/** Opens a Bus, attacks it, and closes it; resolves to what ended it before, if anything. */
export async function fuzzBus({ openBus, directory, host, random }: BusFuzzOptions): Promise<unknown> {
  const bus = await openBus('test', { directory, host: 'never', timeout: PATIENCE });
  const work = keepBusy(bus);
  await host.attack(random);
  let cause: unknown;
  void bus.closed.then((error) => {
    cause = error;
  });
  await new Promise((resolve) => setImmediate(resolve));
  await inTime(bus.close(), 'close()');
  await inTime(Promise.all(work), 'what was under way');
  return cause;
}

/** Something of everything that a host can interfere with. */
function keepBusy(bus: Bus): Promise<unknown>[] {
  const settled = (work: Promise<unknown>) => work.then(look, look);
  const all = async (items: AsyncIterable<unknown>) => {
    for await (const item of items) look(item);
  };
  return [
    settled(bus.subscribe('fuzz.>', { gaps: true }).then(all)),
    settled(bus.subscribe('fuzz.a', (message) => look(message))),
    settled(bus.respond('fuzz.ask', ({ data }) => data)),
    settled(bus.publish('fuzz.a', 1, { confirm: true })),
    settled(bus.query('fuzz.ask', 1)),
    settled(all(bus.queryAll('fuzz.ask', 1))),
    settled(bus.peers()),
    settled(all(bus.events() as AsyncIterable<BusEvent>)),
  ];
}

/** Reads everything of what came, as a program would. */
function look(thing: unknown): void {
  if (typeof thing !== 'object' || thing === null) return;
  for (const name of ['data', 'headers', 'sender', 'order', 'error', 'retained', 'redelivered']) {
    void (thing as Record<string, unknown>)[name];
  }
  if ('time' in thing) (thing.time as Date).toISOString();
}

async function inTime(work: Promise<unknown>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not settle`)), PATIENCE);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
