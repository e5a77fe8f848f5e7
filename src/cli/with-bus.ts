// Opens the chosen bus for the length of a command and leaves it in order: what was published before a failure still
// goes out, while an interruption closes at once.
import { MailslotError } from '../errors.js';
import { type Bus, openBus } from '../index.js';
import { NobodyHosts } from '../open-bus.js';
import { type BusFlags, type Context, given } from './context.js';
import { afterJoining } from './exit-codes.js';
import { orAborted } from './interruption.js';

export interface JoinOptions {
  /** The command's name; other peers see it in the label. */
  command: string;
  /** Whether this command may host the bus when nobody does. @default 'never' */
  host?: 'auto' | 'never';
}

export async function withBus(
  { signal }: Context,
  flags: BusFlags,
  { command, host = 'never' }: JoinOptions,
  use: (bus: Bus) => Promise<void>,
): Promise<void> {
  const options = { host, label: `mailslot ${command}`, signal, ...given({ directory: flags.directory }) };
  const bus = await openBus(flags.bus, options).catch((error: unknown) => {
    throw error instanceof NobodyHosts ? withCommand(error, flags) : error;
  });
  try {
    await orAborted(use(bus), signal);
  } catch (error) {
    throw afterJoining(error);
  } finally {
    await leave(bus, signal);
  }
}

/** The library speaks of an option of its own; here is what one can type. */
function withCommand(cause: NobodyHosts, { bus, directory }: BusFlags): MailslotError {
  const where = directory === undefined ? '' : ` --directory ${JSON.stringify(directory)}`;
  const message = `nobody hosts bus "${bus}"; start a host with: mailslot host --bus ${bus}${where}`;
  return new MailslotError('MAILSLOT_UNREACHABLE', message, { cause });
}

async function leave(bus: Bus, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return bus.close();
  try {
    await orAborted(bus.drain(), signal);
  } finally {
    await bus.close();
  }
}
