// Builds before the first test when dist is older than src: a host thread runs from one bundled file, and an old one
// beside new modules would be tested without anybody noticing.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));

export function setup(): void {
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
  if (status !== 0) throw new Error('src does not compile');
}
