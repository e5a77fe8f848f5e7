// One process of a crew (crew.ts): publishes counted numbers, reads a slot into a ledger, and tells its parent what
// happens to it. What it is to do stands in its argument. It judges nothing but the order of what it reads.
import { setTimeout as pause } from 'node:timers/promises';
import { openBus } from 'mailslot';
import { Ledger } from './ledger.mjs';

const STATUS_INTERVAL = 250;
const BLOCK = 300;
/** A turn that comes so much too late is worth telling. */
const LAG_INTERVAL = 100;
/** A marker comes ahead of OPEN; after so long it is known to which epoch it belongs. */
const GAP_SETTLES = 50;

/** On the machine's monotonic clock, ms. */
const machineTime = () => Number(process.hrtime.bigint()) / 1e6;

const task = JSON.parse(process.argv[2]);
const bus = await openBus('test', {
  directory: task.directory,
  host: task.host,
  label: task.label,
  timeout: 60_000,
  reconnectTimeout: 120_000,
});
const ledger = new Ledger();
const tell = (what, more) => process.send({ what, at: machineTime(), ...more });
const fail = (error) => tell('fault', { fault: String(error?.stack ?? error) });

let published = 0;
let confirmed = 0;
let isStopping = false;
let lag = 0;
/** The first message with such an order is the first that a new host relayed. */
let flowsFrom = Number.POSITIVE_INFINITY;

async function watch() {
  for await (const event of bus.events()) {
    if (event.type === 'connected') tell('connected', { epoch: event.epoch, hosting: bus.hosting });
    if (event.type === 'disconnected') {
      flowsFrom = Date.now() * 1_000;
      tell('disconnected', { epoch: event.epoch, cause: event.cause?.message });
    }
    if (event.type === 'gap' && event.missed === undefined) {
      setTimeout(() => tell('gap', { epoch: bus.epoch, lag }), GAP_SETTLES);
    }
    // the file with these messages was gone
    if (event.type === 'gap' && event.missed !== undefined && event.reason !== undefined)
      tell('unread', { missed: event.missed, reason: event.reason });
    if (event.type === 'closed') tell('fault', { fault: `the bus closed: ${event.cause?.stack}` });
  }
}

function take(item) {
  if (item.gap !== undefined) return ledger.gap(item.gap.missed);
  const { data, sender, order } = item;
  ledger.read(sender, typeof data === 'number' ? data : data[0], order);
  if (order >= flowsFrom) {
    flowsFrom = Number.POSITIVE_INFINITY;
    tell('flows', { epoch: bus.epoch });
  }
}

async function readAll(slot) {
  for await (const batch of slot.batches()) for (const item of batch) take(item);
}

/** As slowly as makes a small slot overflow. */
async function readSlowly(slot) {
  for await (const item of slot) {
    take(item);
    if (ledger.reads % 500 === 0) await pause(5);
  }
}

async function blockNowAndThen() {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    await pause(200 + 1_500 * Math.random());
    Atomics.wait(nothing, 0, 0, BLOCK);
  }
}

async function publishAll({ subject, bytes, confirmEvery }) {
  while (!isStopping) {
    published += 1;
    const sequence = published;
    const data = bytes === 0 ? sequence : [sequence, new Uint8Array(Math.floor(2 * bytes * Math.random()))];
    const wantsReceipt = confirmEvery > 0 && sequence % confirmEvery === 0;
    if (wantsReceipt) await bus.publish(subject, data, { confirm: true });
    else await bus.publish(subject, data);
    if (wantsReceipt) confirmed = sequence;
  }
}

/** Resolves to how many were published, when each of them is taken everywhere. */
async function finish(publishing) {
  isStopping = true;
  await publishing;
  published += 1;
  await bus.publish(task.publish.subject, published, { confirm: true });
  return published;
}

async function whenRead(slot) {
  while (slot.info.messageCount > 0) await pause(5);
  await pause(5);
}

function tellStatus() {
  const { duplicates } = bus.stats().received;
  const { reads, doubled, late, disordered } = ledger;
  const faults = ledger.faults.splice(0);
  const figures = { published, confirmed, reads, duplicates, doubled, late, disordered };
  tell('status', { figures, samples: ledger.takeSamples(), faults });
}

function watchLag() {
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    // what was measured fades, so that a gap is explained by what was just before it
    lag = Math.max(now - last - LAG_INTERVAL, lag * 0.99);
    last = now;
  }, LAG_INTERVAL);
}

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
void watch().catch(fail);
watchLag();
const slot = task.slot && (await bus.subscribe(task.slot.pattern, { ...task.slot.options, gaps: true }));
if (slot) void (task.slot.isSlow ? readSlowly(slot) : readAll(slot)).catch(fail);
if (task.blocks) void blockNowAndThen().catch(fail);
let publishing = Promise.resolve();
process.on('message', async (order) => {
  try {
    if (order === 'go') {
      publishing = publishAll(task.publish);
      await publishing;
    }
    if (order === 'finish') tell('finished', { total: await finish(publishing) });
    if (order === 'account') {
      await whenRead(slot);
      tellStatus();
      tell('account', { account: ledger.account() });
    }
  } catch (error) {
    fail(error);
  }
});
setInterval(tellStatus, STATUS_INTERVAL);
tell('ready', { id: bus.id, epoch: bus.epoch, hosting: bus.hosting });
