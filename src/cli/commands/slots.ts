// `mailslot slots`: every slot on the bus, as its own peer describes it; this command opens none.
import type { Command } from 'commander';
import { QUERY_ALL_TIMEOUT } from '../../limits.js';
import { collectSlotReports } from '../../peer/slot-reports.js';
import type { BusFlags, Context } from '../context.js';
import { examples, parseMilliseconds } from '../flags.js';
import { complain } from '../output.js';
import { printTable } from '../print-table.js';
import { withBus } from '../with-bus.js';

interface SlotsFlags extends BusFlags {
  json?: true;
  timeout?: number;
}

const header = ['PEER', 'LABEL', 'PATTERN', 'GROUP', 'MESSAGES', 'BYTES', 'DROPPED', 'MISSED', 'EXPIRED'];

export function addSlots(program: Command, context: Context): void {
  program
    .command('slots')
    .description('list the slots of all peers, what waits in them and what they dropped')
    .option('--json', 'print a JSON array')
    .option('--timeout <ms>', 'time for the peers to answer (default: 1000)', parseMilliseconds)
    .addHelpText('after', examples('slots', `slots --json | jq '.[] | select(.dropped > 0)'`))
    .action((_flags: object, command: Command) => {
      return slots(context, command.optsWithGlobals<SlotsFlags>());
    });
}

async function slots(context: Context, flags: SlotsFlags): Promise<void> {
  const { output } = context;
  const { timeout = QUERY_ALL_TIMEOUT } = flags;
  await withBus(context, flags, { command: 'slots' }, async (bus) => {
    const peers = (await bus.peers()).filter(({ id }) => id !== bus.id);
    const reports = await collectSlotReports(bus, Math.max(1, timeout));
    const answered = new Map(reports.map(({ peer, slots }) => [peer, slots]));
    for (const { id, label, slots } of peers) {
      if (slots > 0 && !answered.has(id)) complain(`peer ${id} (${label}) did not say what its slots hold`);
    }
    const found = peers.flatMap(({ id, label }) =>
      (answered.get(id) ?? []).map((slot) => ({ peer: id, label, ...slot })),
    );
    if (flags.json) return output.line(JSON.stringify(found));
    const rows = found.map(({ peer, label, pattern, group, messages, bytes, dropped, missed, expired }) => {
      return [peer, label, pattern, group, messages, bytes, dropped, missed, expired];
    });
    await printTable(output, header, rows);
  });
}
