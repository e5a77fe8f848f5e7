// What a disk can refuse: openBus says so and what to do, a bus that runs waits and heals. Real file systems, mounted for
// the test.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBus } from 'mailslot';
import { describe, expect, it } from 'vitest';
import { childPeer } from '../support/child-peer.js';
import { afterwards, busFolder, joinBus } from '../support/scratch.js';
import { EventLog, eventually } from '../support/waiting.js';

const BLOCK = 4_096;

const run = (command: string, ...parameters: string[]): boolean =>
  spawnSync(command, parameters, { stdio: 'ignore' }).status === 0;

/** A file system of its own with so many blocks of room. */
function smallDisk(blocks: number): string {
  const path = join(busFolder(), 'disk');
  mkdirSync(path, { mode: 0o700 });
  const options = `size=${blocks * BLOCK},mode=700`;
  expect(run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path)).toBe(true);
  // lazily: a host that is just ending may still have it open
  afterwards(() => run('umount', '-l', path));
  return path;
}

const canMount =
  process.platform === 'linux' && process.geteuid?.() === 0 && run('unshare', '--mount', 'true');
if (!canMount) console.warn('Skipped: tests of full disks, because this user may not mount any.');

/** Takes all the room there is. */
function fill(disk: string): string {
  const ballast = join(disk, 'ballast');
  expect(() => writeFileSync(ballast, Buffer.alloc(1024 * BLOCK))).toThrow(/ENOSPC/);
  return ballast;
}

describe.runIf(canMount)('a full disk', () => {
  it('openBus fails with the errno, not retryable, and says where and what to do', async () => {
    const disk = smallDisk(16);
    fill(disk);
    const error = await openBus('test', { directory: disk, hostThread: 'inline' }).catch((error) => error);
    expect(error).toMatchObject({
      code: 'MAILSLOT_UNREACHABLE',
      retryable: false,
      cause: { code: 'ENOSPC' },
    });
    expect(error.message).toContain(join(disk, 'b-test'));
    expect(error.message).toContain('MAILSLOT_DIR');
  });

  it('a bus that runs stays reconnecting, and heals within 2 s after there is space', async () => {
    const disk = smallDisk(64);
    const host = await childPeer(disk);
    const bus = await joinBus(disk);
    const events = new EventLog(bus);
    const { epoch } = bus;
    const ballast = fill(disk);
    const drafts = new Set<string | null>();
    const watcher = watch(
      join(disk, 'b-test', 'state'),
      (_, name) => name?.startsWith('t') && drafts.add(name),
    );
    afterwards(() => watcher.close());
    await host.kill();
    await eventually(() => drafts.size >= 3, 'three attempts to write a pointer');
    await expect(openBus('test', { directory: disk, hostThread: 'inline' })).rejects.toMatchObject({
      code: 'MAILSLOT_UNREACHABLE',
      retryable: false,
    });
    expect(bus.state).toBe('reconnecting');
    // a note that could not be written would have everybody wait for nobody
    const notes = readdirSync(join(disk, 'b-test', 'state')).filter((name) =>
      name.startsWith(`c${epoch + 1}-`),
    );
    expect(notes).toEqual([]);
    rmSync(ballast);
    const start = performance.now();
    await events.first('connected');
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(bus.epoch).toBeGreaterThan(epoch);
    expect(bus.hosting).toBe(true);
  });
});

describe.runIf(process.platform === 'linux')('a folder that cannot hold a bus', () => {
  it('openBus fails with the errno, not retryable, and names the folder and MAILSLOT_DIR', async () => {
    const error = await openBus('test', { directory: '/proc/mailslot' }).catch((error) => error);
    expect(error).toMatchObject({ code: 'MAILSLOT_UNREACHABLE', retryable: false });
    expect(error.cause.code).toMatch(/^E[A-Z]+$/);
    expect(error.message).toMatch(/\/proc\/mailslot.*MAILSLOT_DIR/);
  });
});
