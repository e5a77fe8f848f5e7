// What the bench holds this bus to beside other systems.
import { expect, it } from 'vitest';
import { aimsOf } from '../../scripts/bench/aims.mjs';

const rounds = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).map(([system, value]) => [system, { values: [value] }]));

const fanOut = (receivers: number, size: number, values: Record<string, number>) => ({
  ...{ label: `1 → ${receivers}`, receivers, size, unit: 'messages/s', better: 'higher' },
  rounds: rounds(values),
});

it('there is a line for each system with an aim that was measured, and it says whether that was reached', () => {
  const cases = {
    'fan-out': {
      rows: [
        fanOut(1, 16, { mailslot: 300, nats: 100, 'plain-relay': 9_000, 'plain-messages': 2_000 }),
        fanOut(16, 1_048_576, { mailslot: 100, zeromq: 101, redis: 1 }),
      ],
    },
    query: {
      rows: [
        { label: 'round trip p50', unit: 'µs', better: 'lower', rounds: rounds({ mailslot: 60, nats: 100 }) },
        {
          ...{ label: '64 in flight', unit: 'queries/s', better: 'higher' },
          rounds: rounds({ mailslot: 60, nats: 100 }),
        },
      ],
    },
    growth: { rows: [{ label: 'x', unit: 'ratio', better: 'lower', rounds: rounds({ mailslot: 1 }) }] },
  };
  expect(aimsOf(cases)).toEqual([
    ['fan-out, 1 → 1', 'nats', '3.00', '≥ 3', 'ok'],
    ['fan-out, 1 → 1', 'plain-messages', '0.15', '≥ 0.22', 'MISSED'],
    ['fan-out, 1 → 16', 'zeromq', '0.99', '≥ 1', 'MISSED'],
    ['query, round trip p50', 'nats', '0.60', '≤ 0.6', 'ok'],
    ['query, 64 in flight', 'nats', '0.60', '≥ 4', 'MISSED'],
  ]);
});
