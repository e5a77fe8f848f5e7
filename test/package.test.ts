// The package as a user gets it: packed, installed into an empty project, imported and run by name.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const shell = process.platform === 'win32';
const project = mkdtempSync(join(tmpdir(), 'mailslot-package-'));
const busDirectory = join(project, 'bus');
const env = { ...process.env, MAILSLOT_DIR: busDirectory };
const started: ChildProcess[] = [];

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
  overrides: readJson('package.json').overrides,
});

function start(file: string): ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> } {
  const child = spawn(process.execPath, [file], { cwd: project, env, stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(child);
  return child;
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
