// The demo: a text file goes line by line over a bus of its own to four processes that rebuild it, while a
// fifth answers questions about it and a shell script looks in. Half-way the process that hosts the bus is killed.
// Exits with 1 unless every copy is the file.
//
//   npm run demo [-- path]
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Children } from './children.mjs';
import { DemoFailure } from './failure.mjs';
import { findInput } from './input.mjs';
import { Progress } from './progress.mjs';
import { renderTable, verdictOf } from './report.mjs';

const consumers = [1, 2, 3, 4].map((number) => `consumer ${number}`);
// Far above the few seconds a run takes; it only ends a run that hangs.
const demoTimeout = 60_000;

async function digestOf(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function perform(children, input) {
  // The host has a process of its own, so that it can be taken away without anything else.
  await children.start('host', 'host.mjs');
  await Promise.all([
    children.start('producer', 'producer.mjs', [input.path]),
    ...consumers.map((name) => children.start(name, 'consumer.mjs', [input.bytes])),
    children.start('librarian', 'librarian.mjs'),
  ]);
  if (process.platform !== 'win32') await children.start('visitor', 'visitor.mjs', [input.path]);

  const progress = new Progress(process.stderr, input.bytes);
  progress.note(`${input.path} (${input.bytes} bytes) over bus "demo": ${children.describe()}`);
  const behind = new Set(consumers);
  children.onProgress = (name, bytes) => {
    if (!consumers.includes(name)) return;
    progress.update(name, bytes, consumers.length);
    if (bytes < input.bytes / 2 || !behind.delete(name) || behind.size > 0) return;
    children.sacrifice('host');
    progress.note('killed the host, half-way');
  };
  const results = await children.run();
  progress.end();
  return results;
}

async function demo(path, signal) {
  const input = await findInput(path);
  const directory = await mkdtemp(join(tmpdir(), 'mailslot-demo-'));
  const children = new Children({ directory, signal });
  try {
    const [expected, results] = await Promise.all([digestOf(input.path), perform(children, input)]);
    await children.dismiss();
    console.log(renderTable(results, expected));
    return verdictOf(results, expected);
  } finally {
    await children.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(name, () => interruption.abort(new DemoFailure(`interrupted by ${name}`)));
}
const deadline = AbortSignal.timeout(demoTimeout);
try {
  const problems = await demo(process.argv[2], AbortSignal.any([interruption.signal, deadline]));
  for (const problem of problems) console.error(`demo: ${problem}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  if (deadline.aborted) console.error(`demo: not finished within ${demoTimeout / 1000} s`);
  else console.error(error instanceof DemoFailure ? `demo: ${error.message}` : error);
  process.exitCode = interruption.signal.aborted ? 130 : 1;
}
