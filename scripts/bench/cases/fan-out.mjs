// One publisher, some receivers, each in its own process: messages per second that all receivers have got, from the
// first publish to the last message of the last receiver. Loss, doubling and disorder fail the cell.
import { fanOutFloor } from '../floors.mjs';
import { withWorkers } from '../processes.mjs';
import { inDirectory, runRounds } from '../rounds.mjs';

export const title = 'Fan-out: messages per second received by all';
export const name = 'fan-out';

// What is measured is the steady state of every system, and seventeen processes on two cores compile for a while. So
// many small messages come first, enough for V8 to be done; then a run of the size in question tells how many make a
// short one, and short ones follow until the rate rises no more.
const COMPILE_MESSAGES = 100_000;
const COMPILE_BYTES = 64;
const PROBE_BYTES = 4 * 1024 * 1024;
const PROBE_MESSAGES = 20_000;
const WARM_UP = 400;
const MOST_WARM_UPS = 10;
const STILL_RISING = 1.1;

export async function run(setup) {
  const results = [];
  for (const receivers of setup.receivers) {
    for (const size of setup.sizes) {
      const label = `1 → ${receivers}, ${formatSize(size)}`;
      const rounds = await runRounds(setup, `${name} ${label}`, (system) =>
        inDirectory((directory) => measure(system, { directory, receivers, size, duration: setup.duration })),
      );
      results.push({
        label,
        receivers,
        size,
        unit: 'messages/s',
        better: 'higher',
        floor: fanOutFloor(size),
        rounds,
      });
    }
  }
  return results;
}

function measure(system, { directory, receivers, size, duration }) {
  return withWorkers(async (open) => {
    await open(system, 'openServer', { directory });
    const place = { directory };
    const readers = await Promise.all(
      Array.from({ length: receivers }, () => open(system, 'openReceiver', place)),
    );
    const publisher = await open(system, 'openPublisher', place);
    const pass = (count, bytes = size) => runOnce(publisher, readers, count, bytes);
    await pass(COMPILE_MESSAGES, COMPILE_BYTES);
    let rate = await pass(Math.min(PROBE_MESSAGES, Math.max(8, PROBE_BYTES / size)));
    for (let before = 0, runs = 0; rate > before * STILL_RISING && runs < MOST_WARM_UPS; runs++) {
      before = rate;
      rate = await pass(messagesFor(rate, WARM_UP));
    }
    return pass(messagesFor(rate, duration));
  });
}

function messagesFor(rate, duration) {
  return Math.max(8, Math.round((rate * duration) / 1000));
}

async function runOnce(publisher, readers, count, size) {
  await Promise.all(readers.map((reader) => reader.call('arm', count, size)));
  const finished = readers.map((reader) => reader.call('finished'));
  const [{ startedAt }, ...reports] = await Promise.all([
    publisher.call('publish', count, size),
    ...finished,
  ]).catch((error) => failWithCounts(readers, error));
  const broken = reports.find(({ brokenAt }) => brokenAt !== undefined);
  if (broken) throw new Error(`message ${broken.brokenAt} was lost, doubled or out of order`);
  return (count / (Math.max(...reports.map((report) => report.endedAt)) - startedAt)) * 1000;
}

async function failWithCounts(readers, error) {
  const counts = await Promise.all(readers.map((reader) => reader.call('received').catch(() => 'gone')));
  throw new Error(`${error.message}; received by then: ${counts.join(', ')}`, { cause: error });
}

export function formatSize(size) {
  if (size >= 1024 * 1024) return `${size / 1024 / 1024} MiB`;
  return size >= 1024 ? `${size / 1024} KiB` : `${size} B`;
}
