// `mailslot publish`: sends one message, or one for every line of stdin.
import { type Command, Option } from 'commander';
import type { Bus } from '../../index.js';
import { checkSubject } from '../../wire/subject.js';
import { type BusFlags, type Context, given } from '../context.js';
import type { Hints } from '../data-format.js';
import { type DataFlags, openData } from '../data-input.js';
import { examples, parseCount, parseHeader } from '../flags.js';
import { withBus } from '../with-bus.js';

interface PublishFlags extends DataFlags, BusFlags {
  confirm?: true;
  header?: Record<string, string>;
  retain?: true;
  ttl?: number;
  to?: string;
}

export function addPublish(program: Command, context: Context): void {
  program
    .command('publish')
    .description('publish a message')
    .argument('<subject>', 'what it is about, such as mail.new')
    .argument('[data]', 'JSON unless a flag says otherwise; - reads stdin as one message')
    .addOption(new Option('--text', 'the data is text').conflicts(['raw', 'lines', 'jsonLines']))
    .addOption(new Option('--raw', 'the data is bytes').conflicts(['lines', 'jsonLines']))
    .addOption(new Option('--lines', 'one message for each line of stdin, as text').conflicts('jsonLines'))
    .option('--json-lines', 'one message for each line of stdin, as JSON')
    .option('--confirm', 'wait until every receiver has taken it, and print the receipt')
    .option('--header <name=value>', 'add a header; may be repeated', parseHeader)
    .addOption(new Option('--retain', 'keep it as the last value of its subject').conflicts('to'))
    .option('--ttl <ms>', 'not to be delivered after this time', parseCount)
    .option('--to <peer>', 'only to the peer with this id')
    .addHelpText(
      'after',
      examples(
        `publish mail.new '{"from":"ann"}'`,
        'publish greeting hello --text',
        'publish photo - --raw < cat.jpg',
        'publish log --lines < app.log',
        'publish job.done 7 --confirm',
        'publish config.volume 11 --retain',
      ),
    )
    .action((subject: string, data: string | undefined, _flags: object, command: Command) => {
      return publish(context, subject, data, command.optsWithGlobals<PublishFlags>());
    });
}

async function publish(
  context: Context,
  subject: string,
  argument: string | undefined,
  flags: PublishFlags,
): Promise<void> {
  checkSubject(subject, 'mailslot publish');
  const messages = openData(argument, flags, hintsOf(flags));
  await withBus(context, flags, { command: 'publish' }, async (bus) => {
    for await (const data of messages) await publishOne(context, bus, subject, data, flags);
  });
}

// a flag that does not go with those given is named together with the one that it replaces
function hintsOf({ text, lines, jsonLines }: PublishFlags): Hints {
  if (lines || jsonLines) {
    return {
      notText: 'convert stdin to UTF-8',
      notJson: 'correct it, or send the lines as text with --lines in place of --json-lines',
    };
  }
  return {
    notText: `send it as bytes with --raw${text ? ' in place of --text' : ''}`,
    notJson: 'send it as text with --text',
  };
}

async function publishOne(
  { output, signal }: Context,
  bus: Bus,
  subject: string,
  data: unknown,
  { confirm, header: headers, retain, ttl, to }: PublishFlags,
): Promise<void> {
  const options = { signal, ...given({ headers, retain, ttl, to }) };
  // what the host may refuse shall not end with exit code 0
  if (!confirm && to === undefined && !retain) return bus.publish(subject, data, options);
  const { receivers, order } = await bus.publish(subject, data, { ...options, confirm: true });
  if (confirm) await output.line(JSON.stringify({ receivers, order }));
}
