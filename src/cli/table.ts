// Rows → aligned columns of text. It does not measure wide characters: labels may shift a column.

export type Cell = string | number | boolean | undefined;

/** Lines with columns two spaces apart, the header first; numbers are set flush right. */
export function formatTable(header: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const texts = [header, ...rows.map((row) => row.map(cellText))];
  const widths = header.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  const numeric = header.map((_, column) => rows.every((row) => typeof row[column] === 'number'));
  return texts.map((row) => formatRow(row, widths, numeric));
}

function formatRow(row: readonly string[], widths: readonly number[], numeric: readonly boolean[]): string {
  const cells = row.map((text, column) => {
    const width = widths[column] ?? 0;
    return numeric[column] ? text.padStart(width) : text.padEnd(width);
  });
  return cells.join('  ').trimEnd();
}

// Control characters in a label of another program must not reach the terminal.
function cellText(cell: Cell): string {
  if (cell === undefined) return '-';
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return String(cell).replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
