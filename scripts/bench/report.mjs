// Rows of numbers to tables for people. A row has a label, a unit, values by system, and a floor (ratio to the plain
// relay) or a ceiling (absolute, for mailslot); `judge` adds what follows from them.
import { ratioSpread, spread } from './statistics.mjs';

const OURS = 'mailslot';
const REFERENCE = 'plain-relay';

/** The row with spreads, ratios of ours to every other system, and whether its limit is met. */
export function judge(row) {
  const spreads = {};
  const ratios = {};
  const ours = row.rounds[OURS];
  for (const [system, { values, error }] of Object.entries(row.rounds)) {
    if (error || values.length === 0) continue;
    spreads[system] = spread(values);
    if (system !== OURS && ours && !ours.error) ratios[system] = ratioSpread(ours.values, values);
  }
  return { ...row, spreads, ratios, met: isMet(row, spreads, ratios) };
}

function isMet({ floor, ceiling, better }, spreads, ratios) {
  if (ceiling !== undefined) return spreads[OURS] && spreads[OURS].median <= ceiling;
  const ratio = ratios[REFERENCE]?.median;
  if (floor === undefined || ratio === undefined) return undefined;
  return better === 'higher' ? ratio >= floor : ratio <= floor;
}

/** One case as lines of text, a column per system and per ratio. */
export function formatTable(title, rows, systems) {
  const others = systems.filter((system) => system !== OURS);
  const withRatios = systems.includes(OURS);
  const head = [
    '',
    'unit',
    ...systems,
    ...(withRatios ? others.map((system) => `${OURS} ÷ ${system}`) : []),
    'limit',
    '',
  ];
  const lines = rows.map((row) => [
    row.label,
    row.unit,
    ...systems.map((system) => formatResult(row, system)),
    ...(withRatios
      ? others.map((system) => formatSpread(row.ratios[system], (ratio) => ratio.toFixed(2)))
      : []),
    formatLimit(row),
    row.met === undefined ? '' : row.met ? 'ok' : 'MISSED',
  ]);
  return [title, ...align([head, ...lines])].join('\n');
}

function formatResult(row, system) {
  if (!row.rounds[system]) return '–';
  if (row.rounds[system].error) return 'FAILED';
  return formatSpread(row.spreads[system], formatNumber);
}

function formatSpread(numbers, format) {
  if (!numbers) return '–';
  const { median, min, max } = numbers;
  return min === max ? format(median) : `${format(median)} (${format(min)}–${format(max)})`;
}

function formatNumber(value) {
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (Math.abs(value) >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function formatLimit({ floor, ceiling, better }) {
  if (ceiling !== undefined) return `≤ ${formatNumber(ceiling)}`;
  if (floor === undefined) return '';
  return `${better === 'higher' ? '≥' : '≤'} ${floor} × plain`;
}

function align(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
}
