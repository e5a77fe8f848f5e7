// A will: the PUBLISH frame that a peer leaves with its host, to be relayed when it goes without a goodbye. It has
// no sequence, since its publisher is not there to be told what became of it, and the host gives it order and time.
import {
  At,
  checkFrame,
  type EncodedHeaders,
  encodeFrame,
  Flag,
  FrameFault,
  frameSize,
  Kind,
  readFlags,
  readSubject,
  readU64,
  writeU64,
} from './frame.js';
import { isPeerIdAt, type PeerId } from './peer-id.js';
import { isSubject } from './subject.js';

export interface WillFields {
  subject: string;
  /** One CBOR item. */
  data: Uint8Array;
  headers: EncodedHeaders | undefined;
  retain: boolean;
}

export function encodeWill(peer: PeerId, { subject, data, headers, retain }: WillFields): Buffer {
  const flags = retain ? Flag.retain : 0;
  return encodeFrame({ kind: Kind.publish, sender: peer.bytes, flags, subject, headers, data });
}

/** @throws FrameFault when this is no frame, or one that this peer may not leave */
export function checkWill(frame: Uint8Array, peer: PeerId): void {
  const { length } = frame;
  if (frameSize(frame, 0, length) !== length) throw new FrameFault('a will is not one whole frame');
  checkFrame(frame, 0, length);
  if (frame[At.kind] !== Kind.publish || readU64(frame, At.sequence) !== 0)
    throw new FrameFault('a will is not a PUBLISH without a sequence');
  if (readFlags(frame, 0) & ~Flag.retain) throw new FrameFault('a will has another flag than retain');
  if (!isPeerIdAt(peer, frame, At.sender)) throw new FrameFault('a will names another sender');
  const subject = readSubject(frame, 0);
  if (!isSubject(subject)) throw new FrameFault(`${JSON.stringify(subject)} is not a subject for a will`);
}

/** The frame that is relayed: a copy, because the same will may be due again. */
export function stampWill(will: Uint8Array, { order, time }: { order: number; time: number }): Buffer {
  const frame = Buffer.from(will);
  writeU64(frame, At.order, order);
  writeU64(frame, At.time, time);
  return frame;
}
