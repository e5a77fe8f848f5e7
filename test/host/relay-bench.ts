// A relay on a test bench: pipes in memory, a clock that the test moves, and peers that speak raw frames and take
// notes of every frame they get.
import { Gate } from '../../src/host/gate.js';
import { Relay } from '../../src/host/relay.js';
import { PEER_STALL_TIMEOUT } from '../../src/limits.js';
import { memoryPipePair } from '../../src/transport/memory-pipe.js';
import type { MessageFiles } from '../../src/transport/message-files.js';
import type { Pipe } from '../../src/transport/pipe.js';
import { writeBatchHead } from '../../src/wire/batch.js';
import { cancelFrame, controlFrame, type Join, readControl, type SlotSpec } from '../../src/wire/control.js';
import type { FileReference } from '../../src/wire/file-reference.js';
import {
  At,
  BATCH_HEAD_BYTES,
  encodeFrame,
  Flag,
  frameSize,
  Kind,
  readFlags,
  readRef,
  readSubject,
  readTail,
  readU64,
} from '../../src/wire/frame.js';
import { FrameSplitter } from '../../src/wire/frame-splitter.js';
import { type PeerId, peerIdAt } from '../../src/wire/peer-id.js';
import { decodeValue, encodeValue } from '../../src/wire/values.js';
import { referenceData } from '../support/file-reference.js';
import { ManualClock } from '../support/manual-clock.js';

export const HOST_ID = peerIdAt(Buffer.from('the-host'), 0);
export const EPOCH = 1_800_000_000;

/** A frame that a peer got, taken apart. */
export interface Got {
  kind: keyof typeof Kind;
  flags: number;
  sender: string;
  sequence: number;
  order: number;
  subject: string;
  ref: number | undefined;
  data: unknown;
  bytes: Buffer;
}

const kindNames = Object.keys(Kind) as (keyof typeof Kind)[];

export interface BenchOptions {
  opened?: boolean;
  noted?: string[];
  /** Name of the peer in the host's process. */
  owner?: string;
  stillReigns?: () => boolean;
  /** Where the data of large messages is. */
  files?: MessageFiles;
}

export class RelayBench {
  readonly clock = new ManualClock();
  readonly relay: Relay;
  #peers = 0;

  readonly #gate: Gate | undefined;

  /** @param options.noted gets what the roster is told; then there is a gate, which waits for {@link openGate} */
  constructor({ opened = true, noted, owner, stillReigns, files }: BenchOptions = {}) {
    this.#gate = noted && this.#makeGate(noted);
    this.relay = new Relay({
      clock: this.clock,
      epoch: EPOCH,
      hostId: HOST_ID,
      ownerId: owner === undefined ? undefined : idNamed(owner),
      gate: this.#gate,
      files,
      ...(stillReigns ? { stillReigns } : {}),
    });
    if (opened) this.relay.openGate(EPOCH - 1);
  }

  openGate(): void {
    this.#gate?.start();
    this.clock.settle();
  }

  #makeGate(noted: string[]): Gate {
    return new Gate({
      clock: this.clock,
      last: undefined,
      lastEpoch: 0,
      isGone: () => true,
      roster: {
        opened: (entries) => noted.push(`opened ${[...entries].map(({ id }) => id).join(' ')}`),
        joined: ({ id }) => noted.push(`joined ${id}`),
        left: (id) => noted.push(`left ${id}`),
        reached: (order) => noted.push(`reached ${order}`),
      },
      onOpen: (previous, absent) => this.relay.openGate(previous, absent),
    });
  }

  /** A new link; `name` makes the peer id, so the same name is the same peer. */
  link(name = `peer-${++this.#peers}`, split?: (chunk: Buffer) => Buffer[]): BenchPeer {
    const [ours, theirs] = memoryPipePair(this.clock, { split });
    const peer = new BenchPeer(this.clock, ours, idNamed(name));
    this.relay.admit(theirs, peer.id);
    this.clock.settle();
    return peer;
  }

  /** A peer that has joined, with slots on these patterns. */
  join(name?: string, ...patterns: string[]): BenchPeer {
    const peer = this.link(name);
    peer.join({ slots: patterns.map((pattern, i) => ({ id: i + 1, role: 'slot', pattern })) });
    return peer;
  }
}

const idNamed = (name: string): PeerId => peerIdAt(Buffer.from(name.padEnd(8)), 0);

export class BenchPeer {
  readonly got: Got[] = [];
  readonly id: PeerId;
  readonly #clock: ManualClock;
  readonly #pipe: Pipe;
  closed = false;
  #sequence = 0;
  #lastQuery = 0;

  constructor(clock: ManualClock, pipe: Pipe, id: PeerId) {
    this.#clock = clock;
    this.#pipe = pipe;
    this.id = id;
    this.resume();
  }

  get name(): string {
    return this.id.hex;
  }

  /** Reads nothing any more, as a suspended process. */
  suspend(): void {
    this.#pipe.handlers = undefined;
  }

  /** Reads one chunk of what has come. */
  readOne(): void {
    this.#read((chunk) => {
      this.suspend();
      return chunk;
    });
  }

  resume(): void {
    this.#read((chunk) => chunk);
  }

  #read(look: (chunk: Buffer) => Buffer): void {
    const splitter = new FrameSplitter((bytes, start, end) => this.#take(bytes, start, end));
    this.#pipe.handlers = {
      data: (chunk) => splitter.push(look(chunk)),
      drained() {},
      closed: () => {
        this.closed = true;
      },
    };
    this.#clock.settle();
  }

  of(kind: Got['kind']): Got[] {
    return this.got.filter((frame) => frame.kind === kind);
  }

  dataOf(kind: Got['kind']): unknown[] {
    return this.of(kind).map(({ data }) => data);
  }

  /** What came on subjects of users. */
  get messages(): Got[] {
    return this.of('publish').filter(({ subject }) => !subject.startsWith('$'));
  }

  send(...frames: Uint8Array[]): void {
    this.#pipe.write([Buffer.concat(frames)]);
    this.#clock.settle();
  }

  join(changes: Partial<Join> = {}): void {
    const join: Join = {
      minor: 0,
      label: 'bench',
      pid: 1,
      mayHost: false,
      lastEpoch: 0,
      highestOrder: 0,
      firstUnsettled: 1,
      slots: [],
      ...changes,
    };
    this.send(controlFrame('JOIN', this.id.bytes, join));
  }

  /** One PUBLISH; its sequence follows the last one unless given. */
  message(
    subject: string,
    data: unknown,
    options: { flags?: number; sequence?: number; to?: PeerId; ttl?: number; time?: number } = {},
  ): Buffer {
    const { flags = 0, sequence = this.#sequence + 1, to, ttl, time = 1 } = options;
    this.#sequence = Math.max(this.#sequence, sequence);
    return encodeFrame({
      kind: Kind.publish,
      flags,
      sender: this.id.bytes,
      sequence,
      time,
      subject,
      to: to?.bytes,
      ttl,
      data: Buffer.from(encodeValue(data)),
    });
  }

  /** A batch frame of these messages; they take the next places in its count. */
  batch(subject: string, values: readonly unknown[], flags = 0): Buffer {
    const head = Buffer.alloc(BATCH_HEAD_BYTES);
    writeBatchHead(head, 0, values.length);
    const items = values.map((value) => Buffer.from(encodeValue(Buffer.from(encodeValue(value)))));
    const sequence = this.#sequence + 1;
    this.#sequence += values.length;
    const fields = {
      kind: Kind.publish,
      flags: flags | Flag.batch,
      sender: this.id.bytes,
      sequence,
      time: 1,
      subject,
    };
    return encodeFrame({ ...fields, data: Buffer.concat([head, ...items]) });
  }

  /** The next message or batch, with its data in a file. */
  filed(subject: string, file: FileReference, flags = 0): Buffer {
    const sequence = this.#sequence + 1;
    this.#sequence += file.count ?? 1;
    const form = file.count === undefined ? Flag.file : Flag.file | Flag.batch;
    const fields = { kind: Kind.publish, flags: flags | form, sender: this.id.bytes, sequence };
    return encodeFrame({ ...fields, subject, data: referenceData(file) });
  }

  publish(subject: string, data: unknown, flags = 0): void {
    this.send(this.message(subject, data, { flags }));
  }

  acknowledge(sender: BenchPeer, upTo: number): void {
    this.send(controlFrame('ACK', this.id.bytes, [{ sender: sender.id.bytes, upTo }]));
  }

  pong(): void {
    this.send(controlFrame('PING', this.id.bytes, 'pong'));
  }

  open(role: 'slot' | 'responder', pattern: string, id: number): void {
    this.send(controlFrame('SLOT request', this.id.bytes, { do: 'open', id, role, pattern }));
  }

  openSlot(spec: Omit<SlotSpec, 'role'>): void {
    this.send(controlFrame('SLOT request', this.id.bytes, { do: 'open', role: 'slot', ...spec }));
  }

  close(id: number): void {
    this.send(controlFrame('SLOT request', this.id.bytes, { do: 'close', id }));
  }

  query(subject: string, options: { flags?: number; to?: PeerId } = {}): number {
    const { flags = 0, to } = options;
    const sequence = ++this.#lastQuery;
    const data = Buffer.from(encodeValue('question'));
    this.send(
      encodeFrame({
        kind: Kind.query,
        flags,
        sender: this.id.bytes,
        sequence,
        subject,
        ttl: 5_000,
        to: to?.bytes,
        data,
      }),
    );
    return sequence;
  }

  reply(to: BenchPeer, ref: number, data: unknown): void {
    const fields = { kind: Kind.reply, sender: this.id.bytes, to: to.id.bytes, ref };
    this.send(encodeFrame({ ...fields, data: Buffer.from(encodeValue(data)) }));
  }

  cancel(ref: number): void {
    this.send(cancelFrame(this.id, ref));
  }

  sayGoodbye(): void {
    this.send(controlFrame('GOAWAY', this.id.bytes, { code: 'closed', reason: '' }));
  }

  /** The process is gone. */
  crash(): void {
    this.#pipe.destroy();
    this.#clock.settle();
  }

  #take(bytes: Buffer, start: number, end: number): number {
    let at = start;
    for (
      let size = frameSize(bytes, at, end);
      size > 0 && at + size <= end;
      size = frameSize(bytes, at, end)
    ) {
      this.got.push(takeApart(bytes, at, size));
      at += size;
      if (at === end) break;
    }
    return at;
  }
}

function takeApart(bytes: Buffer, at: number, size: number): Got {
  const flags = readFlags(bytes, at);
  const kind = kindNames.find((name) => Kind[name] === bytes[at + At.kind])!;
  const { data } = readTail(bytes, at, size);
  return {
    kind,
    flags,
    sender: bytes.toString('hex', at + At.sender, at + At.sender + 8),
    sequence: readU64(bytes, at + At.sequence),
    order: readU64(bytes, at + At.order),
    subject: readSubject(bytes, at),
    ref: flags & Flag.hasRef ? readRef(bytes, at) : undefined,
    data: kind === 'settled' ? readControl('SETTLED', bytes, at, size) : decodeValue(bytes, data, at + size),
    bytes: Buffer.from(bytes.subarray(at, at + size)),
  };
}

/** Until the host has given up everybody else who owes it something. */
export function waitUntilGivenUp(bench: RelayBench, ...awake: BenchPeer[]): void {
  for (let waited = 0; waited < PEER_STALL_TIMEOUT + 2_000; waited += 1_000) {
    bench.clock.advance(1_000);
    for (const peer of awake) peer.pong();
  }
}
