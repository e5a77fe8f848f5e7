// The picture of the results.
import { expect, it } from 'vitest';
import { formatPicture } from '../../scripts/bench/picture.mjs';
import { fanOutRow, queryRow, results } from './results.js';

const picture = formatPicture(results);
const attributes = (pattern: RegExp) => [...picture.matchAll(pattern)].map((match) => match[1]);

it('has the best first, and bars as long as the medians', () => {
  expect(attributes(/class="name[^>]*>([^<]+)</g)).toEqual(['plain-relay', 'mailslot', 'nats', 'mailslot']);
  const [relay, ours, nats] = attributes(/class="bar[^>]*width="([^"]+)"/g).map(Number);
  expect(ours! / relay!).toBeCloseTo(200 / 500, 2);
  expect(nats! / relay!).toBeCloseTo(100 / 500, 2);
});

it('leaves out a system that failed and a cell that was not measured', () => {
  expect(attributes(/class="title"[^>]*>([^<]+)</g)).toEqual([
    '128 B, 1 → 1: messages/s',
    'one query, median: µs (less is better)',
  ]);
});

it('stays within its own width and height', () => {
  const [width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(picture)!.slice(1).map(Number);
  const lasts = attributes(/class="extremes"[^>]*x2="([^"]+)"/g).map(Number);
  expect(Math.max(...lasts)).toBeLessThan(width!);
  expect(height).toBeGreaterThan(0);
});

it('is well-formed whatever a system is called', () => {
  const odd = { ...fanOutRow, rounds: { '<a> & b': { values: [1] } } };
  const drawn = formatPicture({ ...results, cases: { 'fan-out': { title: '', rows: [odd] } } });
  expect(drawn).toContain('&lt;a&gt; &amp; b');
  expect(drawn).not.toContain('<a>');
});

it('of nothing is an empty picture, not an error', () => {
  const failed = { ...queryRow, rounds: { mailslot: { values: [], error: 'no' } } };
  for (const cases of [{}, { query: { title: '', rows: [failed] } }])
    expect(formatPicture({ ...results, cases })).toMatch(/^<svg[\s\S]*<\/svg>\n$/);
});
