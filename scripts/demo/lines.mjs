// A file as the demo sends it: line by line, each with its line break.
import { createReadStream } from 'node:fs';

const lineBreak = 0x0a;
// A longer line goes in pieces, far below the 16 MiB that one message may have.
const maxPieceBytes = 1024 * 1024;

/** Yields the bytes of each line; the last one may have no line break. */
export async function* readLines(path) {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path)) {
    const text = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let at = text.indexOf(lineBreak); at !== -1; at = text.indexOf(lineBreak, from)) {
      yield text.subarray(from, at + 1);
      from = at + 1;
    }
    rest = text.subarray(from);
    if (rest.length < maxPieceBytes) continue;
    yield rest;
    rest = Buffer.alloc(0);
  }
  if (rest.length > 0) yield rest;
}
