// The entry of a host's worker thread. It talks to host-thread.ts in the messages defined there.
import { parentPort, workerData } from 'node:worker_threads';
import { socketEndpoints } from '../transport/socket-pipe.js';
import { systemClock } from '../util/clock.js';
import { peerIdAt } from '../wire/peer-id.js';
import { runHost } from './host.js';
import type { HostCommand, HostNews, HostThreadData } from './host-thread.js';

const port = parentPort;
if (port === null) throw new Error('host-worker runs as a worker thread only');
const { bus, dead, lastEpoch, ownerId } = workerData as HostThreadData;
const tell = (news: HostNews): void => port.postMessage(news);

try {
  const host = await runHost({
    bus,
    dead,
    lastEpoch,
    clock: systemClock,
    endpoints: socketEndpoints(systemClock),
    ownerId: ownerId && peerIdAt(ownerId, 0),
    onPeersChanged: (peers) => tell({ news: 'peers', peers }),
  });
  if (host === undefined) {
    tell({ news: 'lost' });
    port.close();
  } else {
    port.on('message', (command: HostCommand) => void (command === 'drain' ? host.drain() : host.close()));
    tell({ news: 'serving', epoch: host.epoch, endpoint: host.endpoint });
    const cause = await host.closed;
    tell({ news: 'ended', cause });
    port.close();
  }
} catch (error) {
  tell({ news: 'failed', error });
  port.close();
}
