// The table of commands, the options they share, and the way from a failure to a line on stderr and an exit code.
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { MailslotError } from '../errors.js';
import { addBench } from './commands/bench.js';
import { addBuses } from './commands/buses.js';
import { addHost } from './commands/host.js';
import { addPeers } from './commands/peers.js';
import { addPublish } from './commands/publish.js';
import { addQuery } from './commands/query.js';
import { addRespond } from './commands/respond.js';
import { addSlots } from './commands/slots.js';
import { addStatus } from './commands/status.js';
import { addSubscribe } from './commands/subscribe.js';
import { addTap } from './commands/tap.js';
import type { Context } from './context.js';
import { CommandEnd, ExitCode, exitCodeOf } from './exit-codes.js';
import { examples } from './flags.js';
import { complain } from './output.js';

const commands = [
  addHost,
  addPublish,
  addSubscribe,
  addQuery,
  addRespond,
  addPeers,
  addSlots,
  addStatus,
  addBuses,
  addTap,
  addBench,
];

const exitCodeHelp = `
Exit codes:
  0 done, 1 the answer was an error, 2 wrong usage, 3 nobody there (no host, no responder), 4 timed out,
  5 refused, 6 connection lost, 130 interrupted`;

/** Runs the command that `args` name and resolves to the exit code. */
export async function runProgram(args: readonly string[], context: Context): Promise<number> {
  try {
    const work = createProgram(context).parseAsync(args, { from: 'user' });
    await work.finally(() => context.output.flush());
    return ExitCode.done;
  } catch (error) {
    return endWith(context.signal.aborted ? context.signal.reason : error);
  }
}

function createProgram(context: Context): Command {
  const program = new Command('mailslot')
    .description('A local message bus: processes of one user on one machine publish, subscribe and query.')
    .version(readVersion())
    .addOption(busOption())
    .option('--directory <path>', 'where buses live (default: $MAILSLOT_DIR, else a folder in your home)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text) => complain(text.replace(/^error: /, '').trimEnd()) })
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride()
    .addHelpText(
      'after',
      `${examples(`subscribe 'mail.*'`, `publish mail.new '{"from":"ann"}'`)}\n${exitCodeHelp}`,
    );
  for (const add of commands) add(program, context);
  return program;
}

function busOption(): Option {
  const { MAILSLOT_BUS } = process.env;
  const option = new Option('-b, --bus <name>', 'name of the bus');
  return option.default(MAILSLOT_BUS || 'default', '$MAILSLOT_BUS, else "default"');
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

// commander has said what is wrong already, or has shown the help that was asked for.
function endWith(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  if (error instanceof CommandEnd) {
    if (error.message !== '') complain(error.message);
  } else if (MailslotError.is(error)) {
    complain(`${error.message} (${error.code})`);
  } else {
    complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return exitCodeOf(error);
}
