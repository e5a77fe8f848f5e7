// A client written from docs/PROTOCOL.md: it shares no line with the package, and leaves to a CBOR library what is CBOR.
// It joins only, and knows no more than its test needs.
import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { Encoder } from 'cbor-x';

const cbor = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  tagUint8Array: false,
  int64AsType: 'number',
} as object);

export interface Frame {
  kind: number;
  flags: number;
  sender: string;
  sequence: number;
  order: number;
  subject: string;
  options: Map<number | string, unknown>;
  data: unknown;
}

export interface NewFrame {
  kind: number;
  flags?: number;
  sender?: Buffer;
  sequence?: number;
  time?: number;
  subject?: string;
  to?: string;
  ttl?: number;
  ref?: number;
  data?: unknown;
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.from([0x1a, 0, 0, 0, 0]);
  bytes.writeUInt32BE(value, 1);
  return bytes;
};

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0x1b;
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
};

function encode(frame: NewFrame, sender: Buffer): Buffer {
  const { kind, flags = 0, sequence = 0, time = 0, subject = '', to, ttl, ref, data = null } = frame;
  const options: Buffer[] = [];
  if (to !== undefined) options.push(Buffer.from(`011b${to}`, 'hex'));
  if (ttl !== undefined) options.push(Buffer.from([2, 0x1a, ttl >>> 24, ttl >>> 16, ttl >>> 8, ttl]));
  if (ref !== undefined) options.push(Buffer.from([3]), u64(ref));
  const bits =
    flags | (to === undefined ? 0 : 32) | (ttl === undefined ? 0 : 64) | (ref === undefined ? 0 : 128);
  const count = [to, ttl, ref].filter((option) => option !== undefined).length;
  const body = Buffer.concat([
    Buffer.from([0x89, kind, 0x19, bits >>> 8, bits, 0x1b]),
    sender,
    u64(sequence),
    u64(0),
    u64(time),
    Buffer.from([0x79, subject.length >>> 8, subject.length]),
    Buffer.from(subject, 'latin1'),
    Buffer.from([0xb8, count]),
    ...options,
    cbor.encode(data),
  ]);
  const head = Buffer.from([0xd8, 0x18, 0x5a, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 3);
  return Buffer.concat([head, body]);
}

function decode(body: Buffer): Frame {
  const subjectLength = body.readUInt16BE(42);
  const [kind, flags, , count, stamp, , subject] = cbor.decode(body) as [
    number,
    number,
    unknown,
    number,
    number,
    unknown,
    string,
  ];
  const [sequence, order] = [Number(count), Number(stamp)];
  const options = new Map<number | string, unknown>();
  let at = 44 + subjectLength;
  let left = body[at + 1]!;
  at += 2;
  if (flags & 32) [left, at] = [left - 1, at + option(1, body.toString('hex', at + 2, at + 10), 10)];
  if (flags & 64) [left, at] = [left - 1, at + option(2, body.readUInt32BE(at + 2), 6)];
  if (flags & 128) [left, at] = [left - 1, at + option(3, Number(body.readBigUInt64BE(at + 2)), 10)];
  if (left > 0) throw new Error('this client reads no headers');
  const sender = body.toString('hex', 6, 14);
  return { kind, flags, sender, sequence, order, subject, options, data: cbor.decode(body.subarray(at)) };

  function option(key: number, value: unknown, size: number): number {
    options.set(key, value);
    return size;
  }
}

export class ForeignClient {
  readonly id = randomBytes(8);
  readonly #folder: string;
  #socket: net.Socket | undefined;
  #buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  #closed = false;

  /** @param folder the bus folder */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get name(): string {
    return this.id.toString('hex');
  }

  /** Sections 1 and 2. */
  async connect(): Promise<void> {
    const epochs = readdirSync(this.#folder).flatMap((name) => /^e([1-9]\d{0,14})$/.exec(name)?.[1] ?? []);
    const epoch = Math.max(...epochs.map(Number));
    const pointer = JSON.parse(readFileSync(join(this.#folder, `e${epoch}`), 'utf8')) as { endpoint: string };
    const key = readFileSync(join(this.#folder, 'key'));
    const socket = net.connect(join(this.#folder, '..', pointer.endpoint));
    this.#socket = socket;
    this.#closed = false;
    this.#buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
    await this.#shakeHands(key, pointer.endpoint, epoch);
  }

  async #shakeHands(key: Buffer, endpoint: string, epoch: number): Promise<void> {
    const prove = (label: string, ...parts: Buffer[]) =>
      createHmac('sha256', key)
        .update(Buffer.concat([Buffer.from(`mailslot/1 ${label}\0${endpoint}\0`), ...parts]))
        .digest();
    const start = Buffer.from('4d534c5401000000', 'hex');
    const keyId = prove('key-id').subarray(0, 8);
    const c1 = Buffer.concat([start, u64(epoch).subarray(1), keyId, Buffer.alloc(8), randomBytes(32)]);
    this.#socket!.write(c1);
    const h1 = await this.#read(112);
    if (!h1.subarray(80).equals(prove('host proof', c1, h1.subarray(0, 80)))) throw new Error('a false host');
    const c2 = Buffer.concat([this.id, prove('peer proof', c1, h1, this.id)]);
    this.#socket!.write(c2);
    const h2 = await this.#read(40);
    const finish = createHmac('sha256', prove('session', c1, h1, c2))
      .update('host finish')
      .digest();
    if (!h2.equals(Buffer.concat([Buffer.from('4f4b000000000000', 'hex'), finish])))
      throw new Error('no end');
  }

  /** Section 4, up to OPEN. */
  async join(changes: object = {}): Promise<void> {
    await this.next(9);
    const plain = {
      minor: 0,
      label: 'foreign',
      pid: process.pid,
      mayHost: false,
      lastEpoch: 0,
      highestOrder: 0,
    };
    this.send({ kind: 10, data: { ...plain, firstUnsettled: 1, slots: [], ...changes } });
    await this.next(11);
  }

  send(frame: NewFrame): void {
    this.#socket!.write(encode(frame, frame.sender ?? this.id));
  }

  /** Several messages in one frame; the array always has a head of 5 bytes. */
  sendBatch(frame: Omit<NewFrame, 'kind' | 'data' | 'flags'>, values: unknown[]): void {
    const body = encode({ ...frame, kind: 0, flags: 4096, data: 0 }, this.id).subarray(0, -1);
    const head = Buffer.from([0x9a, 0, 0, 0, values.length]);
    const whole = Buffer.concat([body, head, ...values.map((value) => cbor.encode(cbor.encode(value)))]);
    whole.writeUInt32BE(whole.length - 7, 3);
    this.write(whole);
  }

  /** A message whose data is in a file, which is written as a publisher has to. */
  sendFile(frame: Omit<NewFrame, 'kind' | 'data' | 'flags'>, number: number, value: unknown): void {
    const data = cbor.encode(value);
    this.#sendReference(frame, 8192, number, data, Buffer.of(0x82));
  }

  /** Several messages in one frame, and that in a file. */
  sendBatchFile(frame: Omit<NewFrame, 'kind' | 'data' | 'flags'>, number: number, values: unknown[]): void {
    const data = Buffer.concat([
      Buffer.from([0x9a, 0, 0, 0, values.length]),
      ...values.map((value) => cbor.encode(cbor.encode(value))),
    ]);
    this.#sendReference(frame, 12_288, number, data, Buffer.concat([Buffer.of(0x83), u32(values.length)]));
  }

  #sendReference(
    frame: Omit<NewFrame, 'kind' | 'data' | 'flags'>,
    flags: number,
    number: number,
    data: Buffer,
    start: Buffer,
  ): void {
    writeFileSync(this.#fileOf(this.name, number), data, { mode: 0o600 });
    const body = encode({ ...frame, kind: 0, flags, data: 0 }, this.id).subarray(0, -1);
    const whole = Buffer.concat([body, start, u64(number), u32(data.length)]);
    whole.writeUInt32BE(whole.length - 7, 3);
    this.write(whole);
  }

  /** The data of a frame that says where it is. */
  readFile({ sender, data }: Frame): unknown {
    const [number, size] = (data as number[]).slice(-2) as [number, number];
    const bytes = readFileSync(this.#fileOf(sender, number));
    if (bytes.length !== size) throw new Error(`a file has ${bytes.length} bytes, not ${size}`);
    return cbor.decode(bytes);
  }

  #fileOf(sender: string, number: number): string {
    return join(this.#folder, 'state', `m${sender}-${number}`);
  }

  /** The data of one message of a batch. */
  read(item: Buffer): unknown {
    return cbor.decode(item);
  }

  write(bytes: Buffer): void {
    this.#socket!.write(bytes);
  }

  /** The next frame of this kind; others are dropped, but for PING, which is answered. */
  async next(kind: number): Promise<Frame> {
    for (;;) {
      const head = await this.#read(7);
      if (head.toString('hex', 0, 3) !== 'd8185a') throw new Error('not a frame');
      const frame = decode(await this.#read(head.readUInt32BE(3)));
      if (frame.kind === kind) return frame;
      if (frame.kind === 14 && frame.data === 'ping') this.send({ kind: 14, data: 'pong' });
    }
  }

  /** Resolves when the host has closed the connection. */
  async ended(): Promise<void> {
    while (!this.#closed) await this.#more();
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#socket?.destroy();
  }

  async #read(size: number): Promise<Buffer> {
    while (this.#buffer.length < size) {
      if (this.#closed) throw new Error('the connection ended');
      await this.#more();
    }
    const bytes = this.#buffer.subarray(0, size);
    this.#buffer = this.#buffer.subarray(size);
    return bytes;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
