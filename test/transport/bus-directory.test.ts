import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MailslotError } from '../../src/errors.js';
import { openBusDirectory, resolveDirectory } from '../../src/transport/bus-directory.js';
import { readOrCreateKey } from '../../src/transport/bus-key.js';
import { systemClock } from '../../src/util/clock.js';
import { later, temporaryFolder } from './helper.js';

const onUnix = process.platform !== 'win32';
const asRoot = onUnix && process.geteuid?.() === 0;
/** All that have to be ours, from the root. */
const folders = ['.', 'b-b', 'b-b/state'];
const mode = (path: string) => lstatSync(path).mode & 0o777;
const fixture = fileURLToPath(new URL('./fixtures/open-directory.mjs', import.meta.url));

/** What opening the bus `b` in this root rejects with. */
async function failure(root: string, name: unknown = 'b'): Promise<MailslotError> {
  const outcome = await openBusDirectory(name as string, { directory: root }).catch(
    (error: unknown) => error,
  );
  expect(MailslotError.is(outcome), `a MailslotError, not ${String(outcome)}`).toBe(true);
  return outcome as MailslotError;
}

describe('where a bus lives', () => {
  it('is the given folder, else MAILSLOT_DIR, else a folder of the home', () => {
    expect(resolveDirectory({ directory: '/a/b', env: { MAILSLOT_DIR: '/c' } })).toBe('/a/b');
    expect(resolveDirectory({ env: { MAILSLOT_DIR: '/c' } })).toBe('/c');
    expect(resolveDirectory({ env: { MAILSLOT_DIR: '' } })).toBe(resolveDirectory({ env: {} }));
  });

  it.runIf(onUnix)('is the same in every environment of a user', () => {
    const home = os.userInfo().homedir;
    const environments: NodeJS.ProcessEnv[] = [
      {},
      { HOME: '/somewhere/else' },
      { XDG_RUNTIME_DIR: '/run/user/1', XDG_CONFIG_HOME: '/x', TMPDIR: '/y', TEMP: '/z' },
      { HOME: '', USER: 'nobody', LOGNAME: 'nobody', LOCALAPPDATA: '/w' },
    ];
    const found = environments.map((env) => {
      const script = `import { resolveDirectory } from ${JSON.stringify(moduleUrl('bus-directory'))};
        process.stdout.write(resolveDirectory());`;
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        env,
        cwd: '/',
        encoding: 'utf8',
      });
      return stdout || stderr;
    });
    expect(new Set(found).size).toBe(1);
    expect(found[0]).toMatch(new RegExp(`^${home}/\\.mailslot/[0-9a-f]{8}$`));
  });

  it('takes bus names of 1 to 32 lower-case letters, digits and hyphens only', async () => {
    const root = temporaryFolder();
    for (const name of ['a', '0', 'my-app', 'a'.repeat(32)]) {
      expect((await openBusDirectory(name, { directory: root })).path).toBe(join(root, `b-${name}`));
    }
    const bad = ['', '-a', 'A', 'a b', 'a.b', 'a/b', '../x', 'ä', 'a\n', 'a'.repeat(33), 7, null];
    for (const name of bad) expect((await failure(root, name)).code).toBe('MAILSLOT_INVALID_NAME');
  });

  it.runIf(onUnix)('may have socket paths of 103 bytes and not of 104', async () => {
    const base = temporaryFolder();
    const ofLength = (length: number) =>
      join(base, 'x'.repeat(length - 's0123456789ab'.length - 1 - base.length - 1));
    await openBusDirectory('b', { directory: ofLength(103) });
    const tooLong = ofLength(104);
    const error = await failure(tooLong);
    expect(error.code).toBe('MAILSLOT_PATH_TOO_LONG');
    expect(error.message).toContain('104 bytes');
    expect(existsSync(tooLong)).toBe(false);
  });
});

describe.runIf(onUnix)('safety of the bus folder', () => {
  it.each([0, 0o022, 0o077, 0o777])('is made with mode 0700, its key with 0600, at umask %o', (umask) => {
    const root = join(temporaryFolder(), 'parent', 'root');
    const run = spawnSync(process.execPath, [fixture, root, String(umask)], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(folders.map((folder) => mode(join(root, folder)))).toEqual([0o700, 0o700, 0o700]);
    expect(mode(join(root, 'b-b', 'key'))).toBe(0o600);
    expect(mode(join(root, '..')) & 0o077).toBe(0);
  });

  it.each(folders)('refuses an open %s folder and leaves its mode alone', async (which) => {
    for (const bits of [0o755, 0o750, 0o701, 0o720]) {
      const root = join(temporaryFolder(), 'r');
      mkdirSync(join(root, 'b-b', 'state'), { recursive: true, mode: 0o700 });
      const open = join(root, which);
      chmodSync(open, bits);
      const error = await failure(root);
      expect(error.code).toBe('MAILSLOT_UNSAFE_DIRECTORY');
      expect(error.message).toContain(`${open} has mode ${bits.toString(8)}`);
      expect(mode(open)).toBe(bits);
    }
  });

  it.each(folders)('refuses a %s folder that is a symbolic link, even to a safe one', async (which) => {
    const root = join(temporaryFolder(), 'r');
    const target = temporaryFolder();
    mkdirSync(join(root, which, '..'), { recursive: true, mode: 0o700 });
    symlinkSync(target, join(root, which));
    const error = await failure(root);
    expect([error.code, error.message]).toEqual([
      'MAILSLOT_UNSAFE_DIRECTORY',
      expect.stringContaining('is a symbolic link'),
    ]);
  });

  it.runIf(asRoot).each(folders)('refuses a %s folder of somebody else', async (which) => {
    const root = join(temporaryFolder(), 'r');
    mkdirSync(join(root, 'b-b', 'state'), { recursive: true, mode: 0o700 });
    chownSync(join(root, which), 12_345, 12_345);
    const error = await failure(root);
    expect([error.code, error.message]).toEqual([
      'MAILSLOT_UNSAFE_DIRECTORY',
      expect.stringContaining('belongs to user 12345'),
    ]);
  });

  it('says which folder and what to do when the system refuses', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const error = await failure(join(file, 'below', 'root'));
    expect(error.code).toBe('MAILSLOT_UNREACHABLE');
    expect(error.message).toContain('ENOTDIR');
    expect(error.message).toContain('MAILSLOT_DIR');
    expect(error.message).toContain(file);
    expect(error.cause).toMatchObject({ code: 'ENOTDIR' });
    expect((await failure(file)).code).toBe('MAILSLOT_UNSAFE_DIRECTORY');
  });
});

describe('the key', () => {
  const openBus = () => openBusDirectory('b', { directory: temporaryFolder() });
  const read = async (bus: Awaited<ReturnType<typeof openBus>>) =>
    (await readOrCreateKey(bus, systemClock)).toString('hex');

  it('has 32 random bytes and stays the same', async () => {
    const bus = await openBus();
    const key = await read(bus);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(await read(bus)).toBe(key);
    expect(await read(await openBus())).not.toBe(key);
    expect(statSync(join(bus.path, 'key')).size).toBe(32);
  });

  it.each([0, 31, 33, 5000])(
    'counts as absent with %i bytes and is replaced once by many at a time',
    async (length) => {
      const bus = await openBus();
      writeFileSync(join(bus.path, 'key'), Buffer.alloc(length), { mode: 0o600 });
      await Promise.all(Array.from({ length: 20 }, () => read(bus)));
      const key = await read(bus);
      expect(key).toMatch(/^[0-9a-f]{64}$/);
      expect(await read(bus)).toBe(key);
    },
  );

  it.runIf(onUnix)('is refused when others could have put it there', async () => {
    const plant: [string, (path: string) => void][] = [
      ['is a symbolic link', (path) => symlinkSync('/dev/zero', path)],
      ['has mode 644', (path) => writeFileSync(path, Buffer.alloc(32), { mode: 0o644 })],
      ['is not a plain file', (path) => mkdirSync(path)],
      ['is not a plain file', (path) => spawnSync('mkfifo', [path])],
    ];
    if (asRoot) {
      plant.push([
        'belongs to user 12345',
        (path) => {
          writeFileSync(path, Buffer.alloc(32), { mode: 0o600 });
          chownSync(path, 12_345, 12_345);
        },
      ]);
    }
    for (const [found, make] of plant) {
      const bus = await openBus();
      make(join(bus.path, 'key'));
      const error = (await read(bus).catch((reason: unknown) => reason)) as MailslotError;
      expect([error.code, error.message]).toEqual([
        'MAILSLOT_UNSAFE_DIRECTORY',
        expect.stringContaining(found),
      ]);
    }
  });

  it('is one for 20 processes that make folder and key at the same time', async () => {
    const root = join(temporaryFolder(), 'root');
    const { spawn } = await import('node:child_process');
    const outputs = await Promise.all(
      Array.from({ length: 20 }, () => {
        const child = spawn(process.execPath, [fixture, root, '18'], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        later(() => child.kill('SIGKILL'));
        return child.stdout.toArray().then((chunks) => Buffer.concat(chunks as Buffer[]).toString());
      }),
    );
    expect(outputs[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(outputs).size).toBe(1);
  });
});

function moduleUrl(name: string): string {
  return new URL(`../../dist/transport/${name}.js`, import.meta.url).href;
}
