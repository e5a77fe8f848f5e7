// `mailslot host`: hosts a bus until it is stopped, and is no peer of it.
import type { Command } from 'commander';
import { type Host, MailslotError, startHost } from '../../index.js';
import { type BusFlags, type Context, given } from '../context.js';
import { examples } from '../flags.js';
import { orAborted, untilTerminated } from '../interruption.js';
import { notice } from '../output.js';

export function addHost(program: Command, context: Context): void {
  program
    .command('host')
    .description('run a dedicated host until SIGINT or SIGTERM')
    .addHelpText('after', examples('host', 'host --bus my-app'))
    .action((_flags: object, command: Command) => {
      return untilTerminated(host(context, command.optsWithGlobals<BusFlags>()), context.signal);
    });
}

async function host({ signal }: Context, { bus, directory }: BusFlags): Promise<void> {
  const running = await startHost(bus, { signal, ...given({ directory }) });
  notice(`hosting bus "${bus}", epoch ${running.epoch}, at ${running.endpoint}`);
  try {
    await orAborted(waitForLoss(running, bus), signal);
  } finally {
    await running.drain();
  }
}

async function waitForLoss(running: Host, bus: string): Promise<never> {
  const cause = await running.closed;
  throw cause ?? new MailslotError('MAILSLOT_CLOSED', `the host of bus "${bus}" closed; start it again`);
}
