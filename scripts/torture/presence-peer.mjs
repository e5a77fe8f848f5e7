// One process of presence.ts: hosts, watches who leaves, or is there to be killed.
import { openBus, startHost } from 'mailslot';

const { directory, role } = JSON.parse(process.argv[2]);
process.on('disconnect', () => process.exit());

if (role === 'host') {
  await startHost('test', { directory });
  process.send({ id: 'host' });
} else {
  const bus = await openBus('test', { directory, host: 'never', timeout: 30_000 });
  if (role === 'watcher') await bus.peers();
  process.send({ id: bus.id });
  if (role === 'watcher')
    for await (const { type, peer, cause } of bus.events())
      if (type === 'peer-left')
        process.send({ left: peer.id, cause, at: Number(process.hrtime.bigint()) / 1e6 });
}
