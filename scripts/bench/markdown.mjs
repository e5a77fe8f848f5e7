// Results as Markdown: a short summary for the README (medians) and all figures for docs/PERFORMANCE.md (medians,
// extremes, ratios).
import { AIM_COLUMNS, aimsOf } from './aims.mjs';
import { formatNumber, formatRatio, formatResult, formatSpread, judge } from './report.mjs';
import { OURS } from './systems.mjs';

const BEGIN = '<!-- measured: begin -->';
const END = '<!-- measured: end -->';
/** What the README shows beside the picture. */
const summarised = ['fan-out', 'query', 'latency', 'memory'];

/** `text` with `block` between its markers. */
export function replaceBlock(text, block) {
  const [before, rest] = split(text, BEGIN);
  const [, after] = split(rest, END);
  return `${before}${BEGIN}\n${block}\n${END}${after}`;
}

function split(text, marker) {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`there is no ${marker} to write between`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}

export function formatSummary(results) {
  const tables = summarised
    .filter((name) => results.cases[name])
    .map((name) => formatCase(results.cases[name], (row, system) => medianOf(row, system)));
  return [
    '![Messages per second and queries per second, this bus beside others](docs/performance.svg)',
    `${conditionsOf(results)} Medians; docs/PERFORMANCE.md has the extremes and the other cases.`,
    formatCommand(results),
    ...tables,
  ].join('\n\n');
}

export function formatFigures(results) {
  const sections = Object.values(results.cases).flatMap((one) => [
    formatCase(one, formatResult),
    ...formatRatios(one),
  ]);
  return [
    '![The same as a picture](performance.svg)',
    conditionsOf(results),
    formatCommand(results),
    ...sections,
    ...formatAims(results.cases),
  ].join('\n\n');
}

function formatAims(cases) {
  const lines = aimsOf(cases);
  return lines.length === 0 ? [] : [`Aims\n\n${formatGrid([AIM_COLUMNS, ...lines])}`];
}

/** What measures the same again. */
function formatCommand({ setup: { only, systems, sizes, receivers, rounds } }) {
  const lists = Object.entries({ only, systems, sizes, receivers }).map(
    ([name, list]) => `--${name} ${list}`,
  );
  return `\`\`\`\nnpm run bench -- ${lists.join(' ')} --rounds ${rounds}\n\`\`\``;
}

function conditionsOf({ measuredAt, machine, setup }) {
  const rounds = setup.rounds === 1 ? 'one round' : `${setup.rounds} rounds`;
  return `Measured on ${measuredAt.slice(0, 10)}: Node ${machine.node.slice(1)}, ${machine.platform}, ${machine.cores} cores, ${rounds}.`;
}

function formatCase({ title, rows }, formatCell) {
  const judged = rows.map((row) => judge(row));
  const systems = systemsIn(rows);
  const lines = judged.map((row) => [
    row.label,
    row.unit,
    ...systems.map((system) => formatCell(row, system)),
  ]);
  return `${title}\n\n${formatGrid([['', 'unit', ...systems], ...lines])}`;
}

function formatRatios({ rows }) {
  const others = systemsIn(rows).filter((system) => system !== OURS);
  const judged = rows.map((row) => judge(row));
  if (!judged.some(({ ratios }) => Object.keys(ratios).length > 0)) return [];
  const lines = judged.map((row) => [
    row.label,
    ...others.map((system) => formatSpread(row.ratios[system], formatRatio)),
  ]);
  return [formatGrid([[`${OURS} ÷`, ...others], ...lines])];
}

function medianOf(row, system) {
  return row.spreads[system] ? formatNumber(row.spreads[system].median) : formatResult(row, system);
}

const systemsIn = (rows) => [...new Set(rows.flatMap((row) => Object.keys(row.rounds)))];

function formatGrid([head, ...lines]) {
  const rule = head.map(() => '---');
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
