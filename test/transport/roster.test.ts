// Roster files: what a host wrote is what its successor reads, whatever moment it died at.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openBusDirectory, stateFolder } from '../../src/transport/bus-directory.js';
import { readHighest } from '../../src/transport/epochs.js';
import { isProcessGone, ownPidNamespace } from '../../src/transport/process-liveness.js';
import { parseRoster, type RosterEntry, RosterFile, readLastRoster } from '../../src/transport/roster.js';
import { systemClock } from '../../src/util/clock.js';
import { busFolder } from '../support/scratch.js';

function entry(number: number): RosterEntry {
  const id = number.toString(16).padStart(16, '0');
  return { id, pid: 100 + number, pidNamespace: 'pid:[1]', mayHost: true, whole: true };
}

async function scratchBus() {
  return openBusDirectory('test', { directory: busFolder() });
}

it('holds who came and has not gone', async () => {
  const bus = await scratchBus();
  const file = new RosterFile(bus, 7, systemClock);
  file.opened([entry(1), entry(2)]);
  file.joined({ ...entry(3), pidNamespace: undefined, mayHost: false, whole: false });
  file.left(entry(1).id);
  file.left(entry(1).id);
  const roster = await readLastRoster(bus, 8, systemClock);
  expect([...roster!.entries.values()]).toEqual([
    entry(2),
    { ...entry(3), pidNamespace: undefined, mayHost: false, whole: false },
  ]);
  expect(roster).toMatchObject({ epoch: 7 });
  if (process.platform !== 'win32') expect(statSync(join(stateFolder(bus), 'p7')).mode & 0o777).toBe(0o600);
  file.close();
});

it('is that of the last epoch that opened; hosts that died in their gates are passed over', async () => {
  const bus = await scratchBus();
  for (const epoch of [5, 6]) {
    const file = new RosterFile(bus, epoch, systemClock);
    file.opened([entry(epoch)]);
    file.close();
  }
  writeFileSync(join(stateFolder(bus), 'p7'), `+ ${entry(7).id} 1 pid:[1] 1 1\n`, { mode: 0o600 });
  writeFileSync(join(stateFolder(bus), 'p8'), '', { mode: 0o600 });
  expect((await readLastRoster(bus, 9, systemClock))?.epoch).toBe(6);
  expect((await readLastRoster(bus, 6, systemClock))?.epoch).toBe(5);
  expect(await readLastRoster(bus, 5, systemClock)).toBeUndefined();
});

it('says what was whole of it, wherever it was cut', () => {
  const lines = [
    'open',
    ...[1, 2, 3].map((number) => `+ ${entry(number).id} ${100 + number} pid:[1] 1 1`),
    `- ${entry(2).id}`,
    '+ nonsense',
  ];
  const text = `${lines.join('\n')}\n`;
  for (let length = 0; length <= text.length; length += 1) {
    const whole = text.slice(0, length).split('\n').length - 1;
    const ids = [...(parseRoster(1, text.slice(0, length))?.entries.keys() ?? [])].map(Number);
    const expected = [[], [], [1], [1, 2], [1, 2, 3], [1, 3], [1, 3]][whole];
    expect(ids).toEqual(expected);
  }
  expect(parseRoster(1, 'ope')).toBeUndefined();
});

it('is written anew when it is twice too long, and stays readable', async () => {
  const bus = await scratchBus();
  const file = new RosterFile(bus, 7, systemClock);
  file.opened([entry(1)]);
  for (let round = 0; round < 500; round += 1) {
    file.joined(entry(2));
    file.left(entry(2).id);
  }
  expect(readFileSync(join(stateFolder(bus), 'p7'), 'latin1').split('\n').length).toBeLessThan(80);
  expect([...(await readLastRoster(bus, 8, systemClock))!.entries.values()]).toEqual([entry(1)]);
  expect(readdirSync(stateFolder(bus))).toEqual(['p7']);
  file.close();
});

it('keeps the highest order that was told to one peer alone, over rewriting and epochs', async () => {
  const bus = await scratchBus();
  const file = new RosterFile(bus, 7, systemClock);
  file.reached(5);
  file.opened([entry(1)]);
  const orderOf = async (below: number) => (await readLastRoster(bus, below, systemClock))?.order;
  expect(await orderOf(8)).toBe(5);
  for (const order of [9, 7]) file.reached(order);
  expect(await orderOf(8)).toBe(9);
  for (let round = 0; round < 100; round += 1) file.reached(10 + round);
  expect(await orderOf(8)).toBe(109);
  file.close();
  const next = new RosterFile(bus, 8, systemClock);
  next.opened([]);
  expect(await orderOf(9)).toBe(0);
  next.close();
});

it('notes nothing before the gate has opened, nor after the end', async () => {
  const bus = await scratchBus();
  const file = new RosterFile(bus, 7, systemClock);
  file.joined(entry(1));
  expect(readdirSync(stateFolder(bus))).toEqual([]);
  file.opened([]);
  file.close();
  file.joined(entry(2));
  expect([...(await readLastRoster(bus, 8, systemClock))!.entries.values()]).toEqual([entry(1)]);
});

it('is put back where its folder was deleted, below the pointer of the next host', async () => {
  const bus = await scratchBus();
  const file = new RosterFile(bus, 7, systemClock);
  file.opened([entry(1), entry(2)]);
  file.left(entry(2).id);
  for (const path of [bus.path, bus.root]) {
    rmSync(path, { recursive: true });
    file.restore();
    expect(readdirSync(bus.path)).toEqual(['e7', 'state']);
    expect(readdirSync(stateFolder(bus))).toEqual(['p7']);
    expect(await readHighest(bus, systemClock)).toEqual({ epoch: 7, pointer: undefined });
    expect([...(await readLastRoster(bus, 8, systemClock))!.entries.values()]).toEqual([entry(1)]);
  }
  if (process.platform !== 'win32') expect(statSync(join(bus.path, 'e7')).mode & 0o777).toBe(0o600);
  file.close();
});

it('is put back by nobody whose folder has a pointer, who knows of nobody, or whose gate is shut', async () => {
  const bus = await scratchBus();
  const file = new RosterFile(bus, 7, systemClock);
  file.restore();
  file.opened([entry(1)]);
  rmSync(join(stateFolder(bus), 'p7'));
  writeFileSync(join(bus.path, 'e8'), '', { mode: 0o600 });
  file.restore();
  expect(readdirSync(bus.path)).toEqual(['e8', 'state']);
  file.left(entry(1).id);
  rmSync(bus.path, { recursive: true });
  file.restore();
  expect(existsSync(bus.path)).toBe(false);
  file.close();
});

it('a process is gone when it has ended, not when it cannot be judged', () => {
  const own = ownPidNamespace();
  const neverGiven = 2 ** 22 + 1;
  expect(isProcessGone(process.pid, own)).toBe(false);
  expect(isProcessGone(1, own)).toBe(false);
  expect(isProcessGone(neverGiven, own)).toBe(true);
  expect(isProcessGone(neverGiven, undefined)).toBe(false);
  expect(isProcessGone(neverGiven, 'pid:[0]')).toBe(false);
  expect(isProcessGone(0, own)).toBe(false);
});
