// Many Buses in one process, for storm.ts: says when all have come onto the bus, and from then on which of them came to which
// host, and when one lost it.
import { openBus } from 'mailslot';

const [directory, count] = process.argv.slice(2);
const options = { directory, timeout: 30_000, hostThread: 'worker' };
const buses = await Promise.all(Array.from({ length: Number(count) }, () => openBus('test', options)));
process.on('disconnect', () => process.exit());

/** Epoch 0: none. */
async function tell(bus, link) {
  for await (const { type, epoch } of bus.events()) {
    if (type !== 'connected' && type !== 'disconnected') continue;
    const at = Number(process.hrtime.bigint()) / 1e6;
    process.send({ link, epoch: type === 'connected' ? epoch : 0, at });
  }
}

for (const [link, bus] of buses.entries()) void tell(bus, link);
process.send('ready');
