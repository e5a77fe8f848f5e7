// The file of last values: what is appended and rewritten is found by the next host, and by nobody else.
import { chmodSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type BusDirectory, openBusDirectory, stateFolder } from '../../src/transport/bus-directory.js';
import { RetainedFile, readRetained } from '../../src/transport/retained-file.js';
import { systemClock } from '../../src/util/clock.js';
import { temporaryFolder } from './helper.js';

const isWindows = process.platform === 'win32';
let bus: BusDirectory;

beforeEach(async () => {
  bus = await openBusDirectory('test', { directory: temporaryFolder() });
});

const file = (epoch: number): RetainedFile => new RetainedFile(bus, epoch, systemClock);
const parts = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));
const found = (epoch: number): string => readRetained(bus, epoch).toString();

describe('the file of retained values', () => {
  it('holds what was appended and rewritten, for a later epoch', () => {
    const first = file(5);
    first.append(parts('a', 'b'));
    first.append(parts('c'));
    expect([first.size, found(6), found(5)]).toEqual([3, 'abc', '']);
    first.rewrite(parts('d'));
    first.append(parts('e'));
    expect([first.size, found(9)]).toEqual([2, 'de']);
    first.close();
    const second = file(6);
    second.append(parts('f'));
    expect([found(6), found(7)]).toEqual(['de', 'f']);
    second.close();
  });

  it('is not made before there is anything to hold, and leaves no draft', () => {
    const empty = file(5);
    empty.close();
    expect(readdirSync(stateFolder(bus))).toEqual([]);
    const full = file(6);
    full.append(parts('a'));
    full.rewrite(parts('b'));
    expect(readdirSync(stateFolder(bus))).toEqual(['r6']);
    full.remove();
    expect(readdirSync(stateFolder(bus))).toEqual([]);
  });

  it.skipIf(isWindows)('is private at any umask', () => {
    const before = process.umask(0o277);
    try {
      const one = file(5);
      one.append(parts('a'));
      one.rewrite(parts('b'));
      one.close();
    } finally {
      process.umask(before);
    }
    expect(statSync(join(stateFolder(bus), 'r5')).mode & 0o777).toBe(0o600);
    expect(found(6)).toBe('b');
  });

  it.skipIf(isWindows)('counts as nothing when others could have written it', () => {
    writeFileSync(join(bus.path, 'elsewhere'), 'x', { mode: 0o600 });
    symlinkSync(join(bus.path, 'elsewhere'), join(stateFolder(bus), 'r5'));
    expect(found(6)).toBe('');
    writeFileSync(join(stateFolder(bus), 'r6'), 'x');
    chmodSync(join(stateFolder(bus), 'r6'), 0o620);
    expect(found(7)).toBe('');
  });
});
