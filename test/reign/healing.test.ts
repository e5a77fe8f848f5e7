// Files of a bus are deleted under it: within 2 s there is another host, and everybody is on it. The long form is in
// scripts/torture/deleted.ts.
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Bus } from 'mailslot';
import { expect, it } from 'vitest';
import { type ChildPeer, childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

const HEALED_WITHIN = 2_000;
/** For a machine that is busy with other tests. */
const ALLOWANCE = 1_000;

interface Scene {
  directory: string;
  children: ChildPeer[];
  own: Bus;
}

/** A host process, another peer process, and a Bus here. */
async function scene(): Promise<Scene> {
  const directory = busFolder();
  const host = await childPeer(directory);
  const guest = await childPeer(directory);
  return { directory, children: [host, guest], own: await joinBus(directory) };
}

const epochsOf = async ({ children, own }: Scene): Promise<number[]> => {
  const others = await Promise.all(
    children.map((child) => child.run(({ bus }) => (bus.state === 'connected' ? bus.epoch : 0))),
  );
  return [...others, own.state === 'connected' ? own.epoch : 0];
};

/** Resolves when all are on one host of a later epoch; fails when that takes longer than promised. */
async function healed(scene: Scene, epoch: number): Promise<void> {
  const start = performance.now();
  await eventually(() => highestEpoch(scene) > epoch, 'another host');
  expect(performance.now() - start).toBeLessThan(HEALED_WITHIN);
  await eventually(async () => {
    const [first, ...others] = await epochsOf(scene);
    return first! > epoch && others.every((other) => other === first);
  }, 'one host for all');
  expect(performance.now() - start).toBeLessThan(HEALED_WITHIN + ALLOWANCE);
}

const bus = ({ directory }: Scene) => join(directory, 'b-test');
const named = (folder: string, pattern: RegExp) =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));

// In one step, as far as others can see: they make it anew while it is still being emptied.
function remove(path: string): void {
  const aside = `${path}.gone`;
  renameSync(path, aside);
  rmSync(aside, { recursive: true });
}

/** Of the pointers that name a host; the first one of a folder does not. */
function highestEpoch(scene: Scene): number {
  const pointers = existsSync(bus(scene)) ? named(bus(scene), /^e/) : [];
  const filled = pointers.filter((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0);
  return Math.max(0, ...filled.map((path) => Number(basename(path).slice(1))));
}

const DELETED: [string, (scene: Scene) => string[]][] = [
  ['endpoint', ({ directory }) => named(directory, /^s/)],
  ['pointer', (scene) => named(bus(scene), /^e/)],
  ['key', (scene) => [join(bus(scene), 'key')]],
  ['bus folder', (scene) => [bus(scene)]],
  ['whole directory', ({ directory }) => [directory]],
];

it('a deleted endpoint, pointer, key, folder or directory: within 2 s another host and everybody on it', async () => {
  const present = await scene();
  const { own, children } = present;
  const slot = await own.subscribe<string>('n');
  for (const [what, paths] of DELETED) {
    const { epoch } = own;
    for (const path of paths(present)) remove(path);
    await healed(present, epoch);
    await children[1]!.run(({ bus }, what) => bus.publish('n', what, { confirm: true }), what);
    expect((await slot.read({ timeout: 5_000 }))?.data).toBe(what);
    const hosts = await Promise.all(children.map((child) => child.run(({ bus }) => bus.hosting)));
    expect([...hosts, own.hosting].filter(Boolean), what).toHaveLength(1);
  }
  expect(existsSync(join(bus(present), 'key'))).toBe(true);
}, 60_000);
