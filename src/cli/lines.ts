// Bytes → lines. A line ends with LF or CRLF, which are not part of it; a last line needs neither.
import { MailslotError } from '../errors.js';
import { MAX_FRAME_BYTES } from '../limits.js';

const LF = 10;
const CR = 13;

/** Every line of the stream; one longer than any frame is refused before it fills the memory. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      yield joinLine(pending, chunk.subarray(start, end));
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    assertFits(pendingBytes, 'a line of stdin');
  }
  if (pendingBytes > 0) yield joinLine(pending, new Uint8Array());
}

/** Everything the stream holds, as one piece. */
export async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    bytes += chunk.length;
    assertFits(bytes, 'stdin');
  }
  return Buffer.concat(parts, bytes);
}

function joinLine(pending: Uint8Array[], rest: Uint8Array): Buffer {
  const line = Buffer.concat([...pending, rest]);
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function assertFits(bytes: number, what: string): void {
  if (bytes <= MAX_FRAME_BYTES) return;
  throw new MailslotError(
    'MAILSLOT_MESSAGE_TOO_LARGE',
    `${what} has more than ${MAX_FRAME_BYTES} bytes, which no message can carry; split it into several messages`,
  );
}
