// `mailslot query`: asks one responder, for one reply or for a stream, or all of them, and prints what they answer.
import { type Command, Option } from 'commander';
import type { Bus } from '../../index.js';
import { QUERY_ALL_TIMEOUT } from '../../limits.js';
import { systemClock } from '../../util/clock.js';
import { checkSubject } from '../../wire/subject.js';
import { type BusFlags, type Context, given } from '../context.js';
import type { Hints } from '../data-format.js';
import { type DataFlags, openData, readData } from '../data-input.js';
import { afterAsking, CommandEnd, ExitCode } from '../exit-codes.js';
import { examples, parseHeader, parseMilliseconds } from '../flags.js';
import { formatValue } from '../json-forms.js';
import { complain } from '../output.js';
import { withBus } from '../with-bus.js';

interface QueryFlags extends Pick<DataFlags, 'text'>, BusFlags {
  all?: true;
  stream?: true;
  timeout?: number;
  header?: Record<string, string>;
  to?: string;
}

export function addQuery(program: Command, context: Context): void {
  program
    .command('query')
    .description('ask a responder and print the data of its reply as JSON')
    .argument('<subject>', 'what the question is about, such as time.now')
    .argument('[data]', 'JSON unless --text is given; - reads stdin')
    .option('--text', 'the data is text')
    .option('--all', 'ask every responder; one line per reply')
    .addOption(new Option('--stream', 'one line per reply of one responder that streams').conflicts('all'))
    .option(
      '--timeout <ms>',
      'time for the answer, with --stream for each (default: 5000, with --all 1000)',
      parseMilliseconds,
    )
    .option('--header <name=value>', 'add a header; may be repeated', parseHeader)
    .addOption(new Option('--to <peer>', 'ask the peer with this id').conflicts('all'))
    .addHelpText(
      'after',
      examples(
        'query time.now',
        `query sum '[1,2,3]' --timeout 500`,
        'query who.is.there --all',
        'query log.lines --stream | head',
      ),
    )
    .action((subject: string, data: string | undefined, _flags: object, command: Command) => {
      return query(context, subject, data, command.optsWithGlobals<QueryFlags>());
    });
}

async function query(
  context: Context,
  subject: string,
  argument: string | undefined,
  flags: QueryFlags,
): Promise<void> {
  checkSubject(subject, 'mailslot query');
  const data = openData(argument, flags, hintsOf(flags));
  await withBus(context, flags, { command: 'query' }, async (bus) => {
    const ask = flags.all ? askAll : flags.stream ? askStream : askOne;
    await ask(context, bus, subject, await readData(data), flags).catch((error: unknown) => {
      throw wasAsked(bus) ? afterAsking(error) : error;
    });
  });
}

// what is wrong with a question shows before it counts as asked
const wasAsked = (bus: Bus): boolean => bus.stats().queries.asked > 0;

function hintsOf({ text }: QueryFlags): Hints {
  return {
    notText: `write bytes as JSON${text ? ' without --text' : ''}: {"$bytes":"<base64>"}`,
    notJson: 'send it as text with --text',
  };
}

async function askOne(
  { output, signal }: Context,
  bus: Bus,
  subject: string,
  data: unknown,
  flags: QueryFlags,
): Promise<void> {
  const reply = await bus.query(subject, data, { signal, ...optionsOf(flags) });
  await output.line(formatValue(reply.data));
}

async function askStream(
  { output, signal }: Context,
  bus: Bus,
  subject: string,
  data: unknown,
  flags: QueryFlags,
): Promise<void> {
  for await (const reply of bus.queryStream(subject, data, { signal, ...optionsOf(flags) }))
    await output.line(formatValue(reply.data));
}

/** What a query and a stream take alike. */
const optionsOf = ({ timeout, header: headers, to }: QueryFlags) => given({ timeout, headers, to });

async function askAll(
  { output, signal }: Context,
  bus: Bus,
  subject: string,
  data: unknown,
  { timeout = QUERY_ALL_TIMEOUT, header: headers }: QueryFlags,
): Promise<void> {
  // Set before the query's own timer, and so never behind it.
  let timeIsUp = false;
  const timer = systemClock.setTimer(timeout, () => {
    timeIsUp = true;
  });
  let replies = 0;
  let failures = 0;
  for await (const reply of bus.queryAll(subject, data, { signal, timeout, ...given({ headers }) })) {
    replies += 1;
    if (reply.error === undefined) await output.line(formatValue(reply.data));
    else {
      failures += 1;
      complain(`peer ${reply.sender}: ${reply.error.message}`);
    }
  }
  timer.cancel();
  if (replies === 0) throw nobodyAnswered(subject, timeIsUp ? timeout : undefined);
  if (failures > 0)
    throw new CommandEnd(ExitCode.answerFailed, `${failures} of ${replies} answers were errors`);
}

function nobodyAnswered(subject: string, timeout: number | undefined): CommandEnd {
  if (timeout === undefined) return new CommandEnd(ExitCode.nobodyThere, `nobody responds to "${subject}"`);
  return new CommandEnd(ExitCode.timedOut, `nobody answered "${subject}" within ${timeout} ms`);
}
