// `mailslot bench`: publishes and queries between three processes on a private bus, for a first idea of the speed
// of this machine. It is no substitute for the project's own benchmark, which measures against a plain relay.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Command, Option } from 'commander';
import { type Bus, openBus } from '../../index.js';
import { systemClock } from '../../util/clock.js';
import type { BusFlags, Context } from '../context.js';
import { CommandEnd, ExitCode } from '../exit-codes.js';
import { examples, parseCount } from '../flags.js';
import { orAborted } from '../interruption.js';
import { printTable } from '../print-table.js';
import { withBus } from '../with-bus.js';

const busName = 'bench';
const dataSizes = [128, 16_384];

interface BenchFlags extends BusFlags {
  duration: number;
  json?: true;
  partner?: true;
}

interface Measurement {
  measured: string;
  [figure: string]: string | number;
}

export function addBench(program: Command, context: Context): void {
  program
    .command('bench')
    .description('measure this machine for a few seconds, on a private bus of its own')
    .option('--duration <ms>', 'time for each measurement', parseCount, 1_000)
    .option('--json', 'print a JSON array')
    .addOption(new Option('--partner', 'receive and answer for a bench in another process').hideHelp())
    .addHelpText('after', examples('bench', 'bench --duration 5000'))
    .action((_flags: object, command: Command) => {
      const flags = command.optsWithGlobals<BenchFlags>();
      return flags.partner ? partner(context, flags) : bench(context, flags);
    });
}

async function bench(context: Context, { duration, json }: BenchFlags): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mailslot-'));
  const children: ChildProcess[] = [];
  try {
    for (const command of [['host'], ['bench', '--partner']]) {
      children.push(await orAborted(startProcess(command, directory), context.signal));
    }
    const measurements = await orAborted(measure(directory, duration), context.signal);
    await print(context, measurements, json);
  } finally {
    await Promise.all(children.map(endProcess));
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(directory: string, duration: number): Promise<Measurement[]> {
  const bus = await openBus(busName, { host: 'never', directory, label: 'mailslot bench' });
  try {
    const measurements: Measurement[] = [];
    for (const bytes of dataSizes) measurements.push(await measurePublish(bus, bytes, duration));
    return [...measurements, await measureQuery(bus, duration)];
  } finally {
    await bus.close();
  }
}

async function measurePublish(bus: Bus, bytes: number, duration: number): Promise<Measurement> {
  const data = new Uint8Array(bytes);
  await bus.query('bench.reset');
  const start = systemClock.now();
  let messages = 0;
  for (; systemClock.now() - start < duration; messages += 1) await bus.publish('bench.data', data);
  await bus.query('bench.received', messages, { timeout: 10 * duration + 10_000 });
  const seconds = (systemClock.now() - start) / 1_000;
  return {
    measured: `publish to subscribe, ${bytes} bytes`,
    messagesPerSecond: Math.round(messages / seconds),
    mebibytesPerSecond: Number(((messages * bytes) / seconds / 1_048_576).toFixed(1)),
  };
}

async function measureQuery(bus: Bus, duration: number): Promise<Measurement> {
  const times: number[] = [];
  for (const start = systemClock.now(); systemClock.now() - start < duration; ) {
    const asked = systemClock.now();
    await bus.query('bench.echo', times.length);
    times.push(systemClock.now() - asked);
  }
  times.sort((a, b) => a - b);
  return {
    measured: 'query and reply, one at a time',
    messagesPerSecond: Math.round(times.length / (duration / 1_000)),
    p50Milliseconds: percentile(times, 0.5),
    p99Milliseconds: percentile(times, 0.99),
  };
}

function percentile(sorted: readonly number[], share: number): number {
  return Number((sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(3));
}

async function print(
  { output }: Context,
  measurements: Measurement[],
  json: true | undefined,
): Promise<void> {
  if (json) return output.line(JSON.stringify(measurements));
  const header = ['MEASURED', 'PER SECOND', 'MIB/S', 'P50 MS', 'P99 MS'];
  const columns = [
    'measured',
    'messagesPerSecond',
    'mebibytesPerSecond',
    'p50Milliseconds',
    'p99Milliseconds',
  ];
  await printTable(
    output,
    header,
    measurements.map((figures) => columns.map((column) => figures[column])),
  );
}

/** The other end: counts messages and says when the last one is there. */
async function partner(context: Context, flags: BusFlags): Promise<void> {
  await withBus(context, flags, { command: 'bench' }, async (bus) => {
    let received = 0;
    let expected = 0;
    let onComplete = () => {};
    await bus.respond('bench.reset', () => {
      received = 0;
      expected = Number.POSITIVE_INFINITY;
    });
    await bus.respond('bench.echo', ({ data }) => data);
    await bus.respond('bench.received', async ({ data }) => {
      expected = Number(data);
      if (received < expected) await new Promise<void>((resolve) => (onComplete = resolve));
    });
    const slot = await bus.subscribe('bench.data');
    process.stderr.write('ready\n');
    for await (const _ of slot) {
      received += 1;
      if (received >= expected) onComplete();
    }
  });
}

/** Starts this program with other arguments; resolves when it says on stderr that it is ready. */
async function startProcess(args: readonly string[], directory: string): Promise<ChildProcess> {
  const [, main = ''] = process.argv;
  const child = spawn(process.execPath, [main, ...args, '--bus', busName, '--directory', directory], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const _ of createInterface({ input: child.stderr })) return child;
  throw new CommandEnd(ExitCode.nobodyThere, `mailslot ${args[0]} ended before it was ready`);
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill();
  await ended;
}
