import { beforeEach, describe, expect, test } from 'vitest';
import { afterwards } from '../support/scratch.js';
import { Bench, jsonLines } from './run-cli.js';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  afterwards(() => bench.close());
});

describe('status', () => {
  test('shows the host, where it is, and how many peers there are', async () => {
    const host = await bench.host();
    await bench.subscribe('a');
    const { code, stdout } = await bench.call(['status', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      bus: 'default',
      live: true,
      directory: expect.stringContaining(bench.directory),
      epoch: expect.any(Number),
      endpoint: expect.any(String),
      pid: host.child.pid,
      peers: 1,
    });
    expect((await bench.call(['status'])).stdout).toContain(`pid        ${host.child.pid}\n`);
  });

  test('of a bus without a host is printed too, with exit code 3', async () => {
    const { code, stdout, stderr } = await bench.call(['status', '--json', '-b', 'other']);
    expect([code, stderr]).toEqual([3, 'mailslot: no host lives on bus "other"\n']);
    expect(JSON.parse(stdout)).toMatchObject({ bus: 'other', live: false });
  });

  test('--directory says where to look', async () => {
    await bench.host();
    const away = { MAILSLOT_DIR: `${bench.directory}/none` };
    expect((await bench.call(['status'], away)).code).toBe(3);
    expect((await bench.call(['status', '--directory', bench.directory], away)).code).toBe(0);
  });
});

describe('buses', () => {
  test('lists live and dead ones', async () => {
    const first = await bench.subscribe('a', '-b', 'first');
    await bench.subscribe('a', '-b', 'second');
    first.child.kill();
    await first.ended;
    const { code, stdout } = await bench.call(['buses', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { bus: 'first', live: false },
      { bus: 'second', live: true, peers: 1 },
    ]);
    expect((await bench.run(['buses'])).stdout).toMatch(/^BUS +HOST .*\nfirst +none .*\nsecond +live .*\n$/);
  });

  test('without a directory lists none', async () => {
    const away = { MAILSLOT_DIR: `${bench.directory}/none` };
    expect(await bench.call(['buses', '--json'], away)).toMatchObject({ code: 0, stdout: '[]\n' });
  });
});

describe('peers', () => {
  test('shows everybody but itself, as a table and as JSON', async () => {
    await bench.host();
    const subscriber = await bench.subscribe('a');
    await bench.respond('b', '--exec', 'cat');
    const { stdout } = await bench.call(['peers', '--json']);
    expect(jsonLines(stdout)[0]).toHaveLength(2);
    expect(JSON.parse(stdout)).toContainEqual({
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      label: 'mailslot subscribe',
      pid: subscriber.child.pid,
      hosting: false,
      connectedAt: expect.any(String),
      slots: 1,
      responders: 0,
    });
    const table = (await bench.run(['peers'])).stdout.split('\n');
    expect(table[0]).toMatch(/^ID +LABEL +PID +HOSTING +CONNECTED +SLOTS +RESPONDERS$/);
    expect(table).toHaveLength(4);
  });
});

describe('bench', () => {
  test('prints its figures and leaves nobody behind', async () => {
    const { code, stdout } = await bench.run(['bench', '--duration', '50', '--json']);
    expect(code).toBe(0);
    const figures = JSON.parse(stdout) as { messagesPerSecond: number }[];
    expect(figures).toHaveLength(3);
    for (const { messagesPerSecond } of figures) expect(messagesPerSecond).toBeGreaterThan(0);
  });
});
