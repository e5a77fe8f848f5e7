import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  type BusDirectory,
  openBusDirectory,
  secureBusDirectory,
} from '../../src/transport/bus-directory.js';
import { anchorEpochs } from '../../src/transport/epochs.js';
import { watchPointers } from '../../src/transport/pointer-watch.js';
import { systemClock as clock } from '../../src/util/clock.js';
import { afterwards } from '../support/scratch.js';
import { temporaryFolder, until } from './helper.js';

async function newBus(): Promise<BusDirectory> {
  const bus = await openBusDirectory('test', { directory: temporaryFolder() });
  secureBusDirectory(bus);
  return bus;
}

/** What a watch has told so far. */
function listen(bus: BusDirectory): { told: number[]; close(): void } {
  const told: number[] = [];
  const watch = watchPointers(bus, (highest) => told.push(highest));
  afterwards(() => watch.close());
  return { told, close: () => watch.close() };
}

test('all who wait for a pointer in one folder hear of it, and who has closed does not', async () => {
  const bus = await newBus();
  const [one, other, closed] = [listen(bus), listen(bus), listen(bus)];
  closed.close();
  await anchorEpochs(bus, 7, clock);
  await until(() => one.told.includes(7) && other.told.includes(7), 'the pointer');
  other.close();
  other.close();
  await anchorEpochs(bus, 8, clock);
  await until(() => one.told.includes(8), 'the next pointer');
  expect(other.told).not.toContain(8);
  expect(closed.told).toEqual([]);
});

test('drafts and notes in the folder wake nobody', async () => {
  const bus = await newBus();
  const { told } = listen(bus);
  // its draft comes and goes in the same folder; only the name it is linked to is a pointer's
  await anchorEpochs(bus, 7, clock);
  await until(() => told.length > 0, 'the pointer');
  expect(told).toEqual([7]);
});

test('a folder that was deleted and made again is watched anew, while others still hold the old watch', async () => {
  const bus = await newBus();
  const before = listen(bus);
  rmSync(bus.path, { recursive: true });
  secureBusDirectory(bus);
  const after = listen(bus);
  await anchorEpochs(bus, 9, clock);
  await until(() => after.told.includes(9), 'the pointer in the new folder');
  before.close();
  const later = listen(bus);
  await anchorEpochs(bus, 10, clock);
  await until(() => after.told.includes(10) && later.told.includes(10), 'the next pointer');
});
