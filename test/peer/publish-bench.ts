// A publisher and its outbox without a Bus: what it hands to a link, frame by frame.
import { Outbox } from '../../src/peer/outbox.js';
import { Publisher } from '../../src/peer/publisher.js';
import type { MessageFiles } from '../../src/transport/message-files.js';
import { splitBatch } from '../../src/wire/batch.js';
import {
  At,
  checkFrame,
  Flag,
  frameSize,
  readFlags,
  readSubject,
  readTail,
  readU64,
} from '../../src/wire/frame.js';
import { peerIdAt } from '../../src/wire/peer-id.js';
import { decodeValue } from '../../src/wire/values.js';
import { ManualClock } from '../support/manual-clock.js';

export const WINDOW = 4 * 1024 * 1024;

interface BenchOptions {
  maxMessageBytes?: number;
  windowBytes?: number;
  files?: MessageFiles;
}

export class PublishBench {
  readonly clock = new ManualClock();
  readonly outbox: Outbox;
  readonly publisher: Publisher;
  /** Parts in the order in which the link got them, those that went when a slab was full included. */
  #parts: Buffer[] = [];

  constructor({ maxMessageBytes = 1_000_000, windowBytes = WINDOW, files }: BenchOptions = {}) {
    this.outbox = new Outbox({
      windowBytes,
      files,
      onPending() {},
      onFull: () => this.#take(),
      onStarving() {},
      onUndeliverable() {},
    });
    const peerId = peerIdAt(Buffer.from('alice---'), 0);
    this.publisher = new Publisher({
      clock: this.clock,
      peerId,
      outbox: this.outbox,
      files,
      maxMessageBytes,
    });
  }

  #take(): void {
    this.outbox.take({ push: (part) => this.#parts.push(Buffer.from(part)) });
  }

  /** Publishes as a Bus does; the first message on a subject is never written in the short way. */
  publish(subject: string, data: unknown): void {
    if (!this.publisher.tryPublish(subject, data))
      void this.publisher.publish(subject, data, {}).catch(() => {});
  }

  /** The subject's head is ready from now on, and sequence 1 is used up. */
  warm(subject: string): void {
    this.publish(subject, 'first');
    this.frames();
  }

  /** What goes to the link now, frame by frame; each was checked. */
  frames(): Buffer[] {
    this.#take();
    const bytes = Buffer.concat(this.#parts.splice(0));
    const frames: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += frames.at(-1)!.length) {
      frames.push(bytes.subarray(at, at + frameSize(bytes, at, bytes.length)));
      checkFrame(bytes, at, frames.at(-1)!.length);
    }
    return frames;
  }

  settle(upTo: number): void {
    this.outbox.settle({ upTo, windowBytes: WINDOW, receipts: [] });
  }
}

export interface Said {
  sequence: number;
  subject: string;
  data: unknown;
}

export function messagesOf(frames: Buffer[]): Said[] {
  const single = frames.flatMap((frame) =>
    readFlags(frame, 0) & Flag.batch ? splitBatch(frame, 0, frame.length) : [frame],
  );
  return single.map((frame) => ({
    sequence: readU64(frame, At.sequence),
    subject: readSubject(frame, 0),
    data: decodeValue(frame, readTail(frame, 0, frame.length).data, frame.length),
  }));
}
