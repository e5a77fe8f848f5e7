import { expect, test } from 'vitest';
import { STANDBY_GRACES } from '../../src/limits.js';
import { openBusDirectory, secureBusDirectory } from '../../src/transport/bus-directory.js';
import { anchorEpochs } from '../../src/transport/epochs.js';
import { oncePerProcess } from '../../src/transport/process-liveness.js';
import { giveHeadStart } from '../../src/transport/succession.js';
import { systemClock as clock } from '../../src/util/clock.js';
import { temporaryFolder } from './helper.js';

test('a head start is over as soon as somebody has succeeded, and when its time is', async () => {
  const bus = await openBusDirectory('test', { directory: temporaryFolder() });
  secureBusDirectory(bus);
  await anchorEpochs(bus, 7, clock);
  // a clock whose timers never fire: only the successor can end it
  const still = { ...clock, setTimer: () => ({ cancel() {} }) };
  const { signal } = new AbortController();
  await giveHeadStart(bus, { clock: still, epoch: 6, signal });
  let over = false;
  const waiting = giveHeadStart(bus, { clock: still, epoch: 7, signal }).then(() => {
    over = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(over).toBe(false);
  await anchorEpochs(bus, 8, clock);
  await waiting;
  await giveHeadStart(bus, { clock, epoch: 8, signal });
});

test('on a machine that is late with everything the head start lasts longer, but not for ever', async () => {
  const bus = await openBusDirectory('test', { directory: temporaryFolder() });
  secureBusDirectory(bus);
  const { signal } = new AbortController();
  let now = 0;
  let waits = 0;
  const lateBy = (late: number) => ({
    ...clock,
    now: () => now,
    setTimer(delay: number, fire: () => void) {
      waits += 1;
      setImmediate(() => {
        now += delay + late;
        fire();
      });
      return { cancel() {} };
    },
  });
  await giveHeadStart(bus, { clock: lateBy(1), epoch: 1, signal });
  expect(waits).toBe(1);
  waits = 0;
  await giveHeadStart(bus, { clock: lateBy(100), epoch: 1, signal });
  expect(waits).toBe(STANDBY_GRACES);
});

test('a head start ends with its signal', async () => {
  const bus = await openBusDirectory('test', { directory: temporaryFolder() });
  secureBusDirectory(bus);
  const controller = new AbortController();
  const waiting = giveHeadStart(bus, { clock, epoch: 1, signal: controller.signal });
  controller.abort('enough');
  await expect(waiting).rejects.toBe('enough');
});

test('one look at many peers asks once for each process, and for each namespace', () => {
  const asked: string[] = [];
  const isGone = oncePerProcess((pid, namespace) => {
    asked.push(`${pid} ${namespace}`);
    return pid === 1;
  });
  const verdicts = [1, 2, 1, 2].map((pid) => isGone(pid, 'a'));
  expect([...verdicts, isGone(1, 'b'), isGone(2, undefined)]).toEqual([
    true,
    false,
    true,
    false,
    true,
    false,
  ]);
  expect(asked).toEqual(['1 a', '2 a', '1 b', '2 undefined']);
});
