// The package as a user gets it: packed, installed into an empty project, imported and run by name, with the
// examples of the README as they stand there.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const shell = process.platform === 'win32';
const project = mkdtempSync(join(tmpdir(), 'mailslot-package-'));
const busDirectory = join(project, 'bus');
// What npm has to say about the machine it runs on is no output of ours.
const env = { ...process.env, MAILSLOT_DIR: busDirectory, npm_config_loglevel: 'error' };
const started: ChildProcess[] = [];
const groups: ChildProcess[] = [];

interface Entry {
  dev?: boolean;
  version: string;
  dependencies?: object;
  bin?: object;
}

const readJson = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));

/** A lock file for the project: with the versions of this repository, npm need not look any up. */
function lockFileFor(tarball: string) {
  const lock: { packages: Record<string, Entry> } = readJson('package-lock.json');
  const installed = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && !entry.dev);
  const { version, dependencies, bin } = lock.packages['']!;
  const own = { version, resolved: `file:${tarball}`, dependencies, bin };
  const packages = {
    '': manifestFor(tarball),
    'node_modules/mailslot': own,
    ...Object.fromEntries(installed),
  };
  return { ...lock, packages };
}

const manifestFor = (tarball: string) => ({
  name: 'user',
  version: '1.0.0',
  dependencies: { mailslot: `file:${tarball}` },
});

function start(file: string): ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> } {
  const child = spawn(process.execPath, [file], { cwd: project, env, stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(child);
  return child;
}

/** In a process group of its own: what a shell started is ended with it. */
function spawnInGroup(command: string, args: string[]) {
  const child = spawn(command, args, {
    cwd: project,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  groups.push(child);
  return child;
}

class Lines {
  readonly #lines: AsyncIterator<string>;

  constructor(stream: Readable) {
    this.#lines = createInterface({ input: stream })[Symbol.asyncIterator]();
  }

  async next(): Promise<string | undefined> {
    return (await this.#lines.next()).value;
  }
}

/** Code blocks by language and title. */
function blocksOf(markdown: string): Record<string, Record<string, string>> {
  const blocks: Record<string, Record<string, string>> = {};
  for (const [, language = '', title = '', body = ''] of markdown.matchAll(
    /^```(\w+) (.+)\n([\s\S]*?)^```$/gm,
  )) {
    blocks[language] = { ...blocks[language], [title]: body };
  }
  return blocks;
}

function endGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL');
}

beforeAll(() => {
  const npm = (cwd: string, ...args: string[]) =>
    execFileSync('npm', [...args, '--ignore-scripts', '--loglevel=error'], { cwd, encoding: 'utf8', shell });
  const [{ filename }] = JSON.parse(npm(root, 'pack', '--json', '--pack-destination', project));
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifestFor(filename)));
  writeFileSync(join(project, 'package-lock.json'), JSON.stringify(lockFileFor(filename)));
  npm(project, 'ci', '--prefer-offline', '--no-audit', '--no-fund');
  mkdirSync(busDirectory, { mode: 0o700 });
}, 60_000);

afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  for (const child of groups) endGroup(child);
  rmSync(project, { recursive: true });
});

test('two programs of the project talk over a bus', async () => {
  writeFileSync(
    join(project, 'answer.mjs'),
    `import { openBus } from 'mailslot';
     const bus = await openBus('my-app');
     await bus.respond('shout', ({ data }) => data.toUpperCase());
     console.log('ready');
     process.stdin.resume().once('end', () => bus.close());`,
  );
  writeFileSync(
    join(project, 'ask.mjs'),
    `import { MailslotError, openBus } from 'mailslot';
     const bus = await openBus('my-app');
     console.log((await bus.query('shout', 'hello')).data);
     const failure = await bus.query('whisper').catch((error) => error);
     console.log(MailslotError.is(failure, 'MAILSLOT_NO_RESPONDER'));
     await bus.close();`,
  );
  const answer = start('answer.mjs');
  await once(answer.stdout, 'data');
  const ask = start('ask.mjs');
  expect(await text(ask.stdout)).toBe('HELLO\ntrue\n');
  answer.stdin?.end();
  expect(await once(answer, 'exit')).toEqual([0, null]);
});

describe.skipIf(shell)('the examples of the README', () => {
  const { js = {}, sh = {}, text: printed = {} } = blocksOf(readFileSync(join(root, 'README.md'), 'utf8'));
  const bin = (command: string) => spawnInGroup('sh', ['-c', `set -e\n${command}`]);

  it('show both ends in less than 20 lines', () => {
    expect(Object.keys(js)).toEqual(['subscriber.mjs', 'publisher.mjs']);
    expect(Object.values(js).join('').split('\n').length).toBeLessThan(20);
  });

  it('do what they say', async () => {
    for (const [name, source] of Object.entries(js)) writeFileSync(join(project, name), source);
    const subscriber = start('subscriber.mjs');
    const mail = new Lines(subscriber.stdout);
    const expected = printed['subscriber.mjs']!.trimEnd().split('\n');
    expect(await mail.next()).toBe(expected[0]);
    expect(await text(start('publisher.mjs').stdout)).toBe(printed['publisher.mjs']);
    for (const line of expected.slice(1)) expect(await mail.next()).toBe(line);

    const responder = bin(sh['terminal 1']!);
    expect(await new Lines(responder.stderr).next()).toContain('responding to "time.year"');
    const [receipt, year, ...table] = (await text(bin(sh['terminal 2']!).stdout)).split('\n');
    expect(JSON.parse(receipt!)).toMatchObject({ receivers: 1 });
    expect(year).toMatch(/^"\d{4}"$/);
    expect(table.join('\n')).toContain('subscriber.mjs');
    expect(await mail.next()).toBe("mail.new { from: 'bob' }");
  }, 30_000);
});

test('the command is installed under its name', () => {
  const help = execFileSync('npx', ['--no-install', 'mailslot', '--help'], {
    cwd: project,
    encoding: 'utf8',
    shell,
  });
  for (const command of ['host', 'publish', 'subscribe', 'query', 'respond', 'peers', 'status']) {
    expect(help).toContain(command);
  }
});

test('nothing but the exports can be imported', async () => {
  writeFileSync(
    join(project, 'inside.mjs'),
    `await import('mailslot/dist/errors.js').catch((e) => console.log(e.code));`,
  );
  expect(await text(start('inside.mjs').stdout)).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n');
});
