// A peer that shakes hands as it should and then says whatever it is told: for everything that a Bus never sends.

import { openBusDirectory } from '../../src/transport/bus-directory.js';
import { findHost } from '../../src/transport/find-host.js';
import type { Pipe } from '../../src/transport/pipe.js';
import { socketEndpoints } from '../../src/transport/socket-pipe.js';
import { systemClock } from '../../src/util/clock.js';
import { controlFrame, type GoAway, type Join, readControl } from '../../src/wire/control.js';
import {
  At,
  encodeFrame,
  type FrameFields,
  frameSize,
  Kind,
  readRef,
  readSubject,
} from '../../src/wire/frame.js';
import { FrameSplitter } from '../../src/wire/frame-splitter.js';
import { type PeerId, peerIdAt } from '../../src/wire/peer-id.js';
import { encodeValue } from '../../src/wire/values.js';
import { afterwards } from './scratch.js';
import { eventually } from './waiting.js';

export interface ReceivedFrame {
  readonly kind: number;
  readonly subject: string;
  readonly bytes: Buffer;
}

export class RawPeer {
  readonly id: PeerId;
  readonly frames: ReceivedFrame[] = [];
  isClosed = false;
  readonly #pipe: Pipe;
  #sequence = 0;

  constructor(pipe: Pipe, id: PeerId) {
    this.id = id;
    this.#pipe = pipe;
    const splitter = new FrameSplitter((bytes, start, end) => this.#take(bytes, start, end));
    pipe.handlers = {
      data: (chunk) => splitter.push(chunk),
      drained() {},
      closed: () => {
        this.isClosed = true;
      },
    };
  }

  /** Any bytes at all. */
  write(...parts: Uint8Array[]): this {
    this.#pipe.write(parts.map((part) => Buffer.from(part)));
    return this;
  }

  /** Writes in pieces, each in an event loop turn of its own, so that they arrive apart. */
  async writeApart(bytes: Uint8Array, cuts: readonly number[]): Promise<void> {
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      if (to > from) this.write(bytes.subarray(from, to));
      from = to;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** A frame of its own; fields override everything, the sender included. */
  frame(kind: number, fields: Partial<FrameFields> = {}): Buffer {
    return encodeFrame({ sender: this.id.bytes, data: Uint8Array.of(0xf6), ...fields, kind });
  }

  /** The next message in its count. */
  message(subject: string, value: unknown, fields: Partial<FrameFields> = {}): Buffer {
    const data = Buffer.from(encodeValue(value));
    return this.frame(Kind.publish, {
      subject,
      data,
      sequence: ++this.#sequence,
      time: Date.now(),
      ...fields,
    });
  }

  control(...[name, data, fields]: ControlArguments): Buffer {
    return controlFrame(name, this.id.bytes, data, fields);
  }

  async join(changes: Partial<Join> = {}): Promise<this> {
    await this.receives(Kind.welcome);
    this.write(this.control('JOIN', { ...joinData, ...changes }));
    await this.receives(Kind.open);
    return this;
  }

  /** The first frame of this kind, past or future, that matches. */
  receives(kind: number, matches: (frame: ReceivedFrame) => boolean = () => true): Promise<ReceivedFrame> {
    return eventually(
      () => this.frames.find((frame) => frame.kind === kind && matches(frame)),
      `a frame of kind ${kind}`,
    );
  }

  /** The reply to its query. */
  reply(id: number): Promise<ReceivedFrame> {
    return this.receives(Kind.reply, ({ bytes }) => readRef(bytes, 0) === id);
  }

  /** What the host says when it ends this link; resolves when the link is closed, too. */
  async goodbye(): Promise<GoAway> {
    const { bytes } = await this.receives(Kind.goaway);
    await this.isCut();
    return readControl('GOAWAY', bytes, 0, bytes.length);
  }

  isCut(): Promise<unknown> {
    return eventually(() => this.isClosed, 'the end of the link');
  }

  /** Resolves when the host has dealt with everything before and this link is still good. */
  async isServed(): Promise<void> {
    const pongs = () => this.frames.filter(({ kind }) => kind === Kind.ping).length;
    const before = pongs();
    this.write(this.control('PING', 'ping'));
    await eventually(() => pongs() > before || this.isClosed, 'a PONG');
    if (this.isClosed) throw new Error('the link was cut');
  }

  destroy(): void {
    this.#pipe.destroy();
  }

  #take(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const size = frameSize(bytes, at, end);
      if (size === 0 || size > end - at) break;
      const copy = Buffer.from(bytes.subarray(at, at + size));
      this.frames.push({ kind: copy[At.kind]!, subject: readSubject(copy, 0), bytes: copy });
      at += size;
    }
    return at;
  }
}

type ControlArguments = {
  [Name in Parameters<typeof controlFrame>[0]]: [
    name: Name,
    data: Parameters<typeof controlFrame<Name>>[2],
    fields?: Partial<FrameFields>,
  ];
}[Parameters<typeof controlFrame>[0]];

export const joinData: Join = {
  minor: 0,
  label: 'raw',
  pid: process.pid,
  mayHost: false,
  lastEpoch: 0,
  highestOrder: 0,
  firstUnsettled: 1,
  slots: [],
};

/** Links to the living host of the bus `test`; it has not joined yet. */
export async function linkedRawPeer(directory: string, id = randomPeerId()): Promise<RawPeer> {
  const bus = await openBusDirectory('test', { directory });
  const { link } = await findHost(bus, {
    clock: systemClock,
    endpoints: socketEndpoints(systemClock),
    peerId: id.bytes,
  });
  if (link === undefined) throw new Error('the bus has no host');
  const peer = new RawPeer(link.pipe, id);
  afterwards(() => peer.destroy());
  return peer;
}

/** The same, and it has read OPEN. */
export async function rawPeer(directory: string, changes: Partial<Join> = {}): Promise<RawPeer> {
  return (await linkedRawPeer(directory)).join(changes);
}

export function randomPeerId(): PeerId {
  return peerIdAt(systemClock.randomBytes(8), 0);
}
