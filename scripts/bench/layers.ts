// Where the time of one message goes: the layers that it passes, each by itself and in this process, best of many
// rounds. It says what a layer costs when everything is warm; what the kernel, wake-ups and other processes add shows in
// the other cases. `npx tsx scripts/bench/layers.ts [bytes of data]`
import { Relay } from '../../src/host/relay.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from '../../src/limits.js';
import { ChunkHold } from '../../src/peer/chunk-hold.js';
import { Inbox } from '../../src/peer/inbox.js';
import { Outbox } from '../../src/peer/outbox.js';
import { Publisher } from '../../src/peer/publisher.js';
import { OpenSlot } from '../../src/peer/slot.js';
import type { Pipe, PipeHandlers } from '../../src/transport/pipe.js';
import { systemClock } from '../../src/util/clock.js';
import { controlFrame } from '../../src/wire/control.js';
import { FrameWalker } from '../../src/wire/frame-walker.js';
import { type PeerId, peerIdAt } from '../../src/wire/peer-id.js';

const ROUNDS = 400;
const SUBJECT = 'bench.layers';
const WINDOW = 4 * 1024 * 1024;
/** A round has at most so many bytes and messages: what one read of a busy link brings. */
const ROUND_BYTES = 192 * 1024;
const ROUND_MESSAGES = 10_000;

const size = Number(process.argv[2] ?? 16);
const count = Math.min(ROUND_MESSAGES, Math.floor(ROUND_BYTES / (size + 5)));
const data = new Uint8Array(size);
const best = new Map<string, number>();

function note(layer: string, startedAt: number, messages = count): void {
  const each = ((performance.now() - startedAt) / messages) * 1e6;
  best.set(layer, Math.min(best.get(layer) ?? Number.POSITIVE_INFINITY, each));
}

const newId = (): PeerId => peerIdAt(systemClock.randomBytes(8), 0);

/** A link of the relay that keeps what the relay writes. */
class Line implements Pipe {
  handlers: PipeHandlers | undefined;
  readonly queuedBytes = 0;
  readonly written: Uint8Array[] = [];

  write(parts: readonly Uint8Array[], onWritten?: () => void): void {
    this.written.push(...parts.map((part) => Buffer.from(part)));
    onWritten?.();
  }

  unread(): void {}
  recycle(): void {}
  end(): void {}
  destroy(): void {}
}

function joined(relay: Relay, id: PeerId, slots: { id: number; role: 'slot'; pattern: string }[]): Line {
  const line = new Line();
  relay.admit(line, id);
  const about = { minor: 0, label: 'bench', pid: 1, mayHost: false, lastEpoch: 0, highestOrder: 0 };
  line.handlers?.data(controlFrame('JOIN', id.bytes, { ...about, firstUnsettled: 1, slots }));
  return line;
}

const publisherId = newId();
const outbox = new Outbox({
  windowBytes: WINDOW,
  onPending() {},
  onFull() {},
  onStarving() {},
  onUndeliverable() {},
});
const publisher = new Publisher({
  clock: systemClock,
  peerId: publisherId,
  outbox,
  maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES,
});

const receiverId = newId();
const relay = new Relay({ clock: systemClock, epoch: 1, hostId: newId() });
relay.openGate(0);
const from = joined(relay, publisherId, []);
const to = joined(relay, receiverId, [{ id: 1, role: 'slot', pattern: SUBJECT }]);

const inbox = new Inbox({ clock: systemClock, maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES, sendAck() {} });
const slot = new OpenSlot({
  id: 1,
  pattern: SUBJECT,
  capacity: ROUND_MESSAGES,
  capacityBytes: WINDOW,
  overflow: 'wait',
  stallTimeout: 10_000,
  gaps: false,
  maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES,
  clock: systemClock,
  owner: { taken() {}, gap() {}, full() {}, slow() {}, left() {}, closed() {} },
});
slot.opened();
inbox.add(slot);
const walker = new FrameWalker();

/** Publishes a round; returns what goes to the host. */
function publish(): Buffer {
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) {
    if (!publisher.tryPublish(SUBJECT, data)) throw new Error('the window is full');
  }
  note('publish', startedAt);
  return written();
}

function written(): Buffer {
  const parts: Buffer[] = [];
  outbox.take({ push: (part: Uint8Array) => void parts.push(Buffer.from(part)) });
  publisher.flushed();
  return Buffer.concat(parts);
}

async function awaitNothing(): Promise<void> {
  const done = Promise.resolve();
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) await done;
  note('await of what is done', startedAt);
}

/** Relays it; returns what goes to the receiver. */
function pass(chunk: Buffer): Buffer {
  to.written.length = 0;
  const startedAt = performance.now();
  from.handlers?.data(chunk);
  note('relay', startedAt);
  return Buffer.concat(to.written);
}

function take(chunk: Buffer): void {
  const hold = new ChunkHold(chunk, () => {});
  const startedAt = performance.now();
  walker.begin(chunk, 0, chunk.length);
  while (walker.next()) inbox.take(walker, hold);
  note('take into a slot', startedAt);
}

let left = 0;
let bytes = 0;
let whenRead = (): void => {};

// one loop for all rounds: leaving a loop closes its slot
async function readForever(): Promise<void> {
  for await (const message of slot) {
    bytes += (message as { data: Uint8Array }).data.length;
    left -= 1;
    if (left === 0) whenRead();
  }
}

async function readAll(chunk: Buffer): Promise<void> {
  left = count;
  bytes = 0;
  const done = new Promise<void>((resolve) => {
    whenRead = resolve;
  });
  take(chunk);
  const startedAt = performance.now();
  await done;
  if (bytes !== count * size) throw new Error(`read ${bytes} bytes of data`);
  note('read with for await, and its data', startedAt);
}

void readForever();
// the first message on a subject makes its template
left = 1;
void publisher.publish(SUBJECT, data, {});
take(pass(written()));
best.clear();
let settled = 1;
for (let round = 0; round < ROUNDS; round += 1) {
  const chunk = publish();
  settled += count;
  await awaitNothing();
  const relayed = pass(chunk);
  const acknowledged = [{ sender: publisherId.bytes, upTo: settled }];
  to.handlers?.data(controlFrame('ACK', receiverId.bytes, acknowledged));
  outbox.settle({ upTo: settled, windowBytes: WINDOW, receipts: [] });
  await readAll(relayed);
}
console.log(`${size} B of data, ns per message, best of ${ROUNDS} rounds of ${count}:`);
for (const [layer, each] of best) console.log(`  ${each.toFixed(0).padStart(6)}  ${layer}`);
process.exit();
