// The entry of a host's worker thread. It talks to host-thread.ts in the messages defined there. It is bundled as a
// classic script, and so must not wait at its top level.
import { parentPort, workerData } from 'node:worker_threads';
import { socketEndpoints } from '../transport/socket-pipe.js';
import { systemClock } from '../util/clock.js';
import { peerIdAt } from '../wire/peer-id.js';
import type { Host } from './api.js';
import { runHost } from './host.js';
import type { FoundDead, HostCommand, HostNews, HostThreadData } from './host-thread.js';
import { rehearse } from './rehearsal.js';

const port = parentPort;
if (port === null) throw new Error('host-worker runs as a worker thread only');
const { bus, ownerId } = workerData as HostThreadData;
const tell = (news: HostNews): void => port.postMessage(news);
const clock = systemClock;
const endpoints = socketEndpoints(clock);
const rehearsal = new AbortController();
let host: Host | undefined;

port.on('message', (command: HostCommand) => {
  if (command.do === 'stand') void stand(command);
  // without it everything works as well
  else if (command.do === 'rehearse')
    rehearse({ bus, clock, endpoints, signal: rehearsal.signal }).catch(() => {});
  else if (command.do === 'drain') void host?.drain();
  else void host?.close();
});

async function stand({ dead, lastEpoch, hung }: FoundDead): Promise<void> {
  rehearsal.abort();
  try {
    host = await runHost({
      bus,
      dead,
      lastEpoch,
      hung,
      clock,
      endpoints,
      ownerId: ownerId && peerIdAt(ownerId, 0),
      onPeersChanged: (peers) => tell({ news: 'peers', peers }),
    });
    if (host === undefined) tell({ news: 'lost' });
    else await reign(host);
  } catch (error) {
    tell({ news: 'failed', error: portable(error) });
  }
}

async function reign({ epoch, endpoint, closed }: Host): Promise<void> {
  tell({ news: 'serving', epoch, endpoint });
  const cause = await closed;
  tell({ news: 'ended', cause });
  port?.close();
}

/** An error as plain data: copied between threads it would lose its code, and so would its cause. */
function portable(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return { ...error, message: error.message, cause: portable(error.cause) };
}
