import { type Bus, defineContract, openBus, query } from 'mailslot';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { afterwards } from '../support/scratch.js';
import { Bench, jsonLines } from './run-cli.js';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  afterwards(() => bench.close());
});

describe('a query', () => {
  test('is answered with the output of the command, as text without its final newline', async () => {
    await bench.respond('time.*', '--exec', 'echo "$MAILSLOT_SUBJECT $(cat)"');
    expect(await bench.run(['query', 'time.now', '{"a":1}'])).toEqual({
      code: 0,
      signal: null,
      stdout: '"time.now {\\"a\\":1}"\n',
      stderr: '',
    });
    expect((await bench.run(['query', 'time.now', '-', '--text'], 'x')).stdout).toBe('"time.now x"\n');
  });

  test('is answered with JSON or bytes where the responder says so', async () => {
    await bench.respond('json', '--json', '--exec', `echo '{"$set":[1]}'`);
    await bench.respond('bytes', '--raw', '--exec', `printf '\\377\\n'`);
    expect((await bench.call(['query', 'json'])).stdout).toBe('{"$set":[1]}\n');
    expect((await bench.call(['query', 'bytes'])).stdout).toBe('{"$bytes":"/wo="}\n');
  });

  test('whose command fails ends with 1, and tells its exit code and the end of its stderr', async () => {
    const responder = await bench.respond('a', '--exec', 'echo half; echo oh no >&2; exit 7');
    const { code, stdout, stderr } = await bench.call(['query', 'a']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/ended with 7: oh no/);
    expect((await bench.call(['query', 'a'])).code).toBe(1);
    responder.child.kill();
    expect((await responder.ended).code).toBe(0);
  });

  test('whose command prints what it should not ends with 1, and tells what would help its responder', async () => {
    await bench.respond('json', '--json', '--exec', 'echo hello; echo oh no >&2');
    await bench.respond('text', '--exec', `printf '\\377'`);
    const json = await bench.call(['query', 'json']);
    expect([json.code, json.stderr]).toEqual([
      1,
      expect.stringMatching(/not JSON.*--json.*ended with 0: oh no/),
    ]);
    expect(json.stderr).not.toContain('--text');
    const text = await bench.call(['query', 'text']);
    expect([text.code, text.stderr]).toEqual([1, expect.stringMatching(/not UTF-8.*respond with --raw/)]);
    const bus = await openBus('default', { directory: bench.directory });
    afterwards(() => bus.close());
    await expect(bus.query('json')).rejects.toMatchObject({
      code: 'MAILSLOT_RESPONDER_FAILED',
      responderCode: 'COMMAND_FAILED',
      data: { exitCode: 0, stderr: 'oh no' },
    });
  });

  test('with data that is not UTF-8 ends with 2 and says how query sends bytes', async () => {
    await bench.host();
    for (const flags of [[], ['--text']]) {
      const { code, stderr } = await bench.run(['query', 'a', '-', ...flags], Uint8Array.of(255));
      expect([code, stderr]).toEqual([2, expect.stringContaining('{"$bytes":')]);
      expect(stderr).not.toContain('--raw');
    }
  });

  test('without a responder ends with 3, at once', async () => {
    await bench.host();
    const { code, stderr } = await bench.call(['query', 'a', '--timeout', '600000']);
    expect([code, stderr]).toEqual([3, expect.stringContaining('MAILSLOT_NO_RESPONDER')]);
  });

  test('that is not answered in time ends with 4', async () => {
    await bench.respond('a', '--exec', 'exec sleep 60');
    const { code, stderr } = await bench.call(['query', 'a', '--timeout', '100']);
    expect([code, stderr]).toEqual([4, expect.stringContaining('MAILSLOT_TIMEOUT')]);
  });

  test('whose responder dies ends with 6', async () => {
    await bench.host();
    const responder = await bench.respond('a', '--exec', 'echo started >&2; exec sleep 5');
    const asking = bench.run(['query', 'a', '--timeout', '60000']);
    await responder.says('started');
    responder.child.kill('SIGKILL');
    expect((await asking).code).toBe(6);
  });
});

describe('a query for a stream', () => {
  test('prints one line per reply, in order, and ends with 1 after an error in its middle', async () => {
    const bus = await openBus('default', { directory: bench.directory });
    afterwards(() => bus.close());
    await bus.respond<number>('count', async function* ({ data }) {
      for (let i = 1; i <= data; i += 1) yield { i };
      if (data > 2) throw new Error('too far');
    });
    expect(await bench.run(['query', 'count', '2', '--stream'])).toMatchObject({
      code: 0,
      stdout: '{"i":1}\n{"i":2}\n',
    });
    expect(await bench.call(['query', 'count', '3', '--stream'])).toMatchObject({
      code: 1,
      stdout: '{"i":1}\n{"i":2}\n{"i":3}\n',
      stderr: expect.stringContaining('too far'),
    });
  });

  test('whose next reply does not come in time ends with 4', async () => {
    const bus = await openBus('default', { directory: bench.directory });
    afterwards(() => bus.close());
    await bus.respond('wait', async function* (_, { signal }) {
      yield 1;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    const { code, stdout } = await bench.call(['query', 'wait', '--stream', '--timeout', '200']);
    expect([code, stdout]).toEqual([4, '1\n']);
  });
});

describe('of what is wrong, one reply or a stream', () => {
  async function openResponders(): Promise<void> {
    const place = { directory: bench.directory };
    const small = await openBus('default', { ...place, maxMessageBytes: 1_024 });
    afterwards(() => small.close());
    await small.respond('unsendable', () => () => {});
    await small.respond('large', () => 'x'.repeat(2_000));
    const contract = defineContract({ 'strict.number': query(z.number(), z.number()) });
    const strict = (await openBus('default', { ...place, contract })) as object as Bus;
    afterwards(() => strict.close());
    await strict.respond('strict.*', () => 1);
  }

  test.each([[[]], [['--stream']]])('the answer ends with 1: %j', async (flags) => {
    await openResponders();
    const answers: [args: string[], code: string][] = [
      [['unsendable'], 'MAILSLOT_NOT_ENCODABLE'],
      [['large'], 'MAILSLOT_MESSAGE_TOO_LARGE'],
      [['large', JSON.stringify('x'.repeat(2_000))], 'MAILSLOT_MESSAGE_TOO_LARGE'],
      [['strict.number', '"one"'], 'MAILSLOT_INVALID_OPTION'],
      [['strict.text', '1'], 'MAILSLOT_INVALID_SUBJECT'],
    ];
    for (const [args, text] of answers) {
      const { code, stderr } = await bench.call(['query', ...args, ...flags]);
      expect([code, stderr]).toEqual([1, expect.stringContaining(`(${text})`)]);
    }
  });

  test.each([[[]], [['--stream']]])('the question ends with 2 or 5: %j', async (flags) => {
    await openResponders();
    const questions: [args: string[], exitCode: number, code: string][] = [
      [['large', '"\\ud800"'], 2, 'MAILSLOT_NOT_ENCODABLE'],
      [['large', '--timeout', '0'], 2, 'MAILSLOT_INVALID_OPTION'],
      [['large', '--to', 'nobody'], 2, 'MAILSLOT_INVALID_OPTION'],
      [['large', 'x'.repeat(17 * 1_048_576), '--text'], 5, 'MAILSLOT_MESSAGE_TOO_LARGE'],
    ];
    for (const [args, exitCode, text] of questions) {
      const { code, stderr } = await bench.call(['query', ...args, ...flags]);
      expect([code, stderr]).toEqual([exitCode, expect.stringContaining(`(${text})`)]);
    }
  });
});

describe('a query to all', () => {
  test('prints one line per reply', async () => {
    await bench.respond('a', '--json', '--exec', 'echo 1');
    await bench.respond('*', '--json', '--exec', 'echo 2');
    const { code, stdout } = await bench.call(['query', 'a', '--all', '--timeout', '5000']);
    expect(code).toBe(0);
    expect(jsonLines(stdout).sort()).toEqual([1, 2]);
  });

  test('ends with 1 when a reply is an error, after the others', async () => {
    await bench.respond('a', '--json', '--exec', 'echo 1');
    await bench.respond('a', '--exec', 'exit 3');
    const { code, stdout, stderr } = await bench.call(['query', 'a', '--all', '--timeout', '5000']);
    expect([code, stdout]).toEqual([1, '1\n']);
    expect(stderr).toContain('ended with 3');
  });

  test('ends with 4 when nobody answers in time', async () => {
    await bench.respond('a', '--exec', 'exec sleep 60');
    const { code, stderr } = await bench.call(['query', 'a', '--all', '--timeout', '100']);
    expect([code, stderr]).toEqual([4, expect.stringContaining('within 100 ms')]);
  });

  test('ends with 3 when nobody is there', async () => {
    await bench.host();
    expect((await bench.call(['query', 'a', '--all'])).code).toBe(3);
  });
});
