// The thread that a standby keeps ready, as the Bus sees it that owns it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Hosting } from '../../src/host/hosting.js';
import { WARM_THREAD_DELAY } from '../../src/limits.js';
import { type BusDirectory, openBusDirectory } from '../../src/transport/bus-directory.js';
import { socketEndpoints } from '../../src/transport/socket-pipe.js';
import { PEER_ID_BYTES, parsePeerId } from '../../src/wire/peer-id.js';
import { ManualClock } from '../support/manual-clock.js';
import { busFolder } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

/** What a host thread is given here in place of the host: for 0.3 s it is at work outside of V8, where nothing ends it. */
const working = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { execFileSync } from 'node:child_process';
    import { workerData } from 'node:worker_threads';
    const note = (name) => \`fs.writeFileSync('\${workerData.bus.root}/\${name}', '')\`;
    execFileSync(process.execPath, ['-e', \`\${note('begun')}; setTimeout(() => \${note('done')}, 300)\`]);
  `)}`,
);

/** Another one: it says it lost the election once a second thread is there, and counts for as long as it lives. */
const losing = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, workerData } from 'node:worker_threads';
    const [steps, threads] = [0, 1];
    const counts = new Int32Array(workerData.ownerId.buffer);
    Atomics.add(counts, threads, 1);
    Atomics.notify(counts, threads);
    setInterval(() => Atomics.add(counts, steps, 1), 1);
    parentPort.on('message', (command) => {
      if (command.do !== 'stand') return;
      while (Atomics.load(counts, threads) < 2) Atomics.wait(counts, threads, 1);
      parentPort.postMessage({ news: 'lost' });
    });
  `)}`,
);

function hostingWith(
  threadFile: URL,
  bus: BusDirectory,
): { hosting: Hosting; clock: ManualClock; counts: Int32Array } {
  const clock = new ManualClock();
  const memory = new SharedArrayBuffer(PEER_ID_BYTES);
  const hosting = new Hosting({
    bus,
    clock,
    endpoints: socketEndpoints(clock),
    ownerId: { ...parsePeerId('00'.repeat(PEER_ID_BYTES))!, bytes: new Uint8Array(memory) },
    thread: 'worker',
    threadFile,
    onInline() {},
  });
  return { hosting, clock, counts: new Int32Array(memory) };
}

/** Fails when somebody still counts. */
function expectStandstill(counts: Int32Array): void {
  const atEnd = Atomics.load(counts, 0);
  for (const start = performance.now(); performance.now() < start + 100; );
  expect(Atomics.load(counts, 0)).toBe(atEnd);
}

it('a Bus that has closed has no thread any more: it might be writing into a folder that is about to go', async () => {
  const bus = await openBusDirectory('test', { directory: busFolder() });
  const { hosting, clock } = hostingWith(working, bus);
  hosting.setStandby(true);
  clock.advance(WARM_THREAD_DELAY);
  await eventually(() => existsSync(join(bus.root, 'begun')), 'the thread is at work');
  await hosting.close();
  expect(existsSync(join(bus.root, 'done'))).toBe(true);
});

it('…also when one was made ready while another one stood for election', async () => {
  const bus = await openBusDirectory('test', { directory: busFolder() });
  const { hosting, clock, counts } = hostingWith(losing, bus);
  hosting.setStandby(true);
  const starting = hosting.start({ dead: 0, lastEpoch: 0 });
  clock.advance(WARM_THREAD_DELAY);
  expect(await starting).toBeUndefined();
  await hosting.close();
  expectStandstill(counts);
});

it('nobody hosts who was closed meanwhile', async () => {
  const bus = await openBusDirectory('test', { directory: busFolder() });
  const { hosting } = hostingWith(losing, bus);
  await hosting.close();
  expect(await hosting.start({ dead: 0, lastEpoch: 0 })).toBeUndefined();
});
