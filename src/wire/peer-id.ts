// Peer ids: 8 random bytes on the wire, 16 hex digits in the API and as keys.
import { latin1, readU32 } from './primitives.js';

export const PEER_ID_BYTES = 8;

/** One peer's id in the three forms that the hot paths, the wire and users want. */
export interface PeerId {
  readonly bytes: Uint8Array;
  readonly hex: string;
  readonly high: number;
  readonly low: number;
}

/** Takes the 8 bytes at `at`; they are copied. */
export function peerIdAt(bytes: Uint8Array, at: number): PeerId {
  const own = Buffer.from(bytes.subarray(at, at + PEER_ID_BYTES));
  return { bytes: own, hex: own.toString('hex'), high: readU32(own, 0), low: readU32(own, 4) };
}

/** Whether the id at `at` is this one, without making anything. */
export function isPeerIdAt(id: PeerId, bytes: Uint8Array, at: number): boolean {
  return readU32(bytes, at + 4) === id.low && readU32(bytes, at) === id.high;
}

/** The id at `at` as a short map key: 8 characters of one byte each. */
export function peerKeyAt(bytes: Uint8Array, at: number): string {
  return latin1(bytes, at, at + PEER_ID_BYTES);
}

/** The same key of a known id. */
export function peerKey(id: PeerId): string {
  return peerKeyAt(id.bytes, 0);
}

/** Reads the form that the API uses; undefined when it is not 16 hex digits. */
export function parsePeerId(text: unknown): PeerId | undefined {
  if (typeof text !== 'string' || !/^[0-9a-f]{16}$/.test(text)) return undefined;
  return peerIdAt(Buffer.from(text, 'hex'), 0);
}
