// `mailslot tap`: shows what the host relays, queries and replies included, and changes nothing of it.
import type { Command } from 'commander';
import type { Bus } from '../../index.js';
import { tapBus } from '../../peer/tap.js';
import { systemClock } from '../../util/clock.js';
import { isPattern } from '../../wire/subject.js';
import type { BusFlags, Context } from '../context.js';
import { CommandEnd, ExitCode, usageError } from '../exit-codes.js';
import { examples, parseCount, parseMilliseconds } from '../flags.js';
import { untilTerminated } from '../interruption.js';
import { complain, notice } from '../output.js';
import { TappedFrames } from '../tapped-frames.js';
import { withBus } from '../with-bus.js';

interface TapFlags extends BusFlags {
  count?: number;
  timeout?: number;
}

export function addTap(program: Command, context: Context): void {
  program
    .command('tap')
    .description('print everything that passes on the bus, one JSON object a line')
    .argument('[pattern]', 'only what has such a subject, and replies to it')
    .option('--count <n>', 'end after so many', parseCount)
    .option('--timeout <ms>', 'end after this time', parseMilliseconds)
    .addHelpText('after', examples('tap', `tap 'mail.>'`, `tap | jq 'select(.kind == "query")'`))
    .action((pattern: string | undefined, _flags: object, command: Command) => {
      return start(context, pattern, command.optsWithGlobals<TapFlags>());
    });
}

function start(context: Context, pattern: string | undefined, flags: TapFlags): Promise<void> {
  if (pattern !== undefined && !isPattern(pattern, { system: true }))
    throw usageError(`mailslot tap: ${JSON.stringify(pattern)} is not a pattern; see mailslot tap --help`);
  const work = withBus(context, flags, { command: 'tap' }, (bus) => tap(context, bus, pattern, flags));
  const hasEnd = flags.count !== undefined || flags.timeout !== undefined;
  return hasEnd ? work : untilTerminated(work, context.signal);
}

/** Why the tap ends by itself. */
const timeIsUp = new CommandEnd(ExitCode.done);

async function tap(
  context: Context,
  bus: Bus,
  pattern: string | undefined,
  { count = Number.POSITIVE_INFINITY, timeout, bus: name }: TapFlags,
): Promise<void> {
  const deadline = new AbortController();
  const timer =
    timeout === undefined ? undefined : systemClock.setTimer(timeout, () => deadline.abort(timeIsUp));
  const signal = AbortSignal.any([context.signal, deadline.signal]);
  const onOpen = (): void => notice(`tapping bus "${name}"`);
  const progress = { left: count };
  try {
    await print(context, tapBus(bus, { pattern, signal, onOpen }), pattern, progress);
  } catch (error) {
    if (error !== timeIsUp) throw error;
    if (count === Number.POSITIVE_INFINITY) return;
    const message = `${count - progress.left} of ${count} frames passed within ${timeout} ms`;
    throw new CommandEnd(ExitCode.timedOut, message);
  } finally {
    timer?.cancel();
  }
}

async function print(
  { output }: Context,
  chunks: ReturnType<typeof tapBus>,
  pattern: string | undefined,
  progress: { left: number },
): Promise<void> {
  const tapped = new TappedFrames({ onlyKnown: pattern !== undefined });
  for await (const { frames, dropped } of chunks) {
    if (dropped !== 0) complain(`gap: ${dropped ?? 'an unknown number of'} frames did not reach this tap`);
    for (const form of tapped.read(frames)) {
      await output.line(JSON.stringify(form));
      progress.left -= 1;
      if (progress.left === 0) return;
    }
  }
}
