// Where the data of a message comes from: the argument, or stdin as one message or as lines.
import { type DataFormat, decodeData, type Hints } from './data-format.js';
import { usageError } from './exit-codes.js';
import { readAll, splitLines } from './lines.js';

/** The flags that say what the data is; at most one of them may be set. */
export interface DataFlags {
  text?: true;
  raw?: true;
  lines?: true;
  jsonLines?: true;
}

/**
 * The data of every message to send, in order. The argument is checked at once, so that wrong usage shows before
 * anything is connected; stdin is read while the result is iterated.
 */
export function openData(
  argument: string | undefined,
  flags: DataFlags,
  hints: Hints,
): AsyncIterable<unknown> | Iterable<unknown> {
  if (flags.lines || flags.jsonLines) {
    assertNoArgument(argument, flags);
    return readLines(flags.lines ? 'text' : 'json', hints);
  }
  const format = formatOf(flags);
  if (argument === '-') return readWhole(format, hints);
  if (argument === undefined) return [undefined];
  return [decodeData(Buffer.from(argument), format, `the data ${quote(argument)}`, hints)];
}

/** Like {@link openData} for exactly one message. */
export async function readData(data: ReturnType<typeof openData>): Promise<unknown> {
  for await (const value of data) return value;
  return undefined;
}

async function* readWhole(format: DataFormat, hints: Hints): AsyncGenerator<unknown> {
  yield decodeData(await readAll(process.stdin), format, 'stdin', hints);
}

async function* readLines(format: DataFormat, hints: Hints): AsyncGenerator<unknown> {
  let number = 0;
  for await (const line of splitLines(process.stdin)) {
    number += 1;
    if (format === 'json' && line.toString().trim() === '') continue;
    yield decodeData(line, format, `line ${number} of stdin`, hints);
  }
}

function formatOf({ text, raw }: DataFlags): DataFormat {
  if (raw) return 'raw';
  return text ? 'text' : 'json';
}

function assertNoArgument(argument: string | undefined, flags: DataFlags): void {
  if (argument === undefined || argument === '-') return;
  const flag = flags.lines ? '--lines' : '--json-lines';
  throw usageError(
    `${flag} reads the data from stdin, but ${quote(argument)} was given; leave one of them out`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
