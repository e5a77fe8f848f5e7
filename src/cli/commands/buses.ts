// `mailslot buses`: lists the buses that have a directory, and which of them are live.
import type { Command } from 'commander';
import { type BusStatus, listBuses, surveyBus } from '../bus-survey.js';
import type { BusFlags, Context } from '../context.js';
import { examples } from '../flags.js';
import { orAborted } from '../interruption.js';
import { printTable } from '../print-table.js';
import type { Cell } from '../table.js';

interface BusesFlags extends BusFlags {
  json?: true;
}

const header = ['BUS', 'HOST', 'EPOCH', 'PID', 'PEERS', 'DIRECTORY'];

export function addBuses(program: Command, context: Context): void {
  program
    .command('buses')
    .description('list the buses that have a folder here, live or not')
    .option('--json', 'print a JSON array')
    .addHelpText('after', examples('buses', `buses --json | jq -r '.[] | select(.live) | .bus'`))
    .action((_flags: object, command: Command) => {
      return buses(context, command.optsWithGlobals<BusesFlags>());
    });
}

async function buses(context: Context, flags: BusesFlags): Promise<void> {
  const { output, signal } = context;
  const found: BusStatus[] = [];
  for (const bus of await listBuses(flags)) {
    found.push(await orAborted(surveyBus(context, { ...flags, bus }), signal));
  }
  if (flags.json) return output.line(JSON.stringify(found));
  await printTable(output, header, found.map(toRow));
}

function toRow({ bus, live, epoch, pid, peers, directory }: BusStatus): Cell[] {
  return [bus, live ? 'live' : 'none', epoch, pid, peers, directory];
}
