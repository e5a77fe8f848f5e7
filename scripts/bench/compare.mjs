// `--compare <ref>`: builds another commit of this repository in a temporary directory and measures it beside this
// tree, in the same rounds. The ratios say what the change between the two costs; absolute numbers say nothing here.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { align, formatNumber, formatRatio, formatSpread, judge } from './report.mjs';
import { OURS } from './systems.mjs';

/** The other commit cannot be built with what is installed here. */
export class CannotBuild extends Error {}

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Measures the cases of `setup` with both builds and prints a table per case. Resolves to the numbers, and to how many
 * rows are below `failBelow` in every round: on a busy machine a single round says little.
 */
export async function compareWith({ compare: ref, failBelow, ...setup }, { runCases, progress }) {
  const directory = await mkdtemp(join(tmpdir(), 'msb-ref-'));
  try {
    await buildInto(directory, ref);
    const theirs = `${OURS}@${directory}`;
    console.log(`this tree beside ${ref}; rounds: ${setup.rounds}. Above 1.00 this tree is better.`);
    let worse = 0;
    const cases = await runCases({ ...setup, systems: [OURS, theirs], progress }, ({ title, rows }) => {
      const compared = rows.map((row) => compareRow(row, theirs));
      worse += compared.filter(({ gain }) => gain && failBelow && gain.max < failBelow).length;
      console.log(`\n${formatComparison(title, compared, ref)}`);
    });
    if (failBelow) console.log(`\n${worse} rows below ${failBelow} in every round`);
    return { results: { ref, setup, cases }, worse };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The row with both spreads and with `gain`, the ratio of ours to theirs turned so that more is better. */
export function compareRow(row, theirs) {
  const { spreads, ratios } = judge(row);
  const ratio = ratios[theirs];
  return {
    label: row.label,
    unit: row.unit,
    ours: spreads[OURS],
    theirs: spreads[theirs],
    gain: row.better === 'higher' ? ratio : invert(ratio),
  };
}

function invert(ratio) {
  return ratio && { median: 1 / ratio.median, min: 1 / ratio.max, max: 1 / ratio.min };
}

export function formatComparison(title, rows, ref) {
  const lines = rows.map(({ label, unit, ours, theirs, gain }) => [
    label,
    unit,
    formatSpread(ours, formatNumber),
    formatSpread(theirs, formatNumber),
    formatSpread(gain, formatRatio),
  ]);
  return [title, ...align([['', 'unit', 'this tree', ref, 'ratio'], ...lines])].join('\n');
}

// From an archive of the commit, which leaves nothing behind in the repository as a work tree would. The packages are
// this tree's: a commit that needs others cannot be compared.
async function buildInto(directory, ref) {
  await unpack(ref, directory);
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  const script = join(directory, 'scripts', 'build.mjs');
  if (!existsSync(script)) throw new CannotBuild(`--compare: ${ref} has no scripts/build.mjs`);
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
  if (status !== 0) throw new CannotBuild(`--compare: the build of ${ref} failed`);
}

// By way of a file. Between two processes the pipe is a race: Node destroys the stdin of a child that has exited, and
// tar may exit before the end of what was written to it is confirmed.
async function unpack(ref, directory) {
  const { status } = spawnSync('git', ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], { cwd: root });
  if (status !== 0) throw new TypeError(`--compare: git knows no commit "${ref}" here`);
  const archive = `${directory}.tar`;
  try {
    runOrThrow(ref, 'git', ['archive', '--output', archive, ref]);
    runOrThrow(ref, 'tar', ['-x', '-f', archive, '-C', directory]);
  } finally {
    await rm(archive, { force: true });
  }
}

function runOrThrow(ref, command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) {
    throw new Error(`--compare: ${command} did not unpack ${ref}: ${error?.message ?? `exit ${status}`}`);
  }
}
