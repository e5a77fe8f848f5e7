import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type BusDirectory,
  endpointPath,
  newEndpoint,
  openBusDirectory,
  stateFolder,
} from '../../src/transport/bus-directory.js';
import { readOrCreateKey } from '../../src/transport/bus-key.js';
import {
  anchorEpochs,
  claimEpoch,
  type Pointer,
  pruneEpochs,
  readHighest,
  readPointer,
  standingOf,
  touchPointer,
  withdrawEpoch,
} from '../../src/transport/epochs.js';
import { systemClock as clock } from '../../src/util/clock.js';
import { temporaryFolder } from './helper.js';

const openBus = () => openBusDirectory('b', { directory: temporaryFolder() });
const pointer = (epoch: number): Pointer => ({ epoch, endpoint: newEndpoint(clock), pid: process.pid });
const put = (bus: BusDirectory, name: string, content: string) =>
  writeFileSync(join(bus.path, name), content, { mode: 0o600 });

describe('epochs', () => {
  it('give the highest pointer, by number and not by name', async () => {
    const bus = await openBus();
    expect(await readHighest(bus, clock)).toEqual({ epoch: 0, pointer: undefined });
    for (const epoch of [2, 9, 10]) expect(await claimEpoch(bus, pointer(epoch), clock)).toBe(true);
    for (const name of ['e', 'e011', 'e99x', 'x99', 'e-99', 'p99', 'r99', `e${'9'.repeat(16)}`])
      put(bus, name, '');
    const highest = await readHighest(bus, clock);
    expect(highest.epoch).toBe(10);
    expect(highest.pointer).toMatchObject({ epoch: 10, pid: process.pid });
  });

  it('go to one claimant only, and the loser changes nothing', async () => {
    const bus = await openBus();
    const claims = Array.from({ length: 20 }, () => pointer(5));
    const won = await Promise.all(claims.map((claim) => claimEpoch(bus, claim, clock)));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await readPointer(bus, 5, clock)).toEqual(claims[won.indexOf(true)]);
    expect(readdirSync(bus.path)).toEqual(['e5', 'state']);
  });

  it('go to nobody when a higher one is taken', async () => {
    const bus = await openBus();
    await claimEpoch(bus, pointer(5), clock);
    expect(await claimEpoch(bus, pointer(4), clock)).toBe(false);
    expect(readdirSync(bus.path)).toEqual(['e5', 'state']);
  });

  it.each([
    ['empty', ''],
    ['cut short', '{"endpoint":"s0123'],
    ['leading elsewhere', '{"endpoint":"../../etc/passwd","pid":1}'],
    ['with a whole path', '{"endpoint":"/tmp/s0123456789ab","pid":1}'],
    ['without a process', '{"endpoint":"s0123456789ab"}'],
    ['not an object', 'null'],
    ['far too long', `{"endpoint":"s0123456789ab","pid":1${' '.repeat(5000)}}`],
    ['of zeros', '\0'.repeat(64)],
  ])('have no host behind a pointer that is %s', async (_, content) => {
    const bus = await openBus();
    put(bus, 'e7', content);
    expect(await readHighest(bus, clock)).toEqual({ epoch: 7, pointer: undefined });
  });

  it('are anchored by one empty pointer that is never overwritten', async () => {
    const bus = await openBus();
    await anchorEpochs(bus, 100, clock);
    expect(await readHighest(bus, clock)).toEqual({ epoch: 100, pointer: undefined });
    const claim = pointer(101);
    await claimEpoch(bus, claim, clock);
    await anchorEpochs(bus, 101, clock);
    expect((await readHighest(bus, clock)).pointer).toEqual(claim);
  });

  it('are current until a higher one comes, the pointer goes or changes, or the key does', async () => {
    const bus = await openBus();
    const own = pointer(8);
    const key = await readOrCreateKey(bus, clock);
    const isStill = (claim = own, place = bus) => standingOf(place, claim, key) === 'current';
    expect(isStill()).toBe(false);
    await claimEpoch(bus, own, clock);
    put(bus, 'e7', '');
    expect(isStill()).toBe(true);
    expect(isStill({ ...own, pid: own.pid + 1 })).toBe(false);
    expect(isStill(own, { ...bus, path: join(bus.path, 'gone') })).toBe(false);
    expect(standingOf(bus, own, new Uint8Array(32))).toBe('over');
    await claimEpoch(bus, pointer(9), clock);
    expect(isStill()).toBe(false);
  });

  it('are touched', async () => {
    const bus = await openBus();
    await claimEpoch(bus, pointer(8), clock);
    const path = join(bus.path, 'e8');
    utimesSync(path, 1, 1);
    touchPointer(bus, 8, clock);
    touchPointer(bus, 9, clock);
    expect(Math.abs(statSync(path).mtimeMs - Date.now())).toBeLessThan(60_000);
    expect(readFileSync(path, 'utf8')).toContain(`"pid":${process.pid}`);
  });

  it('are withdrawn only below the highest', async () => {
    const bus = await openBus();
    for (const epoch of [4, 5]) await claimEpoch(bus, pointer(epoch), clock);
    await withdrawEpoch(bus, 5, clock);
    await withdrawEpoch(bus, 4, clock);
    await withdrawEpoch(bus, 3, clock);
    expect(readdirSync(bus.path)).toEqual(['e5', 'state']);
  });

  it('are pruned with their sockets, rosters and values, the highest never', async () => {
    const bus = await openBus();
    const pointers = [1, 2, 3].map(pointer);
    for (const each of pointers) {
      await claimEpoch(bus, each, clock);
      for (const kind of ['p', 'r']) put(bus, `state/${kind}${each.epoch}`, '');
      if (process.platform !== 'win32') writeFileSync(endpointPath(bus, each.endpoint), '');
    }
    put(bus, 'key', 'k');
    await pruneEpochs(bus, 2, clock);
    const names = () => [readdirSync(bus.path).sort(), readdirSync(stateFolder(bus)).sort()];
    expect(names()).toEqual([
      ['e2', 'e3', 'key', 'state'],
      ['p2', 'p3', 'r2', 'r3'],
    ]);
    await pruneEpochs(bus, 99, clock);
    expect(names()).toEqual([
      ['e3', 'key', 'state'],
      ['p3', 'r3'],
    ]);
    if (process.platform === 'win32') return;
    expect(pointers.map(({ endpoint }) => existsSync(endpointPath(bus, endpoint)))).toEqual([
      false,
      false,
      true,
    ]);
  });
});
