// O6: a hosting process that runs out of descriptors goes on hosting, and still notices when its reign is over. Another peer
// reads what comes to it.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { type ChildPeer, childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually } from '../support/waiting.js';

const LIMIT = 64;
/** In which a host looks at its files twice, whatever else happens. */
const TWO_LOOKS = 2_500;

const prlimit = (...parameters: string[]): boolean =>
  spawnSync('prlimit', parameters, { stdio: 'ignore' }).status === 0;
const canLimit = process.platform === 'linux' && prlimit('--version');
if (!canLimit) console.warn('Skipped: the test of a host without descriptors, because prlimit is not there.');

/** Opens files in that process until there is no descriptor left; it says how that ended. */
function exhaust(child: ChildPeer): Promise<string> {
  return child.run(({ kept }) => {
    const { openSync } = process.getBuiltinModule('node:fs');
    kept.notes ??= [];
    for (;;) {
      try {
        kept.notes.push(openSync('/dev/null', 'r'));
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? '';
      }
    }
  });
}

function release(child: ChildPeer): Promise<void> {
  return child.run(({ kept }) => {
    const { closeSync } = process.getBuiltinModule('node:fs');
    for (const fd of kept.notes.splice(0)) closeSync(fd as number);
  });
}

it.runIf(canLimit)(
  'a host without descriptors serves on, and is fenced when its pointer goes',
  async () => {
    const directory = busFolder();
    const host = await childPeer(directory);
    const own = await joinBus(directory, { host: 'never' });
    const events = new EventLog(own);
    const slot = await own.subscribe<number>('n');
    const { epoch } = own;
    expect(prlimit('--pid', String(host.pid), `--nofile=${LIMIT}:${LIMIT}`)).toBe(true);
    expect(await exhaust(host)).toBe('EMFILE');
    const end = performance.now() + TWO_LOOKS;
    for (let count = 0; performance.now() < end; count += 1) {
      await own.publish('n', count, { confirm: true });
      expect((await slot.read({ timeout: 5_000 }))?.data).toBe(count);
    }
    expect([own.epoch, events.of('disconnected').length]).toEqual([epoch, 0]);
    const bus = join(directory, 'b-test');
    for (const name of readdirSync(bus)) if (name.startsWith('e')) rmSync(join(bus, name));
    await events.first('disconnected');
    await release(host);
    await eventually(() => own.state === 'connected' && own.epoch > epoch, 'the next host');
    await eventually(() => host.run(({ bus }) => bus.hosting), 'the host to join its own bus');
  },
  30_000,
);

it.runIf(canLimit)('a peer without descriptors reads large messages, whose data is in files', async () => {
  const own = await joinBus(busFolder(), { hostThread: 'inline' });
  const child = await childPeer(dirname(own.directory), { host: 'never' });
  await child.run(async ({ bus, kept }) => {
    kept.slot = await bus.subscribe('large');
  });
  expect(prlimit('--pid', String(child.pid), `--nofile=${LIMIT}:${LIMIT}`)).toBe(true);
  expect(await exhaust(child)).toBe('EMFILE');
  const texts = ['x', 'y', 'z'].map((letter) => letter.repeat(300_000));
  for (const text of texts)
    expect(await own.publish('large', text, { confirm: true })).toMatchObject({ receivers: 1 });
  const read = await child.run(async ({ kept }) => {
    const texts: string[] = [];
    while (texts.length < 3) texts.push((await kept.slot.read({ timeout: 5_000 }))!.data as string);
    return texts;
  });
  expect(read.map((text, index) => text === texts[index])).toEqual([true, true, true]);
});
