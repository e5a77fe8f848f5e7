// A host that cannot read its folder at present: that alone is no reason to end a reign, and no reason to go on for ever.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BLIND_REIGN_TIMEOUT, HUNG_HOST_TIMEOUT, POINTER_INTERVAL } from '../../src/limits.js';
import { type BusDirectory, openBusDirectory } from '../../src/transport/bus-directory.js';
import { readOrCreateKey } from '../../src/transport/bus-key.js';
import { claimEpoch, type Pointer, standingOf } from '../../src/transport/epochs.js';
import { memoryEndpoints } from '../../src/transport/memory-pipe.js';
import { standForElection } from '../../src/transport/reign.js';
import { systemClock as clock } from '../../src/util/clock.js';
import { later, temporaryFolder } from './helper.js';

/** What listing and reading files fails with, and looking at their names. */
const faults = vi.hoisted((): { open?: string | undefined; stat?: string | undefined } => ({}));

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs')>();
  const failing = (call: (...args: never[]) => unknown, kind: 'open' | 'stat') =>
    vi.fn((...args: never[]) => {
      const code = faults[kind];
      if (code !== undefined) throw Object.assign(new Error(code), { code });
      return call(...args);
    });
  return {
    ...real,
    readdirSync: failing(real.readdirSync as never, 'open'),
    readFileSync: failing(real.readFileSync as never, 'open'),
    statSync: failing(real.statSync as never, 'stat'),
  };
});

afterEach(() => {
  faults.open = undefined;
  faults.stat = undefined;
});

interface Place {
  bus: BusDirectory;
  own: Pointer;
  look(): string;
}

async function place(): Promise<Place> {
  const bus = await openBusDirectory('b', { directory: temporaryFolder() });
  const own = { epoch: 8, endpoint: 's0123456789ab', pid: process.pid };
  const key = await readOrCreateKey(bus, clock);
  await claimEpoch(bus, own, clock);
  return { bus, own, look: () => standingOf(bus, own, key) };
}

describe('a reign', () => {
  it.each(['EIO', 'EACCES', 'ENOMEM'])(
    'is neither current nor over while reading fails with %s',
    async (code) => {
      const { look } = await place();
      expect(look()).toBe('current');
      faults.open = code;
      expect(look()).toBe('unknown');
    },
  );

  it.each(['ENOENT', 'ENOTDIR', 'EISDIR'])('is over when reading fails with %s', async (code) => {
    const { look } = await place();
    faults.open = code;
    expect(look()).toBe('over');
  });

  it.each(['EMFILE', 'ENFILE'])('is judged by the names of its files at %s', async (code) => {
    const { bus, look } = await place();
    faults.open = code;
    expect(look()).toBe('current');
    writeFileSync(join(bus.path, 'e9'), '', { mode: 0o600 });
    expect(look()).toBe('over');
    rmSync(join(bus.path, 'e9'));
    expect(look()).toBe('current');
    for (const name of ['key', 'e8']) {
      writeFileSync(join(bus.path, 'key'), '', { mode: 0o600 });
      rmSync(join(bus.path, name));
      expect(look()).toBe('over');
    }
    faults.stat = 'EIO';
    expect(look()).toBe('unknown');
  });
});

describe('a host that cannot read its folder', () => {
  /** A reign on a clock whose time the test adds to. */
  async function reigning() {
    const bus = await openBusDirectory('b', { directory: temporaryFolder() });
    const state = { ahead: 0, fences: 0 };
    const reign = await standForElection(bus, {
      dead: 5,
      clock: { ...clock, now: () => clock.now() + state.ahead },
      endpoints: memoryEndpoints(clock),
      hostId: Buffer.from('host-id!'),
      onLink() {},
      onFenced: () => (state.fences += 1),
    });
    later(() => reign!.close());
    return { reign: reign!, state, bus };
  }

  it('serves on, and looks again', async () => {
    const { reign, state } = await reigning();
    faults.open = 'EIO';
    state.ahead = BLIND_REIGN_TIMEOUT - 2 * POINTER_INTERVAL;
    expect([reign.stillReigns(), state.fences]).toEqual([true, 0]);
    faults.open = undefined;
    expect(reign.stillReigns()).toBe(true);
    faults.open = 'EIO';
    state.ahead += BLIND_REIGN_TIMEOUT - 2 * POINTER_INTERVAL;
    expect([reign.stillReigns(), state.fences]).toEqual([true, 0]);
  });

  it('ends its reign before others may call it hung', async () => {
    expect(BLIND_REIGN_TIMEOUT).toBeLessThan(HUNG_HOST_TIMEOUT);
    const { reign, state } = await reigning();
    faults.open = 'EIO';
    state.ahead = BLIND_REIGN_TIMEOUT;
    expect([reign.stillReigns(), reign.isSure(), state.fences]).toEqual([false, false, 1]);
  });

  it('says nothing when it was suspended for longer than that', async () => {
    const { reign, state } = await reigning();
    state.ahead = BLIND_REIGN_TIMEOUT + POINTER_INTERVAL;
    faults.open = 'EIO';
    expect([reign.isSure(), state.fences]).toEqual([false, 1]);
  });
});
