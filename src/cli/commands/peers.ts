// `mailslot peers`: who is on the bus, this command left out.
import type { Command } from 'commander';
import type { BusFlags, Context } from '../context.js';
import { examples } from '../flags.js';
import { printTable } from '../print-table.js';
import { withBus } from '../with-bus.js';

interface PeersFlags extends BusFlags {
  json?: true;
}

const header = ['ID', 'LABEL', 'PID', 'HOSTING', 'CONNECTED', 'SLOTS', 'RESPONDERS'];

export function addPeers(program: Command, context: Context): void {
  program
    .command('peers')
    .description('list who is on the bus')
    .option('--json', 'print a JSON array')
    .addHelpText('after', examples('peers', `peers --json | jq -r '.[].label'`))
    .action((_flags: object, command: Command) => {
      return peers(context, command.optsWithGlobals<PeersFlags>());
    });
}

async function peers(context: Context, flags: PeersFlags): Promise<void> {
  const { output } = context;
  await withBus(context, flags, { command: 'peers' }, async (bus) => {
    const others = (await bus.peers()).filter(({ id }) => id !== bus.id);
    if (flags.json) return output.line(JSON.stringify(others));
    const rows = others.map(({ id, label, pid, hosting, connectedAt, slots, responders }) => {
      return [id, label, pid, hosting, new Date(connectedAt).toISOString(), slots, responders];
    });
    await printTable(output, header, rows);
  });
}
