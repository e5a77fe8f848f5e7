// Where a bus may live: what the environment and the disk can do wrong, seen from openBus in processes of their own.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openBus } from 'mailslot';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { busFolder } from '../support/scratch.js';

const entry = pathToFileURL(fileURLToPath(new URL('../../dist/index.js', import.meta.url))).href;
const onUnix = process.platform !== 'win32';
const asRoot = onUnix && process.geteuid?.() === 0;
if (onUnix && !asRoot) console.warn('Skipped: tests with a second user, because only root can act as one.');
const NOBODY = 65_534;

/** What openBus comes to in a process with this MAILSLOT_DIR, as that user. */
function open(directory: string, user: { uid?: number; gid?: number } = {}): Record<string, unknown> {
  const source = `
    import { openBus } from ${JSON.stringify(entry)};
    const show = (value) => console.log(JSON.stringify(value));
    try {
      const bus = await openBus('test', { timeout: 10_000 });
      await bus.close();
      show({ directory: bus.directory });
    } catch ({ name, code, retryable, message, cause }) {
      show({ name, code, retryable, message, cause: cause?.code });
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    env: { ...process.env, MAILSLOT_DIR: directory },
    encoding: 'utf8',
    cwd: '/',
    ...user,
  });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout);
}

const unsafe = (path: string, found: RegExp) => ({
  name: 'MailslotError',
  code: 'MAILSLOT_UNSAFE_DIRECTORY',
  retryable: false,
  message: expect.stringMatching(
    new RegExp(`^${path} ${found.source}, so others could listen in. .* MAILSLOT_DIR`),
  ),
});

afterEach(() => vi.unstubAllEnvs());

describe.runIf(onUnix)('MAILSLOT_DIR', () => {
  it('may lead to a folder that is not there yet', () => {
    const root = join(busFolder(), 'new', 'root');
    expect(open(root)).toEqual({ directory: join(root, 'b-test') });
  });

  it('that leads to a file is refused', () => {
    const file = join(busFolder(), 'file');
    writeFileSync(file, '');
    expect(open(file)).toMatchObject(unsafe(file, /is not a folder/));
  });

  it('that leads below a file is refused', () => {
    const file = join(busFolder(), 'file');
    writeFileSync(file, '');
    expect(open(join(file, 'root'))).toMatchObject({
      code: 'MAILSLOT_UNREACHABLE',
      cause: expect.stringMatching(/^(?:ENOTDIR|EEXIST)$/),
      message: expect.stringMatching(/cannot be used \(E[A-Z]+\)\. Set MAILSLOT_DIR to/),
    });
  });

  it('that leads to a symbolic link is refused', () => {
    const link = join(busFolder(), 'link');
    symlinkSync(busFolder(), link);
    expect(open(link)).toMatchObject(unsafe(link, /is a symbolic link/));
  });

  it('that leads to a folder open to others is refused, its mode left alone', () => {
    const root = busFolder();
    chmodSync(root, 0o755);
    expect(open(root)).toMatchObject(unsafe(root, /has mode 755, not 700/));
  });

  it('with a path too long for a socket is refused', () => {
    const root = join(busFolder(), 'x'.repeat(90));
    expect(open(root)).toMatchObject({
      code: 'MAILSLOT_PATH_TOO_LONG',
      message: expect.stringMatching(
        /has a path of \d+ bytes; 103 are possible\. Set MAILSLOT_DIR to a folder with a shorter path/,
      ),
    });
  });

  it.runIf(asRoot)('that leads to a folder of another user is refused to both', () => {
    const root = join(busFolder(), 'root');
    mkdirSync(root, { mode: 0o700 });
    chmodSync(join(root, '..'), 0o755);
    chownSync(root, 12_345, 12_345);
    expect(open(root)).toMatchObject(unsafe(root, /belongs to user 12345, not to user 0/));
    const stranger = open(root, { uid: NOBODY, gid: NOBODY });
    expect(stranger).toMatchObject(unsafe(root, /belongs to user 12345, not to user 65534/));
  });

  it.runIf(asRoot)('in which another user hosts gives nothing away', async () => {
    const root = busFolder();
    vi.stubEnv('MAILSLOT_DIR', root);
    await using bus = await openBus('test');
    expect(bus.hosting).toBe(true);
    const stranger = open(root, { uid: NOBODY, gid: NOBODY });
    expect(stranger).toMatchObject(unsafe(root, /belongs to user 0, not to user 65534/));
    expect(await bus.peers()).toHaveLength(1);
  });

  it.runIf(asRoot)('that leads where one may not write is refused', () => {
    const parent = busFolder();
    chmodSync(parent, 0o755);
    expect(open(join(parent, 'root'), { uid: NOBODY, gid: NOBODY })).toMatchObject({
      name: 'MailslotError',
      code: 'MAILSLOT_UNREACHABLE',
      cause: 'EACCES',
      message: expect.stringMatching(/cannot be used \(EACCES\)\. Set MAILSLOT_DIR to/),
    });
  });
});
