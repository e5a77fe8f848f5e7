import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { afterwards } from '../support/scratch.js';
import { Bench } from './run-cli.js';

const commands = [
  ...[
    'host',
    'publish',
    'subscribe',
    'query',
    'respond',
    'peers',
    'slots',
    'tap',
    'status',
    'buses',
    'bench',
  ],
];
let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  afterwards(() => bench.close());
});

describe('help', () => {
  test('lists every command and the exit codes', async () => {
    const { code, stdout, stderr } = await bench.run(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(stdout).toContain('130 interrupted');
    expect(stdout).not.toContain('\u001b');
  });

  test.each(commands)('of %s has examples and says how to choose a bus, without colour', async (command) => {
    const { code, stdout } = await bench.call([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: mailslot ${command}`);
    expect(stdout).toContain(`  $ mailslot ${command}`);
    expect(stdout).toContain('--bus <name>');
    expect(stdout).not.toContain('\u001b');
  });

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect((await bench.run(['--version'])).stdout).toBe(`${version}\n`);
  });
});

describe('wrong usage ends with 2, says why on stderr, and makes nothing', () => {
  test.each([
    ['no command', [], 'Usage: mailslot'],
    ['an unknown command', ['frobnicate'], "unknown command 'frobnicate'"],
    ['an unknown option', ['publish', 'a', '1', '--nope'], "unknown option '--nope'"],
    ['no subject', ['publish'], "missing required argument 'subject'"],
    ['no pattern', ['subscribe'], "missing required argument 'pattern'"],
    ['too many arguments', ['publish', 'a', '1', '2'], 'too many arguments'],
    ['respond without --exec', ['respond', 'a'], "required option '--exec <command>'"],
    ['an option without its value', ['subscribe', 'a', '--count'], 'argument missing'],
    ['a count of 0', ['subscribe', 'a', '--count', '0'], 'whole number of at least 1'],
    ['a time-out in words', ['query', 'a', '--timeout', 'soon'], 'whole number of milliseconds'],
    ['a header without =', ['publish', 'a', '1', '--header', 'x'], 'name=value'],
    ['an overflow that is none', ['subscribe', 'a', '--overflow', 'wat'], 'Allowed choices are wait'],
    ['a stream from all', ['query', 'a', '--all', '--stream'], 'cannot be used with'],
    ['two kinds of data', ['publish', 'a', '1', '--text', '--raw'], 'cannot be used with'],
    ['one and all', ['query', 'a', '--all', '--to', '0123456789abcdef'], 'cannot be used with'],
    ['data and --lines', ['publish', 'a', '1', '--lines'], '--lines reads the data from stdin'],
    ['data that is not JSON', ['publish', 'a', 'hello'], '--text'],
    ['a form that is none', ['publish', 'a', '{"$bytes":1}'], '$bytes'],
    ['an empty subject', ['publish', '', '1'], 'MAILSLOT_INVALID_SUBJECT'],
    ['a pattern as subject', ['publish', 'a.*', '1'], 'MAILSLOT_INVALID_SUBJECT'],
    ['a subject of 256 bytes', ['query', 'a'.repeat(256)], 'MAILSLOT_INVALID_SUBJECT'],
    ['a bad pattern', ['subscribe', 'a.>.b'], 'MAILSLOT_INVALID_SUBJECT'],
    ['a bad bus name', ['status', '-b', 'NO/'], 'MAILSLOT_INVALID_NAME'],
    ['a bad bus name before the command', ['-b', 'NO/', 'publish', 'a'], 'MAILSLOT_INVALID_NAME'],
  ])('%s', async (_, args, text) => {
    const { code, stdout, stderr } = await bench.call(args);
    expect(stderr).toContain(text);
    expect([code, stdout]).toEqual([2, '']);
    expect(readdirSync(bench.directory)).toEqual([]);
  });

  test.each([[['publish', 'a', '1', '--nope']], [['publish', 'a', 'hello']], [['status', '-b', 'NO/']]])(
    'as a process: %j',
    async (args) => {
      const ended = await bench.run(args);
      expect(ended).toEqual({ ...(await bench.call(args)), signal: null });
      expect(ended.code).toBe(2);
    },
  );
});

describe('nobody there', () => {
  test.each([['publish', 'a', '1'], ['query', 'a'], ['query', 'a', '--all'], ['peers'], ['status']])(
    '%s ends with 3 without a host, and hosts nothing',
    async (...args) => {
      const { code, stderr } = await bench.run(args);
      expect(code).toBe(3);
      expect(stderr).toMatch(/^mailslot: n.* hosts? .*bus "default"/);
      expect((await bench.call(['status', '--json'])).stdout).toContain('"live":false');
    },
  );
});

test('who may not host is told which command does', async () => {
  const { stderr } = await bench.call(['publish', 'a', '1', '-b', 'work', '--directory', bench.directory]);
  expect(stderr).toBe(
    `mailslot: nobody hosts bus "work"; start a host with: mailslot host --bus work --directory "${bench.directory}" (MAILSLOT_UNREACHABLE)\n`,
  );
});

describe('refused', () => {
  test.skipIf(process.platform === 'win32')('a directory open to others ends with 5', async () => {
    chmodSync(bench.directory, 0o755);
    const { code, stderr } = await bench.run(['publish', 'a', '1']);
    expect(stderr).toContain('MAILSLOT_UNSAFE_DIRECTORY');
    expect(code).toBe(5);
  });
});
