// The end of the demo: the table of what each process has seen, and whether all of it is right.

const header = ['process', 'messages', 'bytes', 'messages/s', "SHA-256 equal to the file's"];

const isRight = (result, expected) =>
  result.answered === undefined ? result.sha256 === expected : result.answered;

function proofOf(result, expected) {
  if (result.answered !== undefined) return result.answered ? 'answers equal' : 'ANSWERS DIFFER';
  return isRight(result, expected) ? 'equal' : 'DIFFERENT';
}

function rowOf(name, result, expected) {
  if (result.messages === undefined) return [name, '-', '-', '-', '-'];
  const rate = result.seconds > 0 ? Math.round(result.messages / result.seconds) : 0;
  const numbers = [result.messages, result.bytes, rate].map((number) => number.toLocaleString('en'));
  return [name, ...numbers, proofOf(result, expected)];
}

/** `results` by name of process, `expected` the hash of the file in hex. */
export function renderTable(results, expected) {
  const rows = [header, ...[...results].map(([name, result]) => rowOf(name, result, expected))];
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const render = (row) =>
    row
      .map((cell, column) => align(cell, widths[column], column))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [render(rows[0]), rule, ...rows.slice(1).map(render)].join('\n');
}

const isNumeric = (column) => column >= 1 && column <= 3;
const align = (cell, width, column) => (isNumeric(column) ? cell.padStart(width) : cell.padEnd(width));

/** What is wrong, one sentence each; empty when every copy is the file. */
export function verdictOf(results, expected) {
  return [...results]
    .filter(([, result]) => result.messages !== undefined && !isRight(result, expected))
    .map(([name, { answered }]) =>
      answered === undefined ? `${name} has not rebuilt the file` : `${name} got a wrong answer`,
    );
}
