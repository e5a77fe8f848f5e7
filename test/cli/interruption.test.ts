// How commands end when they are stopped, or when nobody reads what they write.
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { afterwards } from '../support/scratch.js';
import { Bench, type Running } from './run-cli.js';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  afterwards(() => bench.close());
});

function stop(running: Running, signal: NodeJS.Signals) {
  running.child.kill(signal);
  return running.ended;
}

const starts: [string, () => Promise<Running>][] = [
  ['host', () => bench.host()],
  ['subscribe', () => bench.subscribe('a')],
  ['respond', () => bench.respond('a', '--exec', 'cat')],
];

describe.skipIf(process.platform === 'win32')('a command that is stopped', () => {
  test.each(starts)('%s ends with 130 after SIGINT, with 0 after SIGTERM', async (_, start) => {
    expect(await stop(await start(), 'SIGINT')).toMatchObject({ code: 130, signal: null });
    expect(await stop(await start(), 'SIGTERM')).toMatchObject({ code: 0, signal: null });
    expect((await bench.run(['status'])).code).toBe(3);
  });

  test('before it has what it was to wait for ends with 130 after either', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      expect((await stop(await bench.subscribe('a', '--count', '1'), signal)).code).toBe(130);
    }
  });

  test('while it reads stdin ends with 130', async () => {
    const subscriber = await bench.subscribe('a');
    const publisher = bench.start(['publish', 'a', '--lines']);
    publisher.child.stdin.write('one\n');
    await subscriber.prints('one');
    expect((await stop(publisher, 'SIGINT')).code).toBe(130);
  });

  test('ends what --exec is running, everything it started included', async () => {
    const subscriber = await bench.subscribe('a', '--exec', 'sleep 300 & echo pid $! ; wait');
    await bench.run(['publish', 'a', '1']);
    await subscriber.prints('pid ');
    // The sleeping process holds stdout: it closes only when that process is gone as well.
    expect(await stop(subscriber, 'SIGINT')).toMatchObject({
      code: 130,
      stdout: expect.stringMatching(/pid \d+/),
    });
  });
});

describe.skipIf(process.platform === 'win32')('stdout that is closed early', () => {
  test('ends subscribe quietly with 0', async () => {
    await bench.host();
    const ended = bench.shell('mailslot subscribe a 2>/dev/null | head -1; echo "${PIPESTATUS[0]}"');
    const publish = async (): Promise<void> => {
      const { stdout } = await bench.run(['publish', 'a', '"x"', '--confirm']);
      if (!stdout.includes('"receivers":1')) return publish();
    };
    // The first is read by head, the second finds nobody; what follows them no longer has a receiver.
    await publish();
    await publish();
    const { stdout } = await ended;
    expect(stdout).toMatch(/^\{"subject":"a".*\}\n0\n$/);
  });

  test('ends a long output quietly with 0', async () => {
    await bench.subscribe('a');
    const script = 'seq 100000 | mailslot publish a --lines --confirm | head -1; echo "${PIPESTATUS[1]}"';
    const { stdout, stderr } = await bench.shell(script);
    expect(stdout).toMatch(/^\{"receivers":1,"order":\d+\}\n0\n$/);
    expect(stderr).toBe('');
  });

  test('of help is no failure', async () => {
    const { stdout, stderr } = await bench.shell('mailslot --help | head -1; echo "${PIPESTATUS[0]}"');
    expect([stdout, stderr]).toEqual(['Usage: mailslot [options] [command]\n0\n', '']);
  });
});

describe.skipIf(process.platform !== 'linux')('linux', () => {
  test('stdout that is full ends with 1 and says so', async () => {
    const subscriber = bench.shell('mailslot subscribe a --count 1 2>&1 >/dev/full; echo $?');
    const publish = async (): Promise<void> => {
      const { stdout } = await bench.run(['publish', 'a', '"x"', '--confirm']);
      if (!stdout.includes('"receivers":1')) return publish();
    };
    await publish();
    expect((await subscriber).stdout).toMatch(/cannot write to stdout: .*ENOSPC(.|\n)*\n1\n$/);
  });

  test('SIGUSR1 opens no debugger port', async () => {
    const host = await bench.host();
    host.child.kill('SIGUSR1');
    // A command on the bus that is answered after the signal shows that the host went on.
    expect((await bench.run(['status'])).code).toBe(0);
    const inodes = ['tcp', 'tcp6'].flatMap((name) => listenersOf(host.child.pid as number, name));
    expect(inodes).toEqual([]);
    const { stderr } = await stop(host, 'SIGTERM');
    expect(stderr).toMatch(/^mailslot: hosting bus "default".*\n$/);
  });
});

/** Listening sockets in the process's network namespace on the inspector's port, 9229. */
function listenersOf(pid: number, table: string): string[] {
  const lines = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1);
  return lines.filter((line) => /^\s*\d+: [0-9A-F]+:240D [0-9A-F:]+ 0A /.test(line));
}
