// Plays a peer to a real host, or a host to a real Bus, and sends what frame-streams.ts makes. It asserts nothing:
// who calls it looks whether the other side still lives. Both run for as long as `goOn` says.
import { openBusDirectory } from '../../src/transport/bus-directory.js';
import { findHost } from '../../src/transport/find-host.js';
import type { Pipe } from '../../src/transport/pipe.js';
import { type Reign, standForElection } from '../../src/transport/reign.js';
import { socketEndpoints } from '../../src/transport/socket-pipe.js';
import { systemClock } from '../../src/util/clock.js';
import { controlFrame, readControl } from '../../src/wire/control.js';
import { At, checkFrame, encodeFrame, type FrameFields, frameSize, Kind } from '../../src/wire/frame.js';
import { FrameSplitter } from '../../src/wire/frame-splitter.js';
import { type PeerId, peerIdAt } from '../../src/wire/peer-id.js';
import { damagedStream, pieces, randomFrames } from './frame-streams.js';
import type { SeededRandom } from './seeded-random.js';

export interface LinkFuzzOptions {
  /** Where buses live; the bus is called `test`. */
  directory: string;
  random: SeededRandom;
  /** Asked before each stream. */
  goOn(streams: number): boolean;
}

export interface LinkFuzzCounts {
  streams: number;
  bytes: number;
  /** Links that the other side ended. */
  cut: number;
}

const FRAMES_PER_STREAM = 12;
/** Some links say nothing any more and stay for a while, so that a host has many of them at once. */
const LINGERING = 20;

/** Sends damaged streams to the host of the bus, each on a link of its own, in the name of a peer that joined. */
export async function fuzzHost({ directory, random, goOn }: LinkFuzzOptions): Promise<LinkFuzzCounts> {
  const bus = await openBusDirectory('test', { directory });
  const endpoints = socketEndpoints(systemClock);
  const counts = { streams: 0, bytes: 0, cut: 0 };
  const lingering: Pipe[] = [];
  while (goOn(counts.streams)) {
    const self = randomId(random);
    const { link } = await findHost(bus, { clock: systemClock, endpoints, peerId: self.bytes });
    if (link === undefined) throw new Error('the host is gone');
    lingering.push(link.pipe);
    const onCut = () => {
      counts.cut += 1;
    };
    link.pipe.handlers = { data() {}, drained() {}, closed: onCut };
    const frames = randomFrames(
      random,
      { side: 'peer', self, others: [self, randomId(random)] },
      1 + random.below(FRAMES_PER_STREAM),
    );
    if (random.below(10) > 0) frames.unshift(joinFrame(self));
    counts.streams += 1;
    counts.bytes += await send(link.pipe, pieces(random, damagedStream(random, frames)));
    if (lingering.length > LINGERING) abandon(lingering.shift()!);
  }
  for (const pipe of lingering) abandon(pipe);
  return counts;
}

function abandon(pipe: Pipe): void {
  pipe.handlers = { data() {}, drained() {}, closed() {} };
  pipe.destroy();
}

function joinFrame(self: PeerId): Buffer {
  const slots = [
    { id: 0, role: 'slot', pattern: 'fuzz.>' },
    { id: 1, role: 'responder', pattern: 'fuzz.ask' },
  ] as const;
  return controlFrame('JOIN', self.bytes, {
    minor: 0,
    label: 'fuzz',
    pid: process.pid,
    mayHost: false,
    lastEpoch: 0,
    highestOrder: 0,
    firstUnsettled: 1,
    slots: [...slots],
  });
}

async function send(pipe: Pipe, parts: readonly Buffer[]): Promise<number> {
  let bytes = 0;
  for (const part of parts) {
    if (part.length > 0) pipe.write([part]);
    bytes += part.length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return bytes;
}

/** Hosts a bus as it should be, until it is told to send something else. */
export class FalseHost {
  readonly #id: PeerId;
  readonly #epoch: number;
  /** The latest link. */
  #pipe: Pipe | undefined;
  #peer: PeerId | undefined;
  #reign: Reign | undefined;

  private constructor(id: PeerId, epoch: number) {
    this.#id = id;
    this.#epoch = epoch;
  }

  static async reign(directory: string): Promise<FalseHost> {
    const bus = await openBusDirectory('test', { directory });
    const endpoints = socketEndpoints(systemClock);
    const id = peerIdAt(systemClock.randomBytes(8), 0);
    const found = await findHost(bus, { clock: systemClock, endpoints, peerId: id.bytes });
    if (found.link !== undefined) throw new Error('the bus has a host');
    const host = new FalseHost(id, found.dead + 1);
    host.#reign = await standForElection(bus, {
      dead: found.dead,
      clock: systemClock,
      endpoints,
      hostId: id.bytes,
      onLink: ({ pipe, peerId }) => host.#admit(pipe, peerIdAt(peerId, 0)),
      onFenced() {},
    });
    host.#reign?.serve();
    return host;
  }

  /** Sends one damaged stream to the peer that came last. */
  async attack(random: SeededRandom): Promise<number> {
    if (this.#pipe === undefined || this.#peer === undefined) return 0;
    const others = [this.#peer, this.#id, randomId(random)];
    const frames = randomFrames(
      random,
      { side: 'host', self: this.#id, others },
      1 + random.below(FRAMES_PER_STREAM),
    );
    return send(this.#pipe, pieces(random, damagedStream(random, frames)));
  }

  /** Sends one frame, in its own name, to the peer that came last. */
  say(fields: Omit<FrameFields, 'sender'>): void {
    this.#pipe?.write([encodeFrame({ ...fields, sender: this.#id.bytes })]);
  }

  async close(): Promise<void> {
    this.#pipe?.destroy();
    await this.#reign?.close();
  }

  #admit(pipe: Pipe, peer: PeerId): void {
    this.#pipe = pipe;
    this.#peer = peer;
    const splitter = new FrameSplitter((bytes, start, end) => this.#answer(pipe, bytes, start, end));
    pipe.handlers = { data: (chunk) => splitter.push(chunk), drained() {}, closed() {} };
    const welcome = {
      minor: 0,
      epoch: this.#epoch,
      windowBytes: 2 ** 20,
      windowFrames: 1_000,
      maxFrameBytes: 2 ** 26,
    };
    pipe.write([controlFrame('WELCOME', this.#id.bytes, welcome)]);
  }

  #answer(pipe: Pipe, bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const size = frameSize(bytes, at, end);
      if (size === 0 || size > end - at) break;
      checkFrame(bytes, at, size);
      const kind = bytes[at + At.kind];
      // whoever leaves lets the host close
      if (kind === Kind.goaway) pipe.end();
      if (kind === Kind.join) pipe.write([controlFrame('OPEN', this.#id.bytes, { previous: 0, order: 1 })]);
      if (kind === Kind.slot) {
        const { id } = readControl('SLOT request', bytes, at, size);
        pipe.write([controlFrame('SLOT answer', this.#id.bytes, { do: 'opened', id, order: 1 })]);
      }
      at += size;
    }
    return at;
  }
}

function randomId(random: SeededRandom): PeerId {
  return peerIdAt(Buffer.from(Array.from({ length: 8 }, () => random.below(256))), 0);
}
