// Many Buses in one process, for storm.ts: says when all have come onto the bus, and when all are back on the next host.
import { openBus } from 'mailslot';

const [directory, count] = process.argv.slice(2);
const options = { directory, timeout: 30_000, hostThread: 'worker' };
const buses = await Promise.all(Array.from({ length: Number(count) }, () => openBus('test', options)));
process.on('disconnect', () => process.exit());

async function isBack(bus) {
  for await (const event of bus.events()) if (event.type === 'connected') return event.epoch;
}

const back = Promise.all(buses.map(isBack));
process.send('ready');
const epochs = [...new Set(await back)];
process.send({ epochs, at: Number(process.hrtime.bigint()) / 1e6 });
