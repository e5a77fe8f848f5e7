// `mailslot respond`: answers queries with what a shell command prints.
import { type Command, Option } from 'commander';
import type { Bus, Message } from '../../index.js';
import { RESPONDER_CONCURRENCY } from '../../limits.js';
import { checkPattern } from '../../wire/subject.js';
import type { BusFlags, Context } from '../context.js';
import { decodeData, type Hints, withoutFinalNewline } from '../data-format.js';
import { examples, parseCount } from '../flags.js';
import { untilTerminated } from '../interruption.js';
import { notice } from '../output.js';
import { type CommandResult, runCommand } from '../shell-command.js';
import { withBus } from '../with-bus.js';

interface RespondFlags extends BusFlags {
  exec: string;
  json?: true;
  raw?: true;
  concurrency: number;
}

/** What the asker gets as error when the command fails, or prints what is no answer. */
class CommandFailed extends Error {
  readonly code = 'COMMAND_FAILED';
  readonly data: { exitCode: number | string; stderr: string };

  /** @param fault what is wrong with its output */
  constructor({ exitCode, stderrTail: stderr }: CommandResult, fault?: Error) {
    const end = `the command ended with ${exitCode}${stderr === '' ? '' : `: ${stderr}`}`;
    super(fault === undefined ? end : `${fault.message}; ${end}`, { cause: fault });
    this.data = { exitCode, stderr };
  }
}

export function addRespond(program: Command, context: Context): void {
  program
    .command('respond')
    .description('answer each query with the output of a command; a non-zero exit becomes an error reply')
    .argument('<pattern>', '* stands for one token, a final > for one or more')
    .requiredOption('--exec <command>', 'run this for each query, with the data on stdin')
    .addOption(new Option('--json', 'its output is JSON, not text').conflicts('raw'))
    .option('--raw', 'its output is bytes, not text')
    .option('--concurrency <n>', 'run at most so many at once', parseCount, RESPONDER_CONCURRENCY)
    .addHelpText('after', examples('respond time.now --exec date', `respond 'sum' --json --exec 'jq -c add'`))
    .action((pattern: string, _flags: object, command: Command) => {
      checkPattern(pattern, 'mailslot respond');
      const flags = command.optsWithGlobals<RespondFlags>();
      const work = withBus(context, flags, { command: 'respond', host: 'auto' }, (bus) => {
        return respond(context, bus, pattern, flags);
      });
      return untilTerminated(work, context.signal);
    });
}

async function respond({ signal }: Context, bus: Bus, pattern: string, flags: RespondFlags): Promise<void> {
  const { concurrency } = flags;
  const handler = (message: Message, { signal: asked }: { signal: AbortSignal }) => {
    return answer(message, flags, AbortSignal.any([asked, signal]));
  };
  await bus.respond(pattern, handler, { concurrency, signal });
  notice(`responding to "${pattern}" on bus "${flags.bus}"`);
  const cause = await bus.closed;
  if (cause !== undefined) throw cause;
}

async function answer(message: Message, flags: RespondFlags, signal: AbortSignal): Promise<unknown> {
  const result = await runCommand(flags.exec, message, { flags, capture: true, signal });
  if (result.exitCode !== 0) throw new CommandFailed(result);
  try {
    return decodeAnswer(result.stdout, flags);
  } catch (fault) {
    throw new CommandFailed(result, fault as Error);
  }
}

function decodeAnswer(stdout: Buffer, { json, raw }: RespondFlags): unknown {
  const what = 'the output of the command';
  if (raw) return decodeData(stdout, 'raw', what, hintsOf(json));
  return decodeData(withoutFinalNewline(stdout), json ? 'json' : 'text', what, hintsOf(json));
}

// the asker reads them, whose command has other flags
function hintsOf(json: true | undefined): Hints {
  return {
    notText: `start mailslot respond with --raw${json ? ' in place of --json' : ''} to answer with bytes`,
    notJson: 'start mailslot respond without --json to answer with text',
  };
}
