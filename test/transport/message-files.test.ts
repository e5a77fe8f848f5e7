// Files that hold the data of large messages: what is written, who removes it, and what is no such file.
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { MAX_MESSAGE_FILES, MESSAGE_FILE_PAUSE, STRAY_MESSAGE_AGE } from '../../src/limits.js';
import { type BusDirectory, openBusDirectory, stateFolder } from '../../src/transport/bus-directory.js';
import { MessageFolder, sweepMessageFiles } from '../../src/transport/message-files.js';
import { ManualClock } from '../support/manual-clock.js';
import { usesMessageFiles } from '../support/message-files.js';
import { busFolder } from '../support/scratch.js';

const OWNER = 'b0b1b2b3b4b5b6b7';
const PARTS = [Buffer.from('some '), Buffer.from('parts')];
const TEXT = 'some parts';

let bus: BusDirectory;
let clock: ManualClock;
let folder: MessageFolder;

beforeEach(async () => {
  bus = await openBusDirectory('test', { directory: busFolder() });
  clock = new ManualClock();
  folder = new MessageFolder(bus, OWNER, clock);
});

const names = (): string[] => readdirSync(stateFolder(bus)).sort();
const pathOf = (name: string): string => join(stateFolder(bus), name);

function read(number: number, size = TEXT.length): string | undefined {
  const target = Buffer.alloc(size);
  return folder.read({ sender: OWNER, number, size }, () => target) ? target.toString() : undefined;
}

describe.runIf(usesMessageFiles)('a message file', () => {
  it('has the parts one behind the other, for its user alone', () => {
    const file = folder.keep(PARTS)!;
    expect([file.number, file.size, names()]).toEqual([1, TEXT.length, [`m${OWNER}-1`]]);
    expect(readFileSync(pathOf(`m${OWNER}-1`), 'latin1')).toBe(TEXT);
    expect(statSync(pathOf(`m${OWNER}-1`)).mode & 0o777).toBe(0o600);
    expect(folder.keep(PARTS)?.number).toBe(2);
    expect([read(1), read(2), read(3)]).toEqual([TEXT, TEXT, undefined]);
  });

  it('is gone for others once it is removed, and before that can be read by its publisher wherever it is', () => {
    const file = folder.keep(PARTS)!;
    const target = Buffer.alloc(TEXT.length);
    expect(file.isInPlace()).toBe(true);
    rmSync(pathOf(`m${OWNER}-1`));
    expect([file.isInPlace(), file.read(target), target.toString()]).toEqual([false, true, TEXT]);
    file.remove();
    const other = folder.keep(PARTS)!;
    other.remove();
    expect([names(), read(2)]).toEqual([[], undefined]);
  });

  it('is not in place where there is another one of that name', () => {
    const file = folder.keep(PARTS)!;
    rmSync(pathOf(`m${OWNER}-1`));
    writeFileSync(pathOf(`m${OWNER}-1`), TEXT);
    expect(file.isInPlace()).toBe(false);
  });

  it('stays when its publisher leaves', () => {
    folder.keep(PARTS)!.leave();
    expect(read(1)).toBe(TEXT);
  });

  it('is nothing that is shorter or longer than announced, a link, or a folder', () => {
    folder.keep(PARTS);
    expect([read(1, TEXT.length - 1), read(1, TEXT.length + 1)]).toEqual([undefined, undefined]);
    symlinkSync(pathOf(`m${OWNER}-1`), pathOf(`m${OWNER}-2`));
    mkdirSync(pathOf(`m${OWNER}-3`));
    expect([read(2), read(3)]).toEqual([undefined, undefined]);
  });
});

it('where no file can be written there is none, and nothing is left; a moment later it is tried again', () => {
  rmSync(stateFolder(bus), { recursive: true });
  expect(folder.keep(PARTS)).toBeUndefined();
  mkdirSync(stateFolder(bus), { mode: 0o700 });
  expect(folder.keep(PARTS)).toBeUndefined();
  clock.advance(MESSAGE_FILE_PAUSE);
  if (usesMessageFiles) expect(folder.keep(PARTS)?.number).toBe(1);
  for (const name of names()) rmSync(pathOf(name));
  const torn = { length: 4 } as Uint8Array;
  const hadRoom = new MessageFolder(bus, 'c0c1c2c3c4c5c6c7', clock);
  expect([hadRoom.keep([...PARTS, torn]), names()]).toEqual([undefined, []]);
});

it.runIf(usesMessageFiles)('there are never more than so many at once', () => {
  const files = Array.from({ length: MAX_MESSAGE_FILES }, () => folder.keep(PARTS)!);
  expect([files.at(-1)?.number, folder.keep(PARTS)]).toEqual([MAX_MESSAGE_FILES, undefined]);
  files[0]!.remove();
  expect([folder.keep(PARTS)?.number, folder.keep(PARTS)]).toEqual([MAX_MESSAGE_FILES + 1, undefined]);
  files[1]!.leave();
  expect(folder.keep(PARTS)?.number).toBe(MAX_MESSAGE_FILES + 2);
});

describe('the sweep', () => {
  it('removes what is old and of nobody who is on the bus', () => {
    const here = 'c0c1c2c3c4c5c6c7';
    const ours = ['p3', 'key', 'm12-1', `m${OWNER}-0`, `m${OWNER}-x`];
    for (const name of [`m${OWNER}-1`, `m${OWNER}-2`, `m${here}-1`, ...ours]) {
      writeFileSync(pathOf(name), '');
      utimesSync(pathOf(name), new Date(), new Date(clock.wallTime() - STRAY_MESSAGE_AGE - 1_000));
    }
    utimesSync(pathOf(`m${OWNER}-2`), new Date(), new Date(clock.wallTime() - STRAY_MESSAGE_AGE + 1_000));
    sweepMessageFiles(bus, clock, (id) => id === here);
    expect(names()).toEqual([`m${OWNER}-2`, `m${here}-1`, ...ours].sort());
  });

  it('minds neither a folder that is not there nor what it cannot remove', () => {
    mkdirSync(pathOf(`m${OWNER}-1`));
    utimesSync(pathOf(`m${OWNER}-1`), new Date(), new Date(0));
    sweepMessageFiles(bus, clock, () => false);
    rmSync(stateFolder(bus), { recursive: true });
    sweepMessageFiles(bus, clock, () => false);
  });
});

it.runIf(usesMessageFiles)('an umask that takes everything leaves its user the right to read', () => {
  const script = `
    process.umask(0o777);
    const { openBusDirectory } = await import('./src/transport/bus-directory.ts');
    const { MessageFolder } = await import('./src/transport/message-files.ts');
    const { systemClock } = await import('./src/util/clock.ts');
    const bus = await openBusDirectory('test', { directory: ${JSON.stringify(bus.root)} });
    const folder = new MessageFolder(bus, '${OWNER}', systemClock);
    for (let count = 0; count < 2; count += 1) folder.keep([Buffer.from('${TEXT}')]);`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
    },
  );
  expect([status, stderr]).toEqual([0, '']);
  for (const name of names()) expect(statSync(pathOf(name)).mode & 0o777).toBe(0o600);
  expect(names().length).toBe(2);
});
