// Results as a run of the bench leaves them, small enough to check by hand.

const rounds = (values: Record<string, number[]>) =>
  Object.fromEntries(Object.entries(values).map(([system, list]) => [system, { values: list }]));

export const fanOutRow = {
  label: '1 → 1, 128 B',
  unit: 'messages/s',
  better: 'higher',
  floor: 0.4,
  rounds: rounds({ mailslot: [300, 100, 200], 'plain-relay': [600, 500, 400], nats: [100, 100, 100] }),
};

export const queryRow = {
  label: 'round trip p50',
  unit: 'µs',
  better: 'lower',
  rounds: { ...rounds({ mailslot: [50, 60, 40] }), nats: { values: [], error: 'no <answer> & no end' } },
};

export const results = {
  measuredAt: '2026-01-02T03:04:05.000Z',
  machine: { node: 'v20.19.0', platform: 'linux', cores: 2, cpu: 'a processor' },
  setup: {
    only: ['fan-out', 'query'],
    systems: ['mailslot', 'nats'],
    sizes: [16, 128],
    receivers: [1],
    rounds: 3,
  },
  cases: {
    'fan-out': { title: 'Fan-out', rows: [fanOutRow] },
    query: { title: 'Queries', rows: [queryRow] },
  },
};
