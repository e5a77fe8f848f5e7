import { openBus } from 'mailslot';
import { beforeEach, describe, expect, test } from 'vitest';
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

  test('whose command prints what it should not ends with 1', async () => {
    await bench.respond('json', '--json', '--exec', 'echo hello');
    await bench.respond('text', '--exec', `printf '\\377'`);
    expect(await bench.call(['query', 'json'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('JSON'),
    });
    expect(await bench.call(['query', 'text'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('UTF-8'),
    });
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
