// Writes a table to stdout, its header in bold on a terminal.
import type { Output } from './output.js';
import { type Cell, formatTable } from './table.js';

export async function printTable(
  output: Output,
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
): Promise<void> {
  const [first = '', ...lines] = formatTable(header, rows);
  await output.write([output.style('bold', first), ...lines, ''].join('\n'));
}
