// Rows of numbers to tables: what is judged, what is shown, and where it is written.
import { describe, expect, it } from 'vitest';
import { compareRow, formatComparison } from '../../scripts/bench/compare.mjs';
import { formatFigures, formatSummary, replaceBlock } from '../../scripts/bench/markdown.mjs';
import { formatNumber, formatTable, judge } from '../../scripts/bench/report.mjs';
import { fanOutRow, queryRow, results } from './results.js';

describe('a judged row', () => {
  it('has the ratio of ours to each other system, round by round', () => {
    expect(judge(fanOutRow).ratios).toEqual({
      'plain-relay': { median: 0.5, min: 0.2, max: 0.5 },
      nats: { median: 2, min: 1, max: 3 },
    });
  });

  it.each([
    [{ floor: 0.5, better: 'higher' }, true],
    [{ floor: 0.51, better: 'higher' }, false],
    [{ floor: 0.5, better: 'lower' }, true],
    [{ floor: 0.49, better: 'lower' }, false],
    [{ floor: 2, beside: 'nats', better: 'higher' }, true],
    [{ floor: 2.01, beside: 'nats', better: 'higher' }, false],
    [{ floor: 0.5, beside: 'zeromq', better: 'higher' }, undefined],
    [{ floor: undefined, ceiling: 200 }, true],
    [{ floor: undefined, ceiling: 199 }, false],
    [{ floor: undefined }, undefined],
  ])('with %o meets its limit: %s', (limit, met) => {
    expect(judge({ ...fanOutRow, ...limit }).met).toBe(met);
  });

  it('leaves a system that failed out of ratios and spreads', () => {
    const { spreads, ratios } = judge(queryRow);
    expect([Object.keys(spreads), ratios]).toEqual([['mailslot'], {}]);
  });
});

it('a table says who failed, who missed and by how much', () => {
  const table = formatTable(
    'Title',
    [{ ...fanOutRow, floor: 0.6 }, queryRow].map((row) => judge(row)),
  );
  const lines = table.split('\n').map((line) => line.trim().replace(/ {2,}/g, ' | '));
  expect(lines).toEqual([
    'Title',
    'mailslot ÷ it | limit',
    '1 → 1, 128 B | messages/s | ≥ 0.6 × plain-relay',
    'mailslot | 200 (100–300)',
    'plain-relay | 500 (400–600) | 0.50 (0.20–0.50) | MISSED',
    'nats | 100 | 2.00 (1.00–3.00)',
    'round trip p50 | µs',
    'mailslot | 50.0 (40.0–60.0)',
    'nats | FAILED',
  ]);
});

it.each([
  [1_234_567, '1.23M'],
  [12_345, '12.3k'],
  [1_234, '1234'],
  [12.34, '12.3'],
  [0.1234, '0.123'],
])('%d is written %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

describe('a comparison of two builds', () => {
  const theirs = 'mailslot@/tmp/other';
  const rowOf = (better: string) => ({
    label: 'a cell',
    unit: 'a unit',
    better,
    rounds: { mailslot: { values: [50, 100] }, [theirs]: { values: [100, 100] } },
  });

  it('is above 1 where this tree is better, whichever way is better', () => {
    expect(compareRow(rowOf('higher'), theirs).gain).toEqual({ median: 0.75, min: 0.5, max: 1 });
    expect(compareRow(rowOf('lower'), theirs).gain).toEqual({ median: 1 / 0.75, min: 1, max: 2 });
  });

  it('shows a build that failed as a dash', () => {
    const row = {
      ...rowOf('higher'),
      rounds: { mailslot: { values: [1] }, [theirs]: { values: [], error: 'no' } },
    };
    expect(formatComparison('Title', [compareRow(row, theirs)], 'main')).toMatch(
      /a cell +a unit +1\.00 +– +–$/,
    );
  });
});

describe('figures in Markdown', () => {
  it('show medians in the summary, and extremes and ratios in full', () => {
    expect(formatSummary(results)).toContain('| 1 → 1, 128 B | messages/s | 200 | 500 | 100 |');
    expect(formatSummary(results)).toContain(
      'npm run bench -- --only fan-out,query --systems mailslot,nats --sizes 16,128 --receivers 1 --rounds 3\n',
    );
    const figures = formatFigures(results);
    expect(figures).toContain('| 1 → 1, 128 B | messages/s | 200 (100–300) | 500 (400–600) | 100 |');
    expect(figures).toContain('| 1 → 1, 128 B | 0.50 (0.20–0.50) | 2.00 (1.00–3.00) |');
    expect(figures).toContain('Measured on 2026-01-02: Node 20.19.0, linux, 2 cores, 3 rounds.');
  });

  it('replace what stands between the markers, and nothing else', () => {
    const text = 'before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n';
    const replaced = replaceBlock(text, 'new');
    expect(replaced).toBe('before\n<!-- measured: begin -->\nnew\n<!-- measured: end -->\nafter\n');
    expect(() => replaceBlock('no markers', 'new')).toThrow(/measured: begin/);
  });
});
