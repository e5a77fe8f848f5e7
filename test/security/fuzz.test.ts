// PROMISES.md P1, the short form: damaged streams of frames, with a fixed seed, at a living host and at a living
// Bus. Nothing may crash, hang, or reach an innocent peer. The makers are in scripts/fuzz.
import { MailslotError, openBus } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { fuzzBus } from '../../scripts/fuzz/bus-fuzzer.js';
import { FalseHost, fuzzHost } from '../../scripts/fuzz/link-fuzzer.js';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import { Kind } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';
import { linkedRawPeer } from '../support/raw-peer.js';
import { afterwards, busFolder, joinBus } from '../support/scratch.js';
import { EventLog, take } from '../support/waiting.js';
import { Bystanders } from './bystanders.js';

const HOST_STREAMS = 1_000;
const BUS_ROUNDS = 250;

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
      const cause = await fuzzBus({ openBus, directory, host, random }).catch((error: unknown) => {
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

describe('a host that talks nonsense about peers', () => {
  const nonsense = [null, 7, [], {}, { id: 1 }].map((value) => Buffer.from(encodeValue(value)));

  it('is not believed, and harms no Bus', async () => {
    const directory = busFolder();
    const host = await FalseHost.reign(directory);
    afterwards(() => host.close());
    const bus = await joinBus(directory, { host: 'never' });
    const events = new EventLog(bus);
    await using slot = await bus.subscribe('last');
    for (const data of nonsense) {
      host.say({ kind: Kind.publish, subject: '$presence.joined', order: 2, data });
      host.say({ kind: Kind.publish, subject: '$presence.left', order: 2, data });
    }
    const { asked: before } = bus.stats().queries;
    const asked = nonsense.map(() => bus.peers());
    nonsense.forEach((data, i) => {
      host.say({ kind: Kind.reply, ref: before + i + 1, to: Buffer.from(bus.id, 'hex'), data });
    });
    const outcomes = await Promise.allSettled(asked);
    // an empty list is one, if an odd one
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.code)).toEqual([
      'MAILSLOT_PROTOCOL_VIOLATION',
      'MAILSLOT_PROTOCOL_VIOLATION',
      false,
      'MAILSLOT_PROTOCOL_VIOLATION',
      'MAILSLOT_PROTOCOL_VIOLATION',
    ]);
    host.say({ kind: Kind.publish, subject: 'last', order: 3, data: nonsense[1]! });
    await take(slot, 1);
    expect([bus.state, ...events.types]).toEqual(['connected']);
  });
});
