import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { afterwards } from '../support/scratch.js';
import { Bench, jsonLines } from './run-cli.js';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  afterwards(() => bench.close());
});

/** The data that a subscriber prints after `publish` with these arguments and this stdin. */
async function dataOf(count: number, args: string[], input: string | Uint8Array = ''): Promise<unknown[]> {
  const subscriber = await bench.subscribe('a.*', '--count', String(count));
  const published = await bench.run(['publish', 'a.b', ...args], input);
  expect(published).toMatchObject({ code: 0, stdout: '', stderr: '' });
  const { code, stdout } = await subscriber.ended;
  expect(code).toBe(0);
  return jsonLines(stdout).map((line) => (line as { data: unknown }).data);
}

describe('a published message', () => {
  test('is one JSON object a line, with what else is known of it', async () => {
    const subscriber = await bench.subscribe('mail.*', '--count', '1');
    await bench.call(['publish', 'mail.new', '{"a":[1,"ä"]}', '--header', 'k=v', '--header', 'l=w']);
    const { stdout } = await subscriber.ended;
    expect(stdout.endsWith('}\n')).toBe(true);
    expect(JSON.parse(Buffer.from(stdout, 'latin1').toString())).toEqual({
      subject: 'mail.new',
      data: { a: [1, 'ä'] },
      sender: expect.stringMatching(/^[0-9a-f]{16}$/),
      order: expect.any(Number),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      headers: { k: 'v', l: 'w' },
    });
  });

  test('has the five named keys when there is nothing else to say', async () => {
    const subscriber = await bench.subscribe('a', '--count', '1');
    await bench.call(['publish', 'a', '1']);
    const [line] = jsonLines((await subscriber.ended).stdout);
    expect(Object.keys(line as object)).toEqual(['subject', 'data', 'sender', 'order', 'time']);
  });

  test('may have any data, as argument or from stdin', async () => {
    const cases: [args: string[], input: string | Uint8Array, data: unknown][] = [
      [['{"a":null}'], '', { a: null }],
      [['-5'], '', -5],
      [['true', '--text'], '', 'true'],
      [['hi', '--raw'], '', { $bytes: 'aGk=' }],
      [[], '', { $undefined: true }],
      [['{"$map":[[1,{"$bigint":"2"}]]}'], '', { $map: [[1, { $bigint: '2' }]] }],
      [['{"$literal":{"$bytes":1}}'], '', { $literal: { $bytes: 1 } }],
      [['-'], ' [1,\n2] \n', [1, 2]],
      [['-', '--text'], 'a\nb\n', 'a\nb\n'],
      [['-', '--raw'], Uint8Array.of(0, 255, 10), { $bytes: 'AP8K' }],
    ];
    const subscriber = await bench.subscribe('a', '--count', String(cases.length));
    for (const [args, input] of cases) {
      const command = ['publish', 'a', ...args];
      const published = await (input === '' ? bench.call(command) : bench.run(command, input));
      expect(published).toMatchObject({ code: 0, stdout: '', stderr: '' });
    }
    const lines = jsonLines((await subscriber.ended).stdout) as { data: unknown }[];
    expect(lines.map(({ data }) => data)).toEqual(cases.map(([, , data]) => data));
  });

  test('is made of each line with --lines, of each value with --json-lines', async () => {
    expect(await dataOf(3, ['--lines'], '1\n\nlast')).toEqual(['1', '', 'last']);
    expect(await dataOf(2, ['-', '--json-lines'], '{"a":1}\r\n\n"b"\n')).toEqual([{ a: 1 }, 'b']);
  });

  test('of which a line is wrong ends with 2, after those before it', async () => {
    const subscriber = await bench.subscribe('a', '--count', '1');
    const { code, stderr } = await bench.run(['publish', 'a', '--json-lines'], '1\n{\n3\n');
    expect([code, stderr]).toEqual([2, expect.stringContaining('line 2 of stdin is not JSON')]);
    expect(jsonLines((await subscriber.ended).stdout)).toMatchObject([{ data: 1 }]);
  });

  test('whose data does not fit its flags ends with 2 and a way out that goes with them', async () => {
    await bench.host();
    const bytes = Uint8Array.of(255);
    const cases: [args: string[], input: string | Uint8Array, hint: string, wrong: string][] = [
      [['-'], bytes, 'bytes with --raw', '--text'],
      [['-', '--text'], bytes, '--raw in place of --text', '--lines'],
      [['--lines'], bytes, 'line 1 of stdin is not UTF-8 text; convert', '--raw'],
      [['--json-lines'], bytes, 'line 1 of stdin is not UTF-8 text; convert', '--raw'],
      [['--json-lines'], '{', '--lines in place of --json-lines', '--text'],
    ];
    for (const [args, input, hint, wrong] of cases) {
      const { code, stderr } = await bench.run(['publish', 'a', ...args], input);
      expect([code, stderr]).toEqual([2, expect.stringContaining(hint)]);
      expect(stderr).not.toContain(wrong);
    }
  });

  test('that is confirmed prints its receipt, without receivers too', async () => {
    const { ended } = await bench.subscribe('a', '--count', '3');
    const confirmed = await bench.run(['publish', 'a', '--confirm', '--lines'], '1\n2\n');
    expect(jsonLines(confirmed.stdout)).toEqual([
      { receivers: 1, order: expect.any(Number) },
      { receivers: 1, order: expect.any(Number) },
    ]);
    const nobody = await bench.call(['publish', 'b', '1', '--confirm']);
    expect(nobody.code).toBe(0);
    expect(jsonLines(nobody.stdout)).toMatchObject([{ receivers: 0 }]);
    await bench.call(['publish', 'a', '3']);
    expect((await ended).code).toBe(0);
  });

  test('over the limit ends with 5', async () => {
    await bench.host();
    const { code, stderr } = await bench.run(['publish', 'a', '-', '--raw'], new Uint8Array(17 * 1_048_576));
    expect([code, stderr]).toEqual([5, expect.stringContaining('MAILSLOT_MESSAGE_TOO_LARGE')]);
  });

  test('goes to the bus of -b, of MAILSLOT_BUS, and only there', async () => {
    const other = await bench.subscribe('a', '--count', '2', '-b', 'other');
    const own = await bench.subscribe('a', '--count', '1');
    await bench.call(['-b', 'other', 'publish', 'a', '1']);
    await bench.call(['publish', 'a', '2'], { MAILSLOT_BUS: 'other' });
    await bench.call(['publish', 'a', '3'], { MAILSLOT_BUS: '' });
    expect(jsonLines((await other.ended).stdout)).toMatchObject([{ data: 1 }, { data: 2 }]);
    expect(jsonLines((await own.ended).stdout)).toMatchObject([{ data: 3 }]);
  });
});

describe('subscribe', () => {
  test('--raw writes bytes exactly and text as lines', async () => {
    const bytes = randomBytes(300_000);
    const subscriber = await bench.subscribe('a', '--raw', '--count', '1');
    await bench.run(['publish', 'a', '-', '--raw'], bytes);
    expect(Buffer.from((await subscriber.ended).stdout, 'latin1').equals(bytes)).toBe(true);
    const lines = await bench.subscribe('a', '--raw', '--count', '3');
    await bench.run(['publish', 'a', '--lines'], 'x\ny\n');
    await bench.call(['publish', 'a', '{"z":1}']);
    expect((await lines.ended).stdout).toBe('x\ny\n{"z":1}\n');
  });

  test('--timeout before --count ends with 4, alone with 0', async () => {
    const counting = await bench.run(['subscribe', 'a', '--count', '2', '--timeout', '100']);
    expect([counting.code, counting.stdout]).toEqual([4, '']);
    expect(counting.stderr).toContain('0 of 2 messages');
    expect((await bench.run(['subscribe', 'a', '--timeout', '100'])).code).toBe(0);
  });

  test('--exec runs the command for each message in order, with its data, subject and bus', async () => {
    const script = 'printf "%s %s:" "$MAILSLOT_SUBJECT" "$MAILSLOT_BUS"; cat; echo';
    const subscriber = await bench.subscribe('a.>', '-b', 'x', '--count', '4', '--exec', script);
    await bench.run(['publish', 'a.text', '-b', 'x', '--lines'], 'one\ntwo\n');
    await bench.call(['publish', 'a.json', '-b', 'x', '{"a":1}']);
    await bench.call(['publish', 'a.nothing', '-b', 'x']);
    const { code, stdout } = await subscriber.ended;
    expect(stdout).toBe('a.text x:one\na.text x:two\na.json x:{"a":1}\na.nothing x:\n');
    expect(code).toBe(0);
  });

  test('--overflow and --capacity choose what a slow reader gets, and the rest is announced', async () => {
    const gate = `${bench.directory}/go`;
    const script = `cat; echo; until test -e ${gate}; do sleep 0.02; done`;
    const flags = ['--overflow', 'drop-newest', '--capacity', '2', '--exec', script];
    const subscriber = await bench.subscribe('a', '--count', '3', ...flags);
    await bench.call(['publish', 'a', '"first"']);
    await subscriber.prints('first');
    for (const n of [1, 2, 3, 4, 5]) await bench.call(['publish', 'a', String(n), '--confirm']);
    writeFileSync(gate, '');
    const { code, stdout, stderr } = await subscriber.ended;
    expect([code, stdout]).toEqual([0, 'first\n1\n5\n']);
    expect(stderr).toContain('gap: 3 messages on "a" did not reach this slot');
  });

  test('--exec goes on after a command that fails or does not read, and ends with 1', async () => {
    const script = 'test "$MAILSLOT_SUBJECT" = a.bad && exit 9; echo fine';
    const subscriber = await bench.subscribe('a.*', '--count', '2', '--exec', script);
    await bench.run(['publish', 'a.bad', '-', '--raw'], new Uint8Array(1_000_000));
    await bench.call(['publish', 'a.good', '1']);
    const { code, stdout, stderr } = await subscriber.ended;
    expect([code, stdout]).toEqual([1, 'fine\n']);
    expect(stderr).toContain('the command ended with 9');
  });
});

test('--retain keeps the last value for a subscriber that comes later, --ttl not for ever', async () => {
  const early = await bench.subscribe('b');
  await bench.call(['publish', 'a.kept', '1', '--retain']);
  await bench.call(['publish', 'a.short', '2', '--retain', '--ttl', '1', '--confirm']);
  const late = await bench.subscribe('a.*', '--count', '1', '--timeout', '20000');
  expect(jsonLines((await late.ended).stdout)).toMatchObject([{ data: 1, retained: true }]);
  const { code, stderr } = await bench.call(['publish', 'a', '1', '--retain', '--to', '0123456789abcdef']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--retain')]);
  early.child.kill();
});

test('--to a peer that is not there is an error, receipt or not', async () => {
  const early = await bench.subscribe('b');
  for (const flags of [[], ['--confirm']]) {
    const { code, stderr } = await bench.call(['publish', 'a', '1', '--to', '0123456789abcdef', ...flags]);
    expect([code, stderr]).toEqual([3, expect.stringContaining('MAILSLOT_NO_SUCH_PEER')]);
  }
  early.child.kill();
});

test('--group shares the messages among subscribers', async () => {
  const shares = [
    await bench.subscribe('a', '--group', 'g', '--count', '2'),
    await bench.subscribe('a', '--group', 'g', '--count', '2'),
  ];
  await bench.run(['publish', 'a', '--json-lines'], '1\n2\n3\n4\n');
  const lines = await Promise.all(shares.map(async ({ ended }) => jsonLines((await ended).stdout)));
  const data = lines.flat().map((line) => (line as { data: number }).data);
  expect(data.sort()).toEqual([1, 2, 3, 4]);
});
