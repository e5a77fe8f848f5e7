// A running host: a won epoch and the relay that serves it. It runs in whatever thread calls runHost.
import type { BusDirectory } from '../transport/bus-directory.js';
import type { Endpoints } from '../transport/pipe.js';
import { standForElection } from '../transport/reign.js';
import type { Clock } from '../util/clock.js';
import { PEER_ID_BYTES, type PeerId, peerIdAt } from '../wire/peer-id.js';
import { Relay } from './relay.js';

/** A host, in this thread or another one of this process. */
export interface Host extends AsyncDisposable {
  readonly epoch: number;
  /** Socket path or pipe name. */
  readonly endpoint: string;
  /** How many peers have a link at present. */
  readonly peers: number;
  /** Resolves when the host has ended: to undefined after `close`, else to the reason. */
  readonly closed: Promise<Error | undefined>;
  /** Lets open queries finish, then closes. */
  drain(): Promise<void>;
  /** Says goodbye to all peers and ends. */
  close(): Promise<void>;
}

export interface RunHostOptions {
  bus: BusDirectory;
  /** The epoch that was found dead. */
  dead: number;
  clock: Clock;
  endpoints: Endpoints;
  /** The peer in whose process the host runs, if it has one. */
  ownerId?: PeerId | undefined;
  onPeersChanged?: (count: number) => void;
}

/** Stands for election and serves; undefined when somebody else won. */
export async function runHost(options: RunHostOptions): Promise<Host | undefined> {
  const { bus, dead, clock, endpoints, ownerId, onPeersChanged } = options;
  const hostId = peerIdAt(clock.randomBytes(PEER_ID_BYTES), 0);
  const epoch = dead + 1;
  let end: (cause: Error | undefined) => void = () => {};
  const closed = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  const relay = new Relay({ clock, epoch, hostId, ownerId, ...(onPeersChanged ? { onPeersChanged } : {}) });
  const reign = await standForElection(bus, {
    dead,
    clock,
    endpoints,
    hostId: hostId.bytes,
    onLink: ({ pipe, peerId }) => relay.admit(pipe, peerIdAt(peerId, 0)),
    onFenced: () => {
      relay.destroy();
      end(new Error(`epoch ${epoch} was overtaken, or its pointer was removed`));
    },
  }).catch((error: unknown) => {
    relay.destroy();
    throw error;
  });
  if (reign === undefined) {
    relay.destroy();
    return undefined;
  }
  reign.serve();
  relay.openGate(0);
  void reign.prune(epoch);
  const close = async (): Promise<void> => {
    relay.close('closed', 'the host was closed');
    await reign.close();
    end(undefined);
  };
  return {
    epoch,
    endpoint: reign.endpoint,
    get peers() {
      return relay.peers;
    },
    closed,
    drain: close,
    close,
    [Symbol.asyncDispose]: close,
  };
}
