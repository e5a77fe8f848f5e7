// What a thread does that is kept ready: for a moment it hosts a bus that nobody else knows, and joins it some times. After a
// take-over all peers come at once, and V8 takes several times as long for what it has never run before (decision 35).
import type { BusDirectory } from '../transport/bus-directory.js';
import { readOrCreateKey } from '../transport/bus-key.js';
import { connectLink } from '../transport/link.js';
import type { Endpoints, Pipe } from '../transport/pipe.js';
import { withScratchBus } from '../transport/scratch-bus.js';
import type { Clock } from '../util/clock.js';
import { controlFrame, type Join, PROTOCOL_MINOR } from '../wire/control.js';
import { PEER_ID_BYTES, type PeerId, peerIdAt } from '../wire/peer-id.js';
import type { Host } from './api.js';
import { runHost } from './host.js';

/** More gained nothing; measured with 1, 5 and 20. */
const PEERS = 5;

const join: Join = {
  minor: PROTOCOL_MINOR,
  label: 'rehearsal',
  pid: process.pid,
  mayHost: true,
  lastEpoch: 0,
  highestOrder: 0,
  firstUnsettled: 1,
  slots: [{ id: 1, role: 'slot', pattern: 'rehearsal.*' }],
};

export interface RehearsalOptions {
  /** Among its drafts the other one has its place. */
  bus: BusDirectory;
  clock: Clock;
  endpoints: Endpoints;
  /** Aborts when the thread is needed: what has begun is then cleared away only. */
  signal: AbortSignal;
}

/** Resolves when it is over, or `signal` has aborted. Rejects where no bus can be hosted there. */
export async function rehearse(options: RehearsalOptions): Promise<void> {
  const { bus, clock, endpoints, signal } = options;
  if (signal.aborted) return;
  await withScratchBus(bus, clock, async (scratch) => {
    const host = await runHost({ bus: scratch, dead: 0, lastEpoch: 0, clock, endpoints });
    if (host === undefined) return;
    const pipes: Pipe[] = [];
    try {
      await joinSeveralTimes(host, scratch, pipes, options);
    } finally {
      for (const pipe of pipes) pipe.destroy();
      // before its folder goes: a host whose files vanish puts them back for the next one
      await host.close();
    }
  });
}

async function joinSeveralTimes(
  { epoch, endpoint }: Host,
  scratch: BusDirectory,
  pipes: Pipe[],
  { clock, endpoints, signal }: RehearsalOptions,
): Promise<void> {
  const key = await readOrCreateKey(scratch, clock);
  while (pipes.length < PEERS && !signal.aborted) {
    const id = peerIdAt(clock.randomBytes(PEER_ID_BYTES), 0);
    const { pipe } = await connectLink({ clock, endpoints, key, endpoint, epoch, peerId: id.bytes });
    pipes.push(pipe);
    await joined(pipe, id);
  }
}

/** Resolves when the host has answered JOIN, or ended. */
function joined(pipe: Pipe, id: PeerId): Promise<void> {
  return new Promise((resolve) => {
    let isWelcome = false;
    pipe.handlers = {
      data() {
        if (isWelcome) return resolve();
        isWelcome = true;
        pipe.write([controlFrame('JOIN', id.bytes, join)]);
      },
      drained() {},
      closed: () => resolve(),
    };
  });
}
