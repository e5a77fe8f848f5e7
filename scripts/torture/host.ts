// Damaged streams at a host, while two innocent peers go on: nothing of theirs may be lost, doubled or late.
//   npx tsx scripts/torture/host.ts [seconds] [seed]
import { openBus, type Slot, startHost } from 'mailslot';
import { fuzzHost } from '../fuzz/link-fuzzer.js';
import { inTime, runPart } from './part.js';

const STREAMS_PER_ROUND = 100;
const MESSAGES_PER_ROUND = 20;

await runPart(async ({ directory, random, goOn }) => {
  const host = await startHost('test', { directory });
  const [sender, receiver] = await Promise.all(
    ['sender', 'receiver'].map((label) => openBus('test', { directory, label, host: 'never' })),
  );
  const slot = await receiver!.subscribe<number>('innocent');
  const total = { streams: 0, bytes: 0, cut: 0 };
  let count = 0;
  while (goOn()) {
    const attack = fuzzHost({ directory, random, goOn: (streams) => streams < STREAMS_PER_ROUND });
    for (let i = 0; i < MESSAGES_PER_ROUND; i += 1) {
      await inTime(sender!.publish('innocent', count, { confirm: true }), `message ${count}`);
      await expectNext(slot, count);
      count += 1;
    }
    const { streams, bytes, cut } = await inTime(attack, 'an attack');
    total.streams += streams;
    total.bytes += bytes;
    total.cut += cut;
  }
  if (receiver!.stats().reconnects + sender!.stats().reconnects > 0)
    throw new Error('an innocent peer was cut');
  await Promise.all([sender!.close(), receiver!.close()]);
  await host.close();
  return `host: ${total.streams} streams, ${total.bytes} bytes, ${total.cut} links cut, ${count} innocent messages, nothing found`;
});

async function expectNext(slot: Slot<number>, expected: number): Promise<void> {
  const message = await inTime(slot.read(), `reading message ${expected}`);
  if (message?.data !== expected) throw new Error(`message ${message?.data} came in place of ${expected}`);
}
