// What a thread that is kept ready does before it is needed: it costs a moment, leaves nothing, and never stands in the way.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { HostThread } from '../../src/host/host-thread.js';
import { rehearse } from '../../src/host/rehearsal.js';
import { openBusDirectory } from '../../src/transport/bus-directory.js';
import type { Endpoints } from '../../src/transport/pipe.js';
import { socketEndpoints } from '../../src/transport/socket-pipe.js';
import { systemClock } from '../../src/util/clock.js';
import { afterwards, busFolder } from '../support/scratch.js';

const workerFile = new URL('../../dist/host/host-worker.cjs', import.meta.url);
const never = new AbortController().signal;

let temporary: string;

beforeEach(() => {
  temporary = busFolder();
  useTemporary(temporary);
});

function useTemporary(path: string): void {
  const names = ['TMPDIR', 'TEMP', 'TMP'];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) process.env[name] = path;
  afterwards(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}

/** Endpoints that count who dials and listens, and call `onDial` each time. */
function countedEndpoints(onDial: () => void = () => {}): {
  endpoints: Endpoints;
  counts: { dialled: number; listening: number };
} {
  const real = socketEndpoints(systemClock);
  const counts = { dialled: 0, listening: 0 };
  const endpoints: Endpoints = {
    dial(endpoint, options) {
      counts.dialled += 1;
      onDial();
      return real.dial(endpoint, options);
    },
    async listen(endpoint, options) {
      counts.listening += 1;
      const listener = await real.listen(endpoint, options);
      return {
        endpoint: listener.endpoint,
        isInPlace: () => listener.isInPlace(),
        async close() {
          counts.listening -= 1;
          await listener.close();
        },
      };
    },
  };
  return { endpoints, counts };
}

it('hosts a bus of its own, joins it five times and leaves nothing behind', async () => {
  const { endpoints, counts } = countedEndpoints(() => expect(readdirSync(temporary)).toHaveLength(1));
  await rehearse({ clock: systemClock, endpoints, signal: never });
  expect(counts).toEqual({ dialled: 5, listening: 0 });
  expect(readdirSync(temporary)).toEqual([]);
});

it('stops at the next step when the thread is needed', async () => {
  const needed = new AbortController();
  const { endpoints, counts } = countedEndpoints(() => needed.abort());
  await rehearse({ clock: systemClock, endpoints, signal: needed.signal });
  expect(counts).toEqual({ dialled: 1, listening: 0 });
  expect(readdirSync(temporary)).toEqual([]);
});

it.each([
  ['during it', () => temporary],
  ['where there is no place for it', () => join(temporary, 'nowhere')],
])('a thread that is told to stand %s does', async (_when, place) => {
  const bus = await openBusDirectory('test', { directory: busFolder() });
  useTemporary(place());
  const thread = new HostThread(workerFile, { bus, ownerId: undefined });
  thread.rehearse();
  const host = await thread.stand({ dead: 0, lastEpoch: 0 });
  afterwards(() => host?.close());
  expect(host?.epoch).toBe(1);
  expect(thread.isAlive).toBe(true);
});
