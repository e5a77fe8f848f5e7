// What a test makes and what goes away after it: folders, buses, hosts. Cleaning runs backwards, so that a folder
// goes after everything that lives in it.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, type OpenOptions, openBus } from 'mailslot';
import { onTestFinished } from 'vitest';

/** Runs `cleanup` when the test is over, whatever became of it. Only inside a test or its beforeEach. */
export function afterwards(cleanup: () => unknown): void {
  onTestFinished(async () => void (await cleanup()));
}

/** A place for buses that nobody else knows, and how to remove it. */
export function makeFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'ms-'));
  chmodSync(path, 0o700);
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Such a place for one test. */
export function busFolder(): string {
  const { path, remove } = makeFolder();
  afterwards(remove);
  return path;
}

/** Joins the bus `test` of a folder. */
export async function joinBus(directory: string, options: OpenOptions = {}): Promise<Bus> {
  const bus = await openBus('test', { timeout: 15_000, ...options, directory });
  afterwards(() => bus.close());
  return bus;
}

/** So many peers on a new bus, all in this process; the first one hosts, in this thread because that starts faster. */
export async function busOf<Count extends number>(
  count: Count,
  options: OpenOptions = {},
): Promise<Bus[] & { length: Count }> {
  const directory = busFolder();
  const buses: Bus[] = [];
  for (let i = 0; i < count; i += 1)
    buses.push(await joinBus(directory, { hostThread: 'inline', ...options }));
  return buses as Bus[] & { length: Count };
}
