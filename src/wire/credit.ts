// What a reply of a stream costs of the credit that its asker has granted. Both sides count alike, so that neither
// many replies nor large ones pile up on the way: 64 of them, or 4 MiB and one.
import { STREAM_CREDIT_BYTES } from '../limits.js';

/** @param size bytes of the reply's frame */
export function creditOf(size: number): number {
  return 1 + Math.floor(size / STREAM_CREDIT_BYTES);
}
