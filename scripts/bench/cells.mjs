// One cell of a table: the processes of one system, opened for it, and runs in which a publisher sends and all
// receivers count. Loss, doubling and disorder fail the cell.
import { availableParallelism } from 'node:os';
import { withWorkers } from './processes.mjs';

// What is measured is the steady state of every system, and seventeen processes on two cores compile for a while. So
// many small messages come first, enough for V8 to be done; then a run of the size in question tells how many make a
// short one, and short ones follow until the rate rises no more. It stands still for seconds and then rises again, when the
// next function is compiled, in the last of many processes, and when V8 gives young objects more room: so no system counts
// as steady before some seconds, and before each process had its share of a core.
const FIRST_MESSAGES = 2_000;
const COMPILE_MESSAGES = 100_000;
const COMPILE_BYTES = 64;
const COMPILE_TIME = 1_200;
const PROBE_BYTES = 4 * 1024 * 1024;
const PROBE_MESSAGES = 20_000;
const PROBE_TIME = 400;
const WARM_UP = 400;
const MOST_WARM_UPS = 30;
const PATIENCE = 4;
const STILL_RISING = 1.05;
/** Time on a core that each process has before the rate counts as steady, ms; measured with sixteen receivers. */
const CORE_TIME = 1_200;
const OPENED_AT_ONCE = 8;
const LEAST_MESSAGES = 8;

/**
 * Opens server, receivers and publisher of a system and calls `use(cell)`; all end when it returns. `options` go to the
 * receivers, `publisherOptions` to the publisher.
 */
export function withCell(system, { receivers, options, publisherOptions = options }, use) {
  return withWorkers(async (open) => {
    const server = await open(system, 'openServer', options);
    const readers = await openReaders(receivers, () => open(system, 'openReceiver', options));
    const links = receivers * (options.links ?? 1) * (options.patterns?.length ?? 1);
    const publisher = await open(system, 'openPublisher', { ...publisherOptions, receivers: links });
    return use({ server, readers, publisher, all: [server, publisher, ...readers] });
  });
}

// Not all at once: sixty processes that start on two cores keep each other from answering in time.
async function openReaders(count, openOne) {
  const readers = [];
  while (readers.length < count) {
    const next = Math.min(OPENED_AT_ONCE, count - readers.length);
    readers.push(...(await Promise.all(Array.from({ length: next }, openOne))));
  }
  return readers;
}

/** One run; resolves to messages per second that all receivers have got, from the first publish to the last arrival. */
export async function runOnce({ publisher, readers }, { count, size, method = 'publish', subjects }) {
  await Promise.all(readers.map((reader) => reader.call('arm', count, size)));
  const finished = readers.map((reader) => reader.call('finished'));
  // What is undefined would arrive as null.
  const parameters = [count, size, subjects].filter((parameter) => parameter !== undefined);
  const [{ startedAt }, ...reports] = await Promise.all([
    publisher.call(method, ...parameters),
    ...finished,
  ]).catch((error) => failWithCounts(readers, error));
  failIfBroken(reports);
  return (count / (Math.max(...reports.map((report) => report.endedAt)) - startedAt)) * 1000;
}

export function failIfBroken(reports) {
  const broken = reports.find(({ brokenAt }) => brokenAt !== undefined);
  if (broken) throw new Error(`message ${broken.brokenAt} was lost, doubled or out of order`);
}

async function failWithCounts(readers, error) {
  const counts = await Promise.all(readers.map((reader) => reader.call('received').catch(() => 'gone')));
  throw new Error(`${error.message}; received by then: ${counts.join(', ')}`, { cause: error });
}

/** Runs until everything is compiled; resolves to the rate at which small messages go then. */
export async function compile(cell, run = { size: COMPILE_BYTES }) {
  const rate = await runOnce(cell, { ...run, count: FIRST_MESSAGES });
  return runOnce(cell, { ...run, count: Math.min(COMPILE_MESSAGES, messagesFor(rate, COMPILE_TIME)) });
}

/**
 * Runs again and again until the rate rises no more, and for `leastTime` ms; resolves to the best. `known` is a rate it will not
 * exceed by far.
 */
export async function warmUp(cell, run, { known, leastTime }) {
  const probe = Math.min(
    PROBE_MESSAGES,
    PROBE_BYTES / (run.size ?? COMPILE_BYTES),
    messagesFor(known, PROBE_TIME),
  );
  const processes = cell.readers.length + 2;
  const notBefore = performance.now() + Math.max(leastTime, (CORE_TIME * processes) / availableParallelism());
  const first = await runOnce(cell, { ...run, count: Math.max(LEAST_MESSAGES, Math.round(probe)) });
  return untilSteady(
    first,
    (count) => runOnce(cell, { ...run, count }),
    () => performance.now() >= notBefore,
  );
}

/**
 * Calls `measure(count)` for short runs until its rate, which begins at `first`, rises no more, and `mayEnd` says so, too;
 * resolves to the best.
 */
export async function untilSteady(first, measure, mayEnd = () => true) {
  let best = first;
  for (let runs = 0, inVain = 0; (inVain < PATIENCE || !mayEnd()) && runs < MOST_WARM_UPS; runs++) {
    const rate = await measure(messagesFor(best, WARM_UP));
    inVain = rate > best * STILL_RISING ? 0 : inVain + 1;
    best = Math.max(best, rate);
  }
  return best;
}

/** How many messages take about `duration` ms at a rate. */
export function messagesFor(rate, duration) {
  return Math.max(LEAST_MESSAGES, Math.round((rate * duration) / 1000));
}

export function formatSize(size) {
  if (size >= 1024 * 1024) return `${size / 1024 / 1024} MiB`;
  return size >= 1024 ? `${size / 1024} KiB` : `${size} B`;
}
