// `mailslot subscribe`: opens a slot and prints what arrives, or runs a command for each message.
import { type Command, Option } from 'commander';
import { type Bus, type Gap, MailslotError, type Message, type Overflow, type Slot } from '../../index.js';
import { systemClock } from '../../util/clock.js';
import { checkPattern } from '../../wire/subject.js';
import { type BusFlags, type Context, given } from '../context.js';
import { encodePlain } from '../data-format.js';
import { CommandEnd, ExitCode } from '../exit-codes.js';
import { examples, parseCount, parseMilliseconds } from '../flags.js';
import { untilTerminated } from '../interruption.js';
import { toJson } from '../json-forms.js';
import { complain, notice } from '../output.js';
import { runCommand } from '../shell-command.js';
import { withBus } from '../with-bus.js';

interface SubscribeFlags extends BusFlags {
  raw?: true;
  count?: number;
  timeout?: number;
  exec?: string;
  group?: string;
  overflow?: Overflow;
  capacity?: number;
}

const policies: readonly Overflow[] = ['wait', 'drop-oldest', 'drop-newest', 'drop-incoming', 'conflate'];

type Deliver = (message: Message) => Promise<void>;

export function addSubscribe(program: Command, context: Context): void {
  program
    .command('subscribe')
    .description('print messages as they arrive, one JSON object a line')
    .argument('<pattern>', '* stands for one token, a final > for one or more')
    .addOption(new Option('--raw', 'only the data: bytes as they are, text as a line').conflicts('exec'))
    .option('--count <n>', 'end after so many messages', parseCount)
    .option(
      '--timeout <ms>',
      'end after this time, with exit code 4 if --count was not reached',
      parseMilliseconds,
    )
    .option('--group <name>', 'share the messages with the other subscribers of this group')
    .addOption(new Option('--overflow <policy>', 'what becomes of messages without room').choices(policies))
    .option('--capacity <n>', 'most messages that wait in the slot (default: 1024)', parseCount)
    .option('--exec <command>', 'run this for each message, one at a time, with the data on stdin')
    .addHelpText(
      'after',
      examples(
        `subscribe 'mail.*'`,
        'subscribe photo --raw --count 1 > cat.jpg',
        `subscribe 'job.*' --group workers --exec ./work.sh`,
        'subscribe job.done --count 1 --timeout 5000',
        `subscribe 'price.*' --overflow conflate --exec ./redraw.sh`,
        `subscribe 'alarm.>' --exec 'notify-send "$MAILSLOT_SUBJECT" "$(cat)"'`,
      ),
    )
    .action((pattern: string, _flags: object, command: Command) => {
      return start(context, pattern, command.optsWithGlobals<SubscribeFlags>());
    });
}

function start(context: Context, pattern: string, flags: SubscribeFlags): Promise<void> {
  checkPattern(pattern, 'mailslot subscribe');
  const work = withBus(context, flags, { command: 'subscribe', host: 'auto' }, (bus) => {
    return subscribe(context, bus, pattern, flags);
  });
  const hasEnd = flags.count !== undefined || flags.timeout !== undefined;
  return hasEnd ? work : untilTerminated(work, context.signal);
}

async function subscribe(context: Context, bus: Bus, pattern: string, flags: SubscribeFlags): Promise<void> {
  const { signal } = context;
  const { group, overflow, capacity } = flags;
  const options = { gaps: true, signal, ...given({ group, overflow, capacity }) } as const;
  const slot = await bus.subscribe(pattern, options);
  notice(`subscribed to "${pattern}" on bus "${flags.bus}"`);
  const failures = { count: 0 };
  const deliver =
    flags.exec === undefined ? printer(context, flags) : runner(context, flags, flags.exec, failures);
  await receive(bus, slot, pattern, flags, deliver);
  if (failures.count > 0)
    throw new CommandEnd(ExitCode.answerFailed, `the command failed ${failures.count} times`);
}

/** Hands messages to `deliver` until there were enough, the time is up, or the slot is closed by others. */
async function receive(
  bus: Bus,
  slot: Slot<unknown, Message | Gap>,
  pattern: string,
  { count = Number.POSITIVE_INFINITY, timeout }: SubscribeFlags,
  deliver: Deliver,
): Promise<void> {
  let received = 0;
  let timeIsUp = false;
  const onTimeout = () => {
    timeIsUp = true;
    void slot.close();
  };
  const timer = timeout === undefined ? undefined : systemClock.setTimer(timeout, onTimeout);
  try {
    for await (const element of slot) {
      if ('gap' in element) {
        announceGap(element, pattern);
        continue;
      }
      await deliver(element);
      received += 1;
      if (received === count) return;
      if (timeIsUp) break;
    }
  } finally {
    timer?.cancel();
  }
  if (!timeIsUp) throw await lossOf(bus, pattern);
  if (count === Number.POSITIVE_INFINITY) return;
  throw new CommandEnd(ExitCode.timedOut, `${received} of ${count} messages arrived within ${timeout} ms`);
}

async function lossOf(bus: Bus, pattern: string): Promise<unknown> {
  const cause = bus.state === 'closed' ? await bus.closed : undefined;
  return (
    cause ?? new MailslotError('MAILSLOT_CLOSED', `the slot on "${pattern}" was closed; subscribe again`)
  );
}

function announceGap({ gap: { missed } }: Gap, pattern: string): void {
  const number = missed === undefined ? 'an unknown number of messages' : `${missed} messages`;
  complain(`gap: ${number} on "${pattern}" did not reach this slot`);
}

function printer({ output }: Context, { raw }: SubscribeFlags): Deliver {
  if (!raw) return (message) => output.line(formatMessage(message));
  return ({ data }) => {
    const plain = encodePlain(data);
    return typeof plain === 'string' ? output.line(plain) : output.write(plain);
  };
}

function runner(
  { signal }: Context,
  flags: SubscribeFlags,
  command: string,
  failures: { count: number },
): Deliver {
  return async (message) => {
    const { exitCode } = await runCommand(command, message, { flags, capture: false, signal });
    if (exitCode === 0) return;
    failures.count += 1;
    complain(`the command ended with ${exitCode} for a message on "${message.subject}"`);
  };
}

function formatMessage({
  subject,
  data,
  sender,
  order,
  time,
  headers,
  retained,
  redelivered,
}: Message): string {
  return JSON.stringify({
    subject,
    data: toJson(data),
    sender,
    order,
    time: time.toISOString(),
    ...(Object.keys(headers ?? {}).length > 0 && { headers }),
    ...(retained && { retained }),
    ...(redelivered && { redelivered }),
  });
}
