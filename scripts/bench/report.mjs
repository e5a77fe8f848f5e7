// Rows of numbers to tables for people in a terminal. A row has a label, a unit, values by system, and a floor (ratio to
// `beside`, the plain relay by default) or a ceiling (absolute, for mailslot); `judge` adds what follows from them.
import { ratioSpread, spread } from './statistics.mjs';
import { OURS, REFERENCE } from './systems.mjs';

/** The row with spreads, ratios of `ours` to every other system, and whether its limit is met. */
export function judge(row, ours = OURS) {
  const spreads = {};
  const ratios = {};
  const own = row.rounds[ours];
  for (const [system, { values, error }] of Object.entries(row.rounds)) {
    if (error || values.length === 0) continue;
    spreads[system] = spread(values);
    if (system !== ours && own && !own.error) ratios[system] = ratioSpread(own.values, values);
  }
  return { ...row, spreads, ratios, met: isMet(row, spreads, ratios) };
}

function isMet({ floor, beside = REFERENCE, ceiling, better }, spreads, ratios) {
  if (ceiling !== undefined) return spreads[OURS] && spreads[OURS].median <= ceiling;
  const ratio = ratios[beside]?.median;
  if (floor === undefined || ratio === undefined) return undefined;
  return better === 'higher' ? ratio >= floor : ratio <= floor;
}

/** One case as lines of text: each row's label, and below it a line per system with its ratio. */
export function formatTable(title, rows) {
  const lines = rows.flatMap((row) => [
    [row.label, row.unit, '', formatLimit(row)],
    ...Object.keys(row.rounds).map((system) => [`  ${system}`, ...formatSystem(row, system)]),
  ]);
  return [title, ...align([['', '', `${OURS} ÷ it`, 'limit'], ...lines])].join('\n');
}

function formatSystem(row, system) {
  const judged =
    system === (row.ceiling === undefined ? (row.beside ?? REFERENCE) : OURS) && row.met !== undefined;
  return [
    formatResult(row, system),
    row.ratios[system] ? formatSpread(row.ratios[system], formatRatio) : '',
    judged ? (row.met ? 'ok' : 'MISSED') : '',
  ];
}

export function formatResult(row, system) {
  const result = row.rounds[system];
  if (!result || (!result.error && result.values.length === 0)) return '–';
  return result.error ? 'FAILED' : formatSpread(row.spreads[system], formatNumber);
}

/** Median and extremes, `1.2M (1.1M–1.3M)`. */
export function formatSpread(numbers, format) {
  if (!numbers) return '–';
  const { median, min, max } = numbers;
  return min === max ? format(median) : `${format(median)} (${format(min)}–${format(max)})`;
}

export const formatRatio = (ratio) => ratio.toFixed(2);

export function formatNumber(value) {
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (Math.abs(value) >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function formatLimit({ floor, beside = REFERENCE, ceiling, better }) {
  if (ceiling !== undefined) return `≤ ${formatNumber(ceiling)}`;
  if (floor === undefined) return '';
  return `${better === 'higher' ? '≥' : '≤'} ${floor} × ${beside}`;
}

export function align(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
}
