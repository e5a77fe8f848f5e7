// Why a receiver cannot use a message. Looked at before anything of it is shown or decoded.
import { scanValue } from '../wire/scanner.js';

/** @param size of the message as a frame of its own, whose data lies from `start` to `end` */
export function messageFault(
  bytes: Buffer,
  start: number,
  end: number,
  size: number,
  maxMessageBytes: number,
): string | undefined {
  return size > maxMessageBytes ? tooLong(size, maxMessageBytes) : scanValue(bytes, start, end);
}

export function tooLong(size: number, maxMessageBytes: number): string {
  return `${size} bytes exceed this peer's maxMessageBytes of ${maxMessageBytes}`;
}
