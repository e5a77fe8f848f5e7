// Opens the chosen bus for the length of a command and leaves it in order: what was published before a failure still
// goes out, while an interruption closes at once.
import { type Bus, openBus } from '../index.js';
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
  { bus: name, directory }: BusFlags,
  { command, host = 'never' }: JoinOptions,
  use: (bus: Bus) => Promise<void>,
): Promise<void> {
  const bus = await openBus(name, { host, label: `mailslot ${command}`, signal, ...given({ directory }) });
  try {
    await orAborted(use(bus), signal);
  } catch (error) {
    throw afterJoining(error);
  } finally {
    await leave(bus, signal);
  }
}

async function leave(bus: Bus, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return bus.close();
  try {
    await orAborted(bus.drain(), signal);
  } finally {
    await bus.close();
  }
}
