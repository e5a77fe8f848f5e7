// One peer of take-over-times.ts: says when it is connected, to which epoch, and whether it hosts, and when the first message
// came after that. With a second argument it never hosts, and publishes one every 10 ms, whatever happens.
import { openBus } from 'mailslot';

const [directory, publishes] = process.argv.slice(2);
const PUBLISH_INTERVAL = 10;
const bus = await openBus('test', { directory, timeout: 30_000, host: publishes ? 'never' : 'auto' });
const now = () => Number(process.hrtime.bigint()) / 1e6;
let isHeard = true;
process.on('disconnect', () => process.exit());

async function listen() {
  for await (const _ of await bus.subscribe('beat')) {
    if (isHeard) continue;
    isHeard = true;
    process.send({ said: 'heard', at: now() });
  }
}

function report(epoch, hosting) {
  isHeard = false;
  process.send({ said: 'connected', epoch, hosting, at: now() });
}

void listen();
if (publishes) setInterval(() => bus.publish('beat', 'tick').catch(() => {}), PUBLISH_INTERVAL);
report(bus.epoch, bus.hosting);
for await (const event of bus.events()) if (event.type === 'connected') report(event.epoch, event.hosting);
