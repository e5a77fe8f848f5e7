// When a message with a time to live has outlived it: judged by the wall clock, which all processes of a machine share.
import { At, Flag, readFlags, readTtl, readU64 } from './frame.js';

/** ms since 1970 at which the frame at `at` expires; undefined when it never does. */
export function expiryOf(bytes: Uint8Array, at: number): number | undefined {
  if (!(readFlags(bytes, at) & Flag.hasTtl)) return undefined;
  return readU64(bytes, at + At.time) + readTtl(bytes, at);
}

export function hasExpired(bytes: Uint8Array, at: number, wallTime: number): boolean {
  const expiry = expiryOf(bytes, at);
  return expiry !== undefined && expiry <= wallTime;
}
