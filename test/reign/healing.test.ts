// Files of a bus are deleted under it: within 2 s there is one host again, and everybody is on it.
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bus } from 'mailslot';
import { expect, it } from 'vitest';
import { type ChildPeer, childPeer } from '../support/child-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

const HEALED_WITHIN = 2_000;
/** Where the roster went as well, the new host cannot know for whom its gate has to wait. */
const BLIND_GATE = 2_000;

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
async function healed(scene: Scene, epoch: number, within: number): Promise<number> {
  const start = performance.now();
  const after = await eventually(async () => {
    const [first, ...others] = await epochsOf(scene);
    return first! > epoch && others.every((other) => other === first) ? first : undefined;
  }, 'one host for all');
  expect(performance.now() - start).toBeLessThan(within);
  return after;
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

const DELETED: [string, (scene: Scene) => string[]][] = [
  ['endpoint', ({ directory }) => named(directory, /^s/)],
  ['pointer', (scene) => named(bus(scene), /^e/)],
  ['key', (scene) => [join(bus(scene), 'key')]],
  ['bus folder', (scene) => [bus(scene)]],
  ['whole directory', ({ directory }) => [directory]],
];

it('a deleted endpoint, pointer, key, folder or directory heals within 2 s: one host, everybody on it', async () => {
  const present = await scene();
  const { own, children } = present;
  const slot = await own.subscribe<string>('n');
  for (const [what, paths] of DELETED) {
    const { epoch } = own;
    for (const path of paths(present)) remove(path);
    const isBlind = what === 'bus folder' || what === 'whole directory';
    await healed(present, epoch, HEALED_WITHIN + (isBlind ? BLIND_GATE : 0));
    await children[1]!.run(({ bus }, what) => bus.publish('n', what, { confirm: true }), what);
    expect((await slot.read({ timeout: 5_000 }))?.data).toBe(what);
    const hosts = await Promise.all(children.map((child) => child.run(({ bus }) => bus.hosting)));
    expect([...hosts, own.hosting].filter(Boolean), what).toHaveLength(1);
  }
  expect(existsSync(join(bus(present), 'key'))).toBe(true);
});
