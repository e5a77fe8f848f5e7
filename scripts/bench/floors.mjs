// What the project holds itself to, beside what was measured. Fan-out and query floors are ratios to a plain
// relay in the same run, the others absolute. Reaching the floor is the least, not the aim.

const KB = 1000;

/** At least this share of what a plain relay's receivers get in messages per second, by message size. */
export function fanOutFloor(size) {
  if (size <= 16) return 0.18;
  return size <= 128 ? 0.4 : 0.7;
}

/** At most this multiple of the plain relay's two-hop echo, median round trip. */
export const QUERY_P50_CEILING = 1.4;
/** Milliseconds, median, in a process that already runs. */
export const JOIN_CEILING = 15;
export const BECOME_HOST_CEILING = 100;
/** Resident bytes of the host per idle peer. */
export const PEER_MEMORY_CEILING = 40 * KB;
/** A message beside a subscriber that takes nothing, by one without it: 95 % of the throughput is left. */
export const STALLED_COST_CEILING = 1 / 0.95;
/** A message on one of many subjects, or to one of many subscribers or patterns, by one with few of them. */
export const GROWTH_CEILING = 1.2;
/** Per cent of one core, all processes of a bus with 20 peers together. */
export const IDLE_CPU_CEILING = 0.5;
