// The thread that a standby keeps ready, as the Bus sees it that owns it.
import { expect, it } from 'vitest';
import { Hosting } from '../../src/host/hosting.js';
import { WARM_THREAD_DELAY } from '../../src/limits.js';
import { openBusDirectory } from '../../src/transport/bus-directory.js';
import { socketEndpoints } from '../../src/transport/socket-pipe.js';
import { PEER_ID_BYTES, parsePeerId } from '../../src/wire/peer-id.js';
import { ManualClock } from '../support/manual-clock.js';
import { busFolder } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

/** What a host thread is given here in place of the host: it counts in memory that the test sees, and never stops. */
const counting = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { workerData } from 'node:worker_threads';
    const steps = new Int32Array(workerData.ownerId.buffer);
    for (;;) Atomics.add(steps, 0, 1);
  `)}`,
);

it('a Bus that has closed has no thread any more: it might be writing into a folder that is about to go', async () => {
  const clock = new ManualClock();
  const memory = new SharedArrayBuffer(PEER_ID_BYTES);
  const steps = new Int32Array(memory);
  const hosting = new Hosting({
    bus: await openBusDirectory('test', { directory: busFolder() }),
    clock,
    endpoints: socketEndpoints(clock),
    ownerId: { ...parsePeerId('00'.repeat(PEER_ID_BYTES))!, bytes: new Uint8Array(memory) },
    thread: 'worker',
    threadFile: counting,
    onInline() {},
  });
  hosting.setStandby(true);
  clock.advance(WARM_THREAD_DELAY);
  await eventually(() => Atomics.load(steps, 0) > 0, 'the thread is at work');
  await hosting.close();
  const atEnd = Atomics.load(steps, 0);
  for (const start = performance.now(); performance.now() < start + 20; );
  expect(Atomics.load(steps, 0)).toBe(atEnd);
});
