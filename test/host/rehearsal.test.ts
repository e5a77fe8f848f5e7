// What a thread that is kept ready does before it is needed: it costs a moment, leaves nothing, and never stands in the way.
import { lstatSync, mkdirSync, readdirSync, utimesSync, watch, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { HostThread } from '../../src/host/host-thread.js';
import { rehearse } from '../../src/host/rehearsal.js';
import { STRAY_FILE_AGE } from '../../src/limits.js';
import { type BusDirectory, openBusDirectory, stateFolder } from '../../src/transport/bus-directory.js';
import type { Endpoints } from '../../src/transport/pipe.js';
import { removeStrays } from '../../src/transport/private-file.js';
import { withScratchBus } from '../../src/transport/scratch-bus.js';
import { socketEndpoints } from '../../src/transport/socket-pipe.js';
import { type Clock, systemClock, type Timer } from '../../src/util/clock.js';
import { afterwards, busFolder, joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

const workerFile = new URL('../../dist/host/host-worker.cjs', import.meta.url);
const never = new AbortController().signal;

const newBus = (): Promise<BusDirectory> => openBusDirectory('test', { directory: busFolder() });

/** A bus in so long a path that another level has no room for a socket. */
function deepBus(): Promise<BusDirectory> {
  const folder = busFolder();
  const directory = join(folder, 'd'.repeat(Math.max(1, 75 - folder.length)));
  mkdirSync(directory, { mode: 0o700 });
  return openBusDirectory('test', { directory });
}

const everythingOf = ({ root }: BusDirectory): string[] =>
  readdirSync(root, { recursive: true }).map(String).sort();

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

/** The system's clock, and those of its timers that may still fire. */
function countedTimers(): { clock: Clock; timers: Set<Timer> } {
  const timers = new Set<Timer>();
  const setTimer: Clock['setTimer'] = (delay, fire) => {
    const timer = systemClock.setTimer(delay, () => {
      timers.delete(counted);
      fire();
    });
    const counted = {
      cancel: () => {
        timers.delete(counted);
        timer.cancel();
      },
    };
    timers.add(counted);
    return counted;
  };
  return { clock: { ...systemClock, setTimer }, timers };
}

it('hosts a bus of its own, joins it five times and leaves nothing behind', async () => {
  const bus = await newBus();
  const before = everythingOf(bus);
  const { endpoints, counts } = countedEndpoints(() => expect(readdirSync(stateFolder(bus))).toHaveLength(1));
  await rehearse({ bus, clock: systemClock, endpoints, signal: never });
  expect(counts).toEqual({ dialled: 5, listening: 0 });
  expect(everythingOf(bus)).toEqual(before);
});

it('leaves nothing when it fails half-way', async () => {
  const bus = await newBus();
  const before = everythingOf(bus);
  const { endpoints, counts } = countedEndpoints(() => {
    if (counts.dialled === 3) throw new Error('no more descriptors');
  });
  const { clock, timers } = countedTimers();
  await expect(rehearse({ bus, clock, endpoints, signal: never })).rejects.toThrow();
  // a host that still runs would look for its files, and put some of them back
  expect([counts.listening, timers.size]).toEqual([0, 0]);
  expect(everythingOf(bus)).toEqual(before);
});

it('stops at the next step when the thread is needed', async () => {
  const bus = await newBus();
  const before = everythingOf(bus);
  const needed = new AbortController();
  const { endpoints, counts } = countedEndpoints(() => needed.abort());
  await rehearse({ bus, clock: systemClock, endpoints, signal: needed.signal });
  expect(counts).toEqual({ dialled: 1, listening: 0 });
  expect(everythingOf(bus)).toEqual(before);
});

it('says why where there is no place for it, and leaves nothing either', async () => {
  const bus = await deepBus();
  const before = everythingOf(bus);
  const rehearsal = rehearse({
    bus,
    clock: systemClock,
    endpoints: countedEndpoints().endpoints,
    signal: never,
  });
  await expect(rehearsal).rejects.toMatchObject({ code: 'MAILSLOT_PATH_TOO_LONG' });
  expect(everythingOf(bus)).toEqual(before);
});

it.each([
  ['during it', newBus],
  ['where there is no place for it', deepBus],
])('a thread that is told to stand %s does', async (_when, makeBus) => {
  const bus = await makeBus();
  const thread = new HostThread(workerFile, { bus, ownerId: undefined });
  thread.rehearse();
  const host = await thread.stand({ dead: 0, lastEpoch: 0 });
  afterwards(() => host?.close());
  expect(host?.epoch).toBe(1);
  expect(thread.isAlive).toBe(true);
});

it('a standby does it', async () => {
  const directory = busFolder();
  await joinBus(directory, { hostThread: 'inline' });
  await joinBus(directory);
  const state = join(directory, 'b-test', 'state');
  const watcher = watch(state);
  afterwards(() => watcher.close());
  // for a moment there is a folder, where all drafts otherwise are files
  await new Promise<void>((resolve) => {
    watcher.on('change', (_, name) => {
      const stats = lstatSync(join(state, String(name)), { throwIfNoEntry: false });
      if (stats?.isDirectory()) resolve();
    });
  });
});

it('a thread that is released in the middle of it has ended when that resolves', async () => {
  const thread = new HostThread(workerFile, { bus: await newBus(), ownerId: undefined });
  thread.rehearse();
  await thread.release();
  expect(thread.isAlive).toBe(false);
});

it('a host that begins removes what somebody left who died during it', async () => {
  const directory = busFolder();
  const state = stateFolder(await openBusDirectory('test', { directory }));
  const left = join(state, 't0123456789abcdef');
  mkdirSync(join(left, 'b-s'), { recursive: true });
  utimesSync(left, 1, 1);
  await joinBus(directory, { hostThread: 'inline' });
  await eventually(() => !readdirSync(state).includes(basename(left)), 'the folder is gone');
});

it('of what is left only drafts of long ago are removed, files and folders', async () => {
  const bus = await newBus();
  const ofLongAgo = new Date(Date.now() - STRAY_FILE_AGE - 1_000);
  await withScratchBus(bus, systemClock, (young) =>
    withScratchBus(bus, systemClock, async (old) => {
      const files = ['t0123456789abcdef', 'tfedcba9876543210'].map((name) => join(stateFolder(bus), name));
      for (const file of files) writeFileSync(file, 'a draft');
      for (const path of [old.root, files[1]!]) utimesSync(path, ofLongAgo, ofLongAgo);
      removeStrays(bus, systemClock);
      expect(readdirSync(stateFolder(bus)).sort()).toEqual(
        [basename(young.root), 't0123456789abcdef'].sort(),
      );
    }),
  );
});
