// A running host: a won epoch and the relay that serves it. It runs in whatever thread calls runHost.
import { HOST_QUERY_GRACE, HOST_SETTLE_GRACE, MESSAGE_SWEEP_INTERVAL } from '../limits.js';
import type { BusDirectory } from '../transport/bus-directory.js';
import { MessageFolder, sweepMessageFiles } from '../transport/message-files.js';
import type { Endpoints } from '../transport/pipe.js';
import { removeStrays } from '../transport/private-file.js';
import { isProcessGone } from '../transport/process-liveness.js';
import { type Reign, standForElection } from '../transport/reign.js';
import { RetainedFile, readRetained, readWills } from '../transport/retained-file.js';
import { type Roster, RosterFile, readLastRoster } from '../transport/roster.js';
import type { Clock, Timer } from '../util/clock.js';
import { type Inspect, inspected, show } from '../util/inspection.js';
import { PEER_ID_BYTES, type PeerId, peerIdAt } from '../wire/peer-id.js';
import type { Host } from './api.js';
import { Gate } from './gate.js';
import { Relay } from './relay.js';

export interface RunHostOptions {
  bus: BusDirectory;
  /** The epoch that was found dead. */
  dead: number;
  /** The last epoch that the peer in this process was on; 0 if none. */
  lastEpoch: number;
  /** The process of the host before, when it is there and answers nobody. */
  hung?: number | undefined;
  clock: Clock;
  endpoints: Endpoints;
  /** The peer in whose process the host runs, if it has one. */
  ownerId?: PeerId | undefined;
  onPeersChanged?: (count: number) => void;
}

/** Stands for election and serves; undefined when somebody else won. Peers are let in once its gate opens. */
export async function runHost(options: RunHostOptions): Promise<Host | undefined> {
  const { bus, dead, lastEpoch, clock, endpoints, ownerId, onPeersChanged } = options;
  const hostId = peerIdAt(clock.randomBytes(PEER_ID_BYTES), 0);
  const epoch = dead + 1;
  const roster = new RosterFile(bus, epoch, clock);
  let relay: Relay | undefined;
  let end: (cause: Error | undefined) => void = () => {};
  const closed = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  const reign = await standForElection(bus, {
    dead,
    clock,
    endpoints,
    hostId: hostId.bytes,
    onLink: ({ pipe, peerId }) => relay?.admit(pipe, peerIdAt(peerId, 0)),
    onFenced: () => {
      roster.restore();
      relay?.destroy();
      end(new Error(`epoch ${epoch} was overtaken, or its pointer was removed`));
    },
  });
  if (reign === undefined) return undefined;
  const last = await readRosterBefore(reign, bus, clock);
  if (!reign.stillReigns()) return undefined;
  const files = new MessageFolder(bus, hostId.hex, clock);
  let sweeping: Timer | undefined;
  const sweep = (): void => {
    sweepMessageFiles(bus, clock, (id) => relay?.needsFilesOf(id) ?? true);
    removeStrays(bus, clock);
    sweeping = clock.setTimer(MESSAGE_SWEEP_INTERVAL, sweep);
  };
  void closed.then(() => {
    roster.close();
    sweeping?.cancel();
  });
  const gate = new Gate({
    clock,
    last,
    lastEpoch,
    hung: options.hung,
    roster,
    isGone: isProcessGone,
    onOpen: (previous, absent) => {
      relay?.openGate(previous, absent);
      void reign.prune(epoch);
      // at once: on a bus of programs that run for seconds no host lives long enough for a second time
      sweep();
    },
  });
  relay = new Relay({
    clock,
    epoch,
    hostId,
    ownerId,
    gate,
    files,
    stillReigns: () => reign.isSure(),
    isGone: isProcessGone,
    ...(onPeersChanged ? { onPeersChanged } : {}),
  });
  relay.retainIn(new RetainedFile(bus, epoch, clock), readRetained(bus, epoch));
  relay.keepWillsIn(new RetainedFile(bus, epoch, clock, 'w'), readWills(bus, epoch));
  reign.serve();
  gate.start();
  const closing = new Closing(relay, reign, () => end(undefined));
  const close = (): Promise<void> => closing.close();
  const host = {
    epoch,
    endpoint: reign.endpoint,
    get peers() {
      return relay?.peers ?? 0;
    },
    closed,
    drain: close,
    close,
    [Symbol.asyncDispose]: close,
    [inspected](...args: [number, object, Inspect]) {
      return show('Host', { epoch, endpoint: reign.endpoint, peers: relay?.peers ?? 0 }, args);
    },
  };
  return host;
}

async function readRosterBefore(reign: Reign, bus: BusDirectory, clock: Clock): Promise<Roster | undefined> {
  try {
    return await readLastRoster(bus, reign.epoch, clock);
  } catch (error) {
    await reign.close();
    throw error;
  }
}

/** The hand-over: everybody is served until no query is open, then all leave at once for the next host. */
class Closing {
  readonly #relay: Relay;
  readonly #reign: Reign;
  readonly #onClosed: () => void;
  #closed: Promise<void> | undefined;

  constructor(relay: Relay, reign: Reign, onClosed: () => void) {
    this.#relay = relay;
    this.#reign = reign;
    this.#onClosed = onClosed;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#relay.whenQueriesEnd(HOST_QUERY_GRACE);
    await this.#relay.whenSettled(HOST_SETTLE_GRACE);
    // nobody may come back to this host: the endpoint goes first, and in the same turn the goodbyes
    const unreachable = this.#reign.close();
    await this.#relay.close('closed', 'the host was closed');
    await unreachable;
    this.#onClosed();
  }
}
