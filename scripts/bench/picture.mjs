// The results as one SVG: a panel per chosen cell, a bar per system, its median as text and its extremes as a line. It
// has no background of its own and follows the reader's light or dark scheme where the viewer tells it; the colours it
// starts from can be read on both.
import { formatNumber, judge } from './report.mjs';
import { OURS } from './systems.mjs';

const COLUMNS = 2;
const PANEL = { width: 400, gap: 40, title: 34, row: 20, bar: 12, label: 92, value: 64, bottom: 18 };

/** The cells shown; one that was not measured is left out. */
const chosen = [
  { case: 'fan-out', label: '1 → 1, 128 B', title: '128 B, 1 → 1: messages/s' },
  { case: 'fan-out', label: '1 → 16, 128 B', title: '128 B, 1 → 16: messages/s' },
  { case: 'fan-out', label: '1 → 16, 16 KiB', title: '16 KiB, 1 → 16: messages/s' },
  { case: 'fan-out', label: '1 → 4, 1 MiB', title: '1 MiB, 1 → 4: messages/s' },
  { case: 'query', label: '64 in flight', title: '64 queries in flight: queries/s' },
  { case: 'query', label: 'round trip p50', title: 'one query, median: µs (less is better)' },
];

const style = `
  text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #6e7781; }
  .title { font-weight: 600; font-size: 13px; }
  .ours { font-weight: 600; }
  .bar { fill: #8c959f; }
  .bar.ours { fill: #2f81f7; }
  .extremes { stroke: #57606a; stroke-width: 1.5; }
  @media (prefers-color-scheme: light) { text { fill: #424a53; } .title, text.ours { fill: #1f2328; } }
  @media (prefers-color-scheme: dark) {
    text { fill: #b1bac4; } .title, text.ours { fill: #f0f6fc; } .extremes { stroke: #d0d7de; }
  }
`;

export function formatPicture(results) {
  const panels = chosen.flatMap(({ case: name, label, title }) => {
    const row = results.cases[name]?.rows.find((one) => one.label === label);
    const bars = row ? barsOf(judge(row)) : [];
    return bars.length > 0 ? [{ title, bars }] : [];
  });
  const heights = rowHeights(panels);
  const width = COLUMNS * PANEL.width + (COLUMNS - 1) * PANEL.gap;
  const height = heights.reduce((sum, one) => sum + one, 0);
  const drawn = panels.map((panel, index) => drawPanel(panel, placeOf(index, heights)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    '<title>Messages and queries per second of this bus beside others</title>',
    `<style>${style}</style>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

/** The best comes first. */
function barsOf({ spreads, better }) {
  const sign = better === 'higher' ? -1 : 1;
  return Object.entries(spreads)
    .map(([system, spread]) => ({ system, ...spread }))
    .sort((one, other) => sign * (one.median - other.median));
}

function rowHeights(panels) {
  const heights = [];
  for (let first = 0; first < panels.length; first += COLUMNS) {
    const most = Math.max(...panels.slice(first, first + COLUMNS).map(({ bars }) => bars.length));
    heights.push(PANEL.title + most * PANEL.row + PANEL.bottom);
  }
  return heights;
}

function placeOf(index, heights) {
  const row = Math.floor(index / COLUMNS);
  const y = heights.slice(0, row).reduce((sum, one) => sum + one, 0);
  return { x: (index % COLUMNS) * (PANEL.width + PANEL.gap), y };
}

function drawPanel({ title, bars }, { x, y }) {
  const greatest = Math.max(...bars.map(({ max }) => max));
  const scale = (PANEL.width - PANEL.label - PANEL.value) / greatest;
  const lines = bars.map((bar, index) => drawBar(bar, PANEL.title + index * PANEL.row, scale));
  return [
    `<g transform="translate(${x} ${y})">`,
    `<text class="title" x="0" y="20">${escapeXml(title)}</text>`,
    ...lines,
    '</g>',
  ].join('\n');
}

function drawBar({ system, median, min, max }, y, scale) {
  const ours = system === OURS ? ' ours' : '';
  const [from, middle, to] = [min, median, max].map((value) => round(PANEL.label + value * scale));
  const centre = y + PANEL.bar / 2;
  const baseline = y + PANEL.bar - 2;
  return [
    `<text class="name${ours}" x="0" y="${baseline}">${escapeXml(system)}</text>`,
    `<rect class="bar${ours}" x="${PANEL.label}" y="${y}" width="${round(Math.max(1, median * scale))}" height="${PANEL.bar}" rx="2"/>`,
    `<line class="extremes" x1="${from}" x2="${to}" y1="${centre}" y2="${centre}"/>`,
    `<text class="value${ours}" x="${Math.max(middle, to) + 6}" y="${baseline}">${formatNumber(median)}</text>`,
  ].join('\n');
}

const round = (value) => Math.round(value * 10) / 10;

const escapeXml = (text) =>
  text.replace(/[<>&]/g, (sign) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;' })[sign]);
