// Many Buses in one process, for storm.ts: says when all have come onto the bus, and from then on which of them came to which
// host, and when one lost it. It looks every few milliseconds: with a thousand that listen to events, each of which tells
// of each other's coming, those would be what is measured.
import { openBus } from 'mailslot';

const LOOK_INTERVAL = 5;

const [directory, count] = process.argv.slice(2);
const options = { directory, timeout: 30_000, hostThread: 'worker' };
const buses = await Promise.all(Array.from({ length: Number(count) }, () => openBus('test', options)));
process.on('disconnect', () => process.exit());

/** Epoch 0: none. */
const epochOf = (bus) => (bus.state === 'connected' ? bus.epoch : 0);

const epochs = buses.map(epochOf);
setInterval(() => {
  const at = Number(process.hrtime.bigint()) / 1e6;
  for (const [link, bus] of buses.entries()) {
    const epoch = epochOf(bus);
    if (epoch === epochs[link]) continue;
    epochs[link] = epoch;
    process.send({ link, epoch, at });
  }
}, LOOK_INTERVAL);
process.send('ready');
