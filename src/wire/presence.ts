// What the host says about peers: entries of the reply to `$peers`, and the data of `$presence.joined` and
// `$presence.left`.

/** Why a peer left: it said goodbye, its link ended, it fell silent, or the host refused it. */
export type LeaveCause = 'closed' | 'crashed' | 'unresponsive' | 'refused';

export interface PeerInfo {
  /** Peer id, hex. */
  id: string;
  /** What it was given as `label`, else the name of its script. */
  label: string;
  pid: number;
  /** Whether this peer has started the host that runs. */
  hosting: boolean;
  /** ms since 1970, by the host's clock */
  connectedAt: number;
  /** How many slots it has open. */
  slots: number;
  /** How many responders it has open. */
  responders: number;
}

/** Data of `$presence.left`. */
export interface PeerLeft extends PeerInfo {
  cause: LeaveCause;
}

/** Whether a value that a host sent describes a peer. Further properties may be those of a later version. */
export function isPeerInfo(value: unknown): value is PeerInfo {
  if (typeof value !== 'object' || value === null) return false;
  const { id, label, pid, hosting, connectedAt, slots, responders } = value as Record<string, unknown>;
  return (
    typeof id === 'string' &&
    typeof label === 'string' &&
    typeof hosting === 'boolean' &&
    [pid, connectedAt, slots, responders].every((count) => typeof count === 'number')
  );
}
