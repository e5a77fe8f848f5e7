// Small parts of a write that follow each other become one: handing a part to Node costs about as much as copying
// 8 KiB, and queries, replies and acknowledgements are a few hundred bytes each. What is large goes as it is.
import { copyInto } from '../wire/byte-copies.js';

const LARGEST_JOINED = 2 * 1024;
/** One copy is never longer than this and a part. */
const FULL = 64 * 1024;

/** The same bytes in as few parts as are worth it. */
export function joinSmall(parts: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  for (let from = 0; from < parts.length; ) {
    let bytes = 0;
    let to = from;
    for (; to < parts.length && parts[to]!.length <= LARGEST_JOINED && bytes < FULL; to += 1)
      bytes += parts[to]!.length;
    if (to - from > 1) joined.push(concat(parts, { from, to, bytes }));
    else joined.push(parts[from]!);
    from = Math.max(to, from + 1);
  }
  return joined;
}

// not Buffer.concat, which wants an array of its own
function concat(
  parts: readonly Uint8Array[],
  { from, to, bytes }: { from: number; to: number; bytes: number },
): Buffer {
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let index = from; index < to; index += 1) at = copyInto(whole, at, parts[index]!);
  return whole;
}
