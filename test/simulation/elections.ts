// Elections over a real folder, among contenders of one process: who serves which epoch, as a history. It is here for
// bugs planted in the files' side of an election, which simulated runs leave out; real processes contend in
// test/transport/election.test.ts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type {
  openBusDirectory as OpenBusDirectory,
  secureBusDirectory as SecureBusDirectory,
} from '../../src/transport/bus-directory.js';
import type { readOrCreateKey as ReadOrCreateKey } from '../../src/transport/bus-key.js';
import { memoryEndpoints } from '../../src/transport/memory-pipe.js';
import type { standForElection as StandForElection } from '../../src/transport/reign.js';
import { type Clock, systemClock as clock, wait } from '../../src/util/clock.js';
import { checkHistory, type Violation } from '../history/checker.js';
import { History } from '../history/history.js';

const CONTENDERS = 8;
const DRAFT_NAME_BYTES = 8;
/** A host that was overtaken serves on for a second at most. */
const FENCE_TIMEOUT = 1_500;

/**
 * One is forestalled between its look at the folder and its link, eight contend for the next epoch, one more comes too late, and another overtakes the winner, who must be fenced before
 * that one serves.
 * @param dist folder of the compiled package
 * @param directory an empty folder in which buses may live
 */
export async function contend(dist: string, directory: string): Promise<Violation[]> {
  const load = async (name: string): Promise<object> =>
    import(pathToFileURL(`${dist}/transport/${name}`).href);
  const { standForElection } = (await load('reign.js')) as { standForElection: typeof StandForElection };
  const { openBusDirectory } = (await load('bus-directory.js')) as {
    openBusDirectory: typeof OpenBusDirectory;
  };
  const { readOrCreateKey } = (await load('bus-key.js')) as { readOrCreateKey: typeof ReadOrCreateKey };
  const { secureBusDirectory } = (await load('bus-directory.js')) as {
    secureBusDirectory: typeof SecureBusDirectory;
  };
  const bus = await openBusDirectory('contest', { directory });
  secureBusDirectory(bus);
  await readOrCreateKey(bus, clock);
  const endpoints = memoryEndpoints(clock);
  const history = new History(() => clock.now());
  let fenced = 0;
  const stand = async (process: string, dead: number, own: Clock = clock): Promise<boolean> => {
    const epoch = dead + 1;
    const onFenced = (): void => {
      fenced += 1;
      history.note({ op: 'hosted', process, epoch });
    };
    const reign = await standForElection(bus, {
      dead,
      clock: own,
      endpoints,
      hostId: Buffer.from('host-id!'),
      onLink() {},
      onFenced,
    });
    if (reign !== undefined && dead > 1) await untilFenced(() => fenced > 0);
    if (reign !== undefined) history.note({ op: 'hosting', process, epoch });
    return reign !== undefined;
  };
  // the clock's timers alone let a process end
  const keepAlive = clock.keepAlive();
  const forestalled: Clock = {
    ...clock,
    // the name of its draft is what it draws last
    randomBytes(length) {
      if (length === DRAFT_NAME_BYTES) {
        writeFileSync(join(bus.path, 'e1'), '', { mode: 0o600 });
        for (const op of ['hosting', 'hosted'] as const) history.note({ op, process: 'faster', epoch: 1 });
      }
      return clock.randomBytes(length);
    },
  };
  await stand('forestalled', 0, forestalled);
  await Promise.all(Array.from({ length: CONTENDERS }, (_, index) => stand(`p${index}`, 1)));
  await stand('slow', 1);
  await stand('next', 2);
  keepAlive.release();
  return checkHistory(history.records, { atRest: true });
}

async function untilFenced(isFenced: () => boolean): Promise<void> {
  const start = clock.now();
  while (!isFenced() && clock.now() - start < FENCE_TIMEOUT) await wait(clock, 5);
}
