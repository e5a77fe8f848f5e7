// `mailslot status`: whether a bus has a host, and where it lives.
import type { Command } from 'commander';
import { type BusStatus, surveyBus } from '../bus-survey.js';
import type { BusFlags, Context } from '../context.js';
import { CommandEnd, ExitCode } from '../exit-codes.js';
import { examples } from '../flags.js';
import { orAborted } from '../interruption.js';

interface StatusFlags extends BusFlags {
  json?: true;
}

export function addStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('show whether a host lives and where the bus is; exit code 3 if none does')
    .option('--json', 'print a JSON object')
    .addHelpText('after', examples('status', 'status --json | jq .epoch'))
    .action((_flags: object, command: Command) => {
      return status(context, command.optsWithGlobals<StatusFlags>());
    });
}

async function status(context: Context, flags: StatusFlags): Promise<void> {
  const found = await orAborted(surveyBus(context, flags), context.signal);
  await context.output.line(flags.json ? JSON.stringify(found) : formatStatus(found));
  if (!found.live) throw new CommandEnd(ExitCode.nobodyThere, `no host lives on bus "${flags.bus}"`);
}

function formatStatus({ bus, live, ...rest }: BusStatus): string {
  const entries = Object.entries({ bus, host: live ? 'live' : 'none', ...rest });
  return entries.map(([name, value]) => `${name.padEnd(9)}  ${value}`).join('\n');
}
