// What can be found out about buses without hosting or making one.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bus, MailslotError, openBus } from '../index.js';
import { BUS_NAME } from '../limits.js';
import { type BusDirectory, endpointPath, resolveDirectory } from '../transport/bus-directory.js';
import { type Pointer, readHighest } from '../transport/epochs.js';
import { systemClock } from '../util/clock.js';
import { type BusFlags, type Context, given } from './context.js';

const folderPrefix = 'b-';

export interface BusStatus {
  bus: string;
  /** Whether a host answers; without one there is nothing to say about the rest. */
  live: boolean;
  directory: string;
  epoch?: number;
  endpoint?: string;
  /** Process of the host. */
  pid?: number;
  /** Number of peers, the one that asks left out. */
  peers?: number;
}

export async function surveyBus(context: Context, flags: BusFlags): Promise<BusStatus> {
  const folder = locate(flags);
  const none = { bus: flags.bus, live: false, directory: folder.path };
  // openBus would make the folder, and knows better what is wrong with a name.
  if (BUS_NAME.test(flags.bus) && (await readPointerOf(folder)) === undefined) return none;
  const bus = await tryJoin(context, flags);
  if (bus === undefined) return none;
  try {
    const [peers, pointer] = await Promise.all([bus.peers(), readPointerOf(folder)]);
    return { ...none, live: true, epoch: bus.epoch, ...describe(folder, pointer), peers: peers.length - 1 };
  } finally {
    await bus.close();
  }
}

/** Names of the buses that have a folder where these flags lead, in order. */
export async function listBuses({ directory }: BusFlags): Promise<string[]> {
  const entries = await readFolder(resolveDirectory({ directory }));
  const names = entries.map((entry) => entry.slice(folderPrefix.length));
  return names.filter((name, at) => entries[at]?.startsWith(folderPrefix) && BUS_NAME.test(name)).sort();
}

async function tryJoin({ signal }: Context, { bus, directory }: BusFlags): Promise<Bus | undefined> {
  try {
    return await openBus(bus, { host: 'never', label: 'mailslot status', signal, ...given({ directory }) });
  } catch (error) {
    if (MailslotError.is(error, 'MAILSLOT_UNREACHABLE')) return undefined;
    throw error;
  }
}

function locate({ bus, directory }: BusFlags): BusDirectory {
  const root = resolveDirectory({ directory });
  return { name: bus, root, path: join(root, `${folderPrefix}${bus}`) };
}

async function readPointerOf(folder: BusDirectory): Promise<Pointer | undefined> {
  if ((await readFolder(folder.path)).length === 0) return undefined;
  return (await readHighest(folder, systemClock)).pointer;
}

function describe(folder: BusDirectory, pointer: Pointer | undefined): { endpoint?: string; pid?: number } {
  return pointer === undefined ? {} : { endpoint: endpointPath(folder, pointer.endpoint), pid: pointer.pid };
}

async function readFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
