// `mailslot tap` and `mailslot slots`: what passes, and what waits where.
import { openBus } from 'mailslot';
import { beforeEach, describe, expect, test } from 'vitest';
import { afterwards } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';
import { Bench, jsonLines, type Running } from './run-cli.js';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  // buses that the test opens on it close first: a living host makes its folder anew
  afterwards(() => bench.close());
});

async function joinBench() {
  const bus = await openBus('default', { directory: bench.directory, label: 'tested' });
  afterwards(() => bus.close());
  return bus;
}

async function tap(...args: string[]): Promise<Running> {
  const running = bench.start(['tap', ...args]);
  await running.says('tapping bus');
  return running;
}

type Shown = Record<string, unknown> & { kind: string };

describe('tap', () => {
  test('shows large messages whole, whose data is in files', async () => {
    const bus = await joinBench();
    const tapping = await tap('--count', '2');
    const text = 'x'.repeat(300_000);
    await bus.publish('large', text, { confirm: true });
    await bus.publish('large', 'small', { confirm: true });
    const { stdout } = await tapping.ended;
    expect((jsonLines(stdout) as Shown[]).map(({ data }) => data === text || data)).toEqual([true, 'small']);
  });

  test('shows messages, queries and replies, whoever they are for', async () => {
    const bus = await joinBench();
    await bus.respond('time.now', () => ({ noon: true }));
    await bus.respond('fail', () => {
      throw new Error('no');
    });
    const tapping = await tap('--count', '8');
    await bus.publish('mail.new', { from: 'ann' }, { confirm: true, headers: { a: 'b' } });
    await bus.query('time.now', 'please');
    await bus.query('fail').catch(() => {});
    await bus.query('nobody').catch(() => {});
    for await (const _ of bus.queryAll('time.now')) break;
    const { code, stdout } = await tapping.ended;
    expect(code).toBe(0);
    const shown = jsonLines(stdout) as Shown[];
    expect(shown.slice(0, 7)).toMatchObject([
      {
        kind: 'publish',
        subject: 'mail.new',
        data: { from: 'ann' },
        headers: { a: 'b' },
        flags: ['confirm'],
      },
      { kind: 'query', subject: 'time.now', data: 'please', query: 1 },
      { kind: 'reply', subject: 'time.now', data: { noon: true }, query: 1, to: bus.id },
      { kind: 'query', subject: 'fail', data: { $undefined: true }, query: 2 },
      { kind: 'reply', subject: 'fail', error: { code: 'MAILSLOT_RESPONDER_FAILED', message: 'no' } },
      { kind: 'query', subject: 'nobody', query: 3 },
      { kind: 'reply', subject: 'nobody', error: { code: 'MAILSLOT_NO_RESPONDER' } },
    ]);
    for (const { sender, order, bytes } of shown.filter(({ kind }) => kind === 'publish')) {
      expect([sender, typeof order, typeof bytes]).toEqual([bus.id, 'number', 'number']);
    }
  });

  test('with a pattern shows what has such a subject, and the replies to it', async () => {
    const bus = await joinBench();
    await bus.respond('a.b', () => 1);
    await bus.respond('c', () => 2);
    const tapping = await tap('a.>', '--count', '3');
    await bus.query('c');
    await bus.publish('b', 1);
    await bus.query('a.b');
    await bus.publish('a.c', 2);
    const { stdout } = await tapping.ended;
    expect((jsonLines(stdout) as Shown[]).map(({ kind, subject }) => [kind, subject])).toEqual([
      ['query', 'a.b'],
      ['reply', 'a.b'],
      ['publish', 'a.c'],
    ]);
  });

  test('shows each of the messages that share a frame', async () => {
    const bus = await joinBench();
    const tapping = await tap('--count', '3');
    for (let i = 0; i < 3; i += 1) void bus.publish('n', i);
    const shown = jsonLines((await tapping.ended).stdout) as Shown[];
    expect(shown.map(({ kind, subject, data }) => [kind, subject, data])).toEqual(
      [0, 1, 2].map((data) => ['publish', 'n', data]),
    );
    const [first] = shown.map(({ order }) => order as number);
    expect(shown.map(({ order }) => (order as number) - first!)).toEqual([0, 1, 2]);
  });

  test('changes nothing: receipts do not count it, and its slots are none', async () => {
    const bus = await joinBench();
    const tapping = await tap();
    expect((await bus.publish('a', 1, { confirm: true })).receivers).toBe(0);
    await tapping.prints('"subject":"a"');
    expect((await bus.peers()).map(({ slots }) => slots)).toEqual([0, 0]);
    tapping.child.kill('SIGTERM');
    expect((await tapping.ended).code).toBe(0);
  });

  test('a tap that is suspended slows nobody down, and is told how many frames it has not seen', async () => {
    const bus = await joinBench();
    const tapping = await tap();
    tapping.child.kill('SIGSTOP');
    const data = new Uint8Array(100_000);
    const count = 400;
    for (let i = 0; i < count; i += 1) await bus.publish('a', data);
    await bus.publish('a', 'last', { confirm: true });
    tapping.child.kill('SIGCONT');
    await eventually(async () => {
      await bus.publish('b', 'more');
      return tapping.shown('"more"');
    });
    tapping.child.kill('SIGTERM');
    const { stdout, stderr } = await tapping.ended;
    const seen = (jsonLines(stdout) as Shown[]).filter(({ subject }) => subject === 'a').length;
    const missed = [...stderr.matchAll(/gap: (\d+) frames/g)].reduce((sum, [, n]) => sum + Number(n), 0);
    expect(seen).toBeLessThan(count);
    expect(missed).toBeGreaterThan(0);
    expect(seen + missed).toBeGreaterThanOrEqual(count + 1);
  });

  test('goes on with the next host, and says that it was blind meanwhile', async () => {
    const host = await bench.host();
    const bus = await joinBench();
    const tapping = await tap();
    host.child.kill('SIGKILL');
    await host.ended;
    await eventually(async () => {
      await bus.publish('after', 1);
      return tapping.shown('"after"');
    });
    tapping.child.kill('SIGTERM');
    expect((await tapping.ended).stderr).toContain('gap: an unknown number of frames did not reach this tap');
  });

  test('wrong usage ends with 2, nobody there with 3, --count in vain with 4', async () => {
    expect((await bench.call(['tap', 'a..b'])).code).toBe(2);
    expect((await bench.call(['tap'])).code).toBe(3);
    await bench.host();
    expect((await bench.call(['tap', '--count', '1', '--timeout', '50'])).code).toBe(4);
    expect((await bench.call(['tap', '--timeout', '50'])).code).toBe(0);
  });
});

describe('slots', () => {
  test('shows the slots of every peer, as a table and as JSON', async () => {
    const bus = await joinBench();
    const slot = await bus.subscribe('mail.*', { capacity: 2, overflow: 'drop-oldest' });
    const other = await bench.subscribe('alarm.>');
    for (let i = 0; i < 5; i += 1) await bus.publish('mail.new', i);
    await eventually(() => slot.info.dropped === 3);
    const { code, stdout } = await bench.call(['slots', '--json']);
    expect(code).toBe(0);
    const rows = JSON.parse(stdout) as object[];
    expect(rows).toHaveLength(2);
    expect(rows).toContainEqual({
      peer: bus.id,
      label: 'tested',
      pattern: 'mail.*',
      messages: 2,
      bytes: expect.any(Number),
      dropped: 3,
      missed: 3,
      expired: 0,
    });
    expect(rows).toContainEqual(expect.objectContaining({ label: 'mailslot subscribe', pattern: 'alarm.>' }));
    const table = (await bench.run(['slots'])).stdout.split('\n');
    expect(table[0]).toMatch(/^PEER +LABEL +PATTERN +GROUP +MESSAGES +BYTES +DROPPED +MISSED +EXPIRED$/);
    expect(table).toHaveLength(4);
    other.child.kill('SIGSTOP');
    const partly = await bench.call(['slots', '--json', '--timeout', '300']);
    expect(JSON.parse(partly.stdout)).toHaveLength(1);
    expect(partly.stderr).toMatch(/peer [0-9a-f]{16} \(mailslot subscribe\) did not say/);
  });

  test('without a host ends with 3', async () => {
    expect((await bench.call(['slots'])).code).toBe(3);
  });
});
