// One peer of take-over-times.ts: says when it is connected, to which epoch, and whether it hosts.
import { openBus } from 'mailslot';

const bus = await openBus('test', { directory: process.argv[2], timeout: 30_000 });
const report = (epoch, hosting) =>
  process.send({ epoch, hosting, at: Number(process.hrtime.bigint()) / 1e6 });
process.on('disconnect', () => process.exit());
report(bus.epoch, bus.hosting);
for await (const event of bus.events()) if (event.type === 'connected') report(event.epoch, event.hosting);
