// What this bus is meant to reach beside other systems: its figure divided by theirs, in the same run. Limits (floors.mjs)
// are the least; these are the aim.
import { formatRatio, formatSpread, judge } from './report.mjs';
import { MESSAGE_REFERENCE } from './systems.mjs';

const KiB = 1024;
const MANY_RECEIVERS = 16;

function fanOutAims({ size, receivers }) {
  if (receivers === 1) {
    return {
      nats: pick(size, { small: 3, kib: 2.5, kib16: 2, mib: 3.5 }),
      [MESSAGE_REFERENCE]: pick(size, { tiny: 0.22, small: 0.5, kib: 0.85, kib16: 0.85, mib: 1.3 }),
    };
  }
  const isMib = size > 16 * KiB;
  return {
    nats: receivers >= MANY_RECEIVERS && !isMib ? 5 : 3,
    [MESSAGE_REFERENCE]: pick(size, { tiny: 0.3, small: 0.6, kib: 1.1, kib16: 1.1, mib: 1.1 }),
    ...(isMib ? { zeromq: 1 } : {}),
  };
}

function pick(size, { small, tiny = small, kib, kib16, mib }) {
  if (size <= 16) return tiny;
  if (size <= 128) return small;
  if (size <= KiB) return kib;
  return size <= 16 * KiB ? kib16 : mib;
}

const aims = {
  'fan-out': fanOutAims,
  objects: () => ({ nats: 2 }),
  query: ({ unit }) =>
    unit === 'µs' ? { nats: 0.6, zeromq: 1, 'plain-relay': 1.2 } : { nats: 4, 'plain-relay': 0.35 },
  latency: ({ label }) => (label === 'p99 of the slowest receiver' ? { nats: 0.6, 'plain-relay': 1.2 } : {}),
  memory: ({ label }) => (label === '1000 peers, resident' ? { nats: 1, 'plain-relay': 2 } : {}),
};

export const AIM_COLUMNS = ['aims', 'beside', 'mailslot ÷ it', 'aim', ''];

/** A line per row and system with an aim that was measured: what it is, the ratio, the aim, and whether that is met. */
export function aimsOf(cases) {
  return Object.entries(cases).flatMap(([name, { rows }]) =>
    rows.flatMap((row) => {
      const { ratios, better } = judge(row);
      return Object.entries(aims[name]?.(row) ?? {})
        .filter(([system]) => ratios[system] !== undefined)
        .map(([system, aim]) => {
          const isMet = better === 'higher' ? ratios[system].median >= aim : ratios[system].median <= aim;
          return [
            `${name}, ${row.label}`,
            system,
            formatSpread(ratios[system], formatRatio),
            `${better === 'higher' ? '≥' : '≤'} ${aim}`,
            isMet ? 'ok' : 'MISSED',
          ];
        });
    }),
  );
}
