// The demo on small and awkward files, and what it leaves behind when it does not get to its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findInput } from '../scripts/demo/input.mjs';
import { renderTable, verdictOf } from '../scripts/demo/report.mjs';

const script = fileURLToPath(new URL('../scripts/demo/main.mjs', import.meta.url));
const runTimeout = 60_000;
let folder: string;
let demo: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'demo-test-'));
  mkdirSync(join(folder, 'tmp'));
});

afterEach(() => {
  demo?.kill('SIGTERM');
  rmSync(folder, { recursive: true });
});

function startDemo(path: string) {
  const env = { ...process.env, TMPDIR: join(folder, 'tmp') };
  const child = spawn(process.execPath, [script, path], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  demo = child;
  return child;
}

async function runDemo(path: string) {
  const child = startDemo(path);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { stdout, stderr, code };
}

function writeInput(content: string | Buffer): string {
  const path = join(folder, 'input.txt');
  writeFileSync(path, content);
  return path;
}

/** A demo that has sent a quarter of a large file: its process ids by name, and the rest of its stderr. */
async function startLongDemo(count = 200_000) {
  const child = startDemo(writeInput('a line of a large file\n'.repeat(count)));
  const closed = once(child, 'close');
  const said: string[] = [];
  const lines = createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
  while (!said.at(-1)?.endsWith(' %')) await once(lines, 'line');
  const pids = new Map(
    [...said[0]!.matchAll(/(\w+(?: \d)?) (\d+)(?:,|$)/g)].map((match) => [match[1], Number(match[2])]),
  );
  return { child, closed, said, pids };
}

function isAlive(pid: number) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const leftBehind = () => readdirSync(join(folder, 'tmp'));

const awkward = Buffer.concat([
  Buffer.from('one\r\ntwo\n\nthree\rfour\n'),
  Buffer.from(Array.from({ length: 20_000 }, (_, at) => (at * 7) % 256)),
  Buffer.from(`\n${'longer than a piece '.repeat(100_000)}\nno last line break`),
]);

test.each([
  ['every kind of line', awkward],
  ['nothing at all', ''],
])(
  '%s arrives equal everywhere',
  async (_title, content) => {
    const { stdout, stderr, code } = await runDemo(writeInput(content));
    expect(
      stderr
        .split('\n')
        .filter(
          (line) =>
            !/^(?:demo: (?:\d+ %|.* over bus .*|killed the host, half-way)|mailslot: subscribed .*)?$/.test(
              line,
            ),
        ),
    ).toEqual([]);
    const proofs = stdout
      .split('\n')
      .slice(3)
      .map((row) => row.split(/ {2,}/).at(-1));
    const visitor = process.platform === 'win32' ? [] : ['answers equal'];
    expect(proofs.filter((proof) => proof)).toEqual([...Array(6).fill('equal'), ...visitor]);
    expect(code).toBe(0);
    expect(stderr.includes('killed the host, half-way')).toBe(content.length > 0);
    expect(leftBehind()).toEqual([]);
  },
  runTimeout,
);

test(
  'a child that dies ends the demo with its name',
  async () => {
    const { closed, said, pids } = await startLongDemo();
    const pid = pids.get('consumer 2')!;
    process.kill(pid, 'SIGKILL');
    expect(await closed).toEqual([1, null]);
    expect(said.at(-1)).toBe(`demo: consumer 2 (process ${pid}) was killed by SIGKILL before it was done`);
    expect([...pids.values()].filter(isAlive)).toEqual([]);
    expect(leftBehind()).toEqual([]);
  },
  runTimeout,
);

test(
  'no child outlives a demo that is killed',
  async () => {
    const { child, closed, pids } = await startLongDemo();
    expect(pids.size).toBeGreaterThanOrEqual(7);
    child.kill('SIGKILL');
    await closed;
    await vi.waitFor(() => expect([...pids.values()].filter(isAlive)).toEqual([]), { timeout: 10_000 });
  },
  runTimeout,
);

test(
  'a file that changes meanwhile, so that no copy is what it was, ends with 1',
  async () => {
    const { closed, said } = await startLongDemo(1_000_000);
    const file = openSync(join(folder, 'input.txt'), 'r+');
    writeSync(file, 'A', 24_000_000 - 24);
    closeSync(file);
    expect(await closed).toEqual([1, null]);
    const verdicts = [1, 2, 3, 4].map((number) => `demo: consumer ${number} has not rebuilt the file`);
    expect(said).toEqual(expect.arrayContaining(verdicts));
    expect(leftBehind()).toEqual([]);
  },
  runTimeout,
);

test('without a path it sends a large text that the installation has', async () => {
  const { path, bytes } = await findInput(undefined);
  expect(basename(path)).toBe('lib.dom.d.ts');
  expect(bytes).toBeGreaterThan(1_000_000);
});

test('a file that does not exist is named', async () => {
  const { stderr, stdout, code } = await runDemo(join(folder, 'nothing.txt'));
  expect(stderr).toContain(`no such file: ${join(folder, 'nothing.txt')}`);
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
});

test('a copy that differs is reported', () => {
  const right = { messages: 2, bytes: 10, seconds: 1, sha256: 'abc' };
  const results = new Map<string, object>([
    ['host', {}],
    ['consumer 1', right],
    ['consumer 2', { ...right, sha256: 'abd' }],
    ['visitor', { messages: 5, bytes: 9, seconds: 1, answered: false }],
  ]);
  expect(verdictOf(results, 'abc')).toEqual([
    'consumer 2 has not rebuilt the file',
    'visitor got a wrong answer',
  ]);
  expect(renderTable(results, 'abc')).toMatch(/consumer 2 .* DIFFERENT\nvisitor .* ANSWERS DIFFER$/);
});
