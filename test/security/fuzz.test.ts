// PROMISES.md P1, the short form: damaged streams of frames, with a fixed seed, at a living host and at a living
// Bus. Nothing may crash, hang, or reach an innocent peer. The makers are in scripts/fuzz.
import { type Bus, type BusEvent, MailslotError, openBus } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { FalseHost, fuzzHost } from '../../scripts/fuzz/link-fuzzer.js';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import { linkedRawPeer } from '../support/raw-peer.js';
import { afterwards, busFolder } from '../support/scratch.js';
import { Bystanders } from './bystanders.js';

const HOST_STREAMS = 2_000;
const BUS_ROUNDS = 500;
const PATIENCE = 10_000;

describe('damaged streams', () => {
  it(`to a host: ${HOST_STREAMS} harm nobody`, { timeout: 120_000 }, async () => {
    const innocents = await Bystanders.meet();
    const random = new SeededRandom(1);
    let sent = 0;
    let cut = 0;
    while (sent < HOST_STREAMS) {
      const { directory } = innocents;
      const counts = await fuzzHost({ directory, random, goOn: (streams) => streams < HOST_STREAMS / 10 });
      sent += counts.streams;
      cut += counts.cut;
      await innocents.noticeNothing();
      await (await (await linkedRawPeer(directory)).join()).isServed();
    }
    await innocents.part();
    // were all of them cut, or none, the streams would test little
    expect(cut).toBeGreaterThan(HOST_STREAMS / 4);
    expect(cut).toBeLessThan(HOST_STREAMS);
  });

  it(`to a Bus: after each of ${BUS_ROUNDS} it lives, or ends with MAILSLOT_PROTOCOL_VIOLATION`, {
    timeout: 120_000,
  }, async () => {
    const directory = busFolder();
    const host = await FalseHost.reign(directory);
    afterwards(() => host.close());
    const random = new SeededRandom(2);
    const ends = { alive: 0, violated: 0 };
    for (let round = 0; round < BUS_ROUNDS; round += 1) {
      const cause = await surviveAttack(directory, host, random).catch((error: unknown) => {
        throw new Error(`in round ${round}`, { cause: error });
      });
      if (cause === undefined) ends.alive += 1;
      else {
        expect(MailslotError.is(cause, 'MAILSLOT_PROTOCOL_VIOLATION'), String(cause)).toBe(true);
        ends.violated += 1;
      }
    }
    expect(ends.alive).toBeGreaterThan(BUS_ROUNDS / 10);
    expect(ends.violated).toBeGreaterThan(BUS_ROUNDS / 4);
  });
});

/** Opens a busy Bus, attacks it, and closes it; resolves to what ended it before, if anything. */
async function surviveAttack(directory: string, host: FalseHost, random: SeededRandom): Promise<unknown> {
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
