// The import check is alive: it finds what is planted, and nothing where there is nothing to find.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { findBreaches } from '../scripts/check-imports.mjs';

const script = fileURLToPath(new URL('../scripts/check-imports.mjs', import.meta.url));
const roots: string[] = [];

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

/** A source tree that consists of these files. */
function plant(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'mailslot-imports-'));
  roots.push(root);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, 'src', file)), { recursive: true });
    writeFileSync(join(root, 'src', file), text);
  }
  return root;
}

const breachesOf = (file: string, text: string) =>
  findBreaches(plant({ [file]: text })).map(
    (breach) => `${breach.file}:${breach.line}: ${breach.what}: ${breach.why}`,
  );

test('the script prints each breach with its line and fails', () => {
  const root = plant({
    'host/relay.ts': "// a comment\nimport { Bus } from '../peer/bus.js';\n",
    'util/a.ts': '',
  });
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  expect(stderr).toMatch(
    /^src\/host\/relay\.ts:2: imports '\.\.\/peer\/bus\.js': host\/ may import [^\n]*\n$/,
  );
  expect(status).toBe(1);
});

const refused: [title: string, file: string, text: string, breach: RegExp][] = [
  [
    'a host that knows peers',
    'host/relay.ts',
    "\nimport { Bus } from '../peer/bus.js';",
    /^src\/host\/relay\.ts:2: imports '\.\.\/peer\/bus\.js': host\/ may import/,
  ],
  [
    'a peer that knows the host',
    'peer/bus.ts',
    "import type { Host } from '../host/host.js';",
    /:1: imports .*peer\/ may import/,
  ],
  [
    'a lower layer that reaches up',
    'wire/frame.ts',
    "export * from '../transport/pipe.js';",
    /:1: .*wire\/ may import util\/, not transport\//,
  ],
  [
    'an import over several lines',
    'util/a.ts',
    "import {\n  a,\n  b,\n} from '../wire/frame.js';",
    /:1: .*util\/ may import no other folder/,
  ],
  ['a dynamic import', 'util/a.ts', "const a = await import('../wire/frame.js');", /:1: .*not wire\//],
  ['an import for its effects', 'util/a.ts', "import '../wire/frame.js';", /:1: .*not wire\//],
  ['a leaf that imports', 'limits.ts', "import { a } from './errors.js';", /a leaf imports nothing/],
  [
    'a layer that builds on the whole',
    'peer/bus.ts',
    "import { openBus } from '../open-bus.js';",
    /only cli\/ builds on/,
  ],
  ['a folder nobody placed', 'misc/a.ts', "import { a } from '../util/a.js';", /misc\/ has no place/],
  [
    'a socket outside transport',
    'host/relay.ts',
    "import { connect } from 'node:net';",
    /only transport\/ knows sockets/,
  ],
  ['a network server', 'transport/a.ts', "import { createServer } from 'node:http';", /no TCP or UDP/],
  [
    'a package that only the tests use',
    'wire/values.ts',
    "import { Encoder } from 'cbor-x';",
    /neither a node: module/,
  ],
  ['an unlisted package', 'peer/bus.ts', "import debug from 'debug';", /neither a node: module/],
  [
    'randomness',
    'transport/key.ts',
    "import { createHash, randomBytes } from 'node:crypto';",
    /come from a Clock/,
  ],
  ['all of node:crypto', 'transport/key.ts', "import * as crypto from 'node:crypto';", /imported by names/],
  [
    'a proof outside the handshake',
    'host/session.ts',
    "import { createHmac } from 'node:crypto';",
    /only the handshake/,
  ],
  ['a timer', 'peer/bus.ts', 'const timer = setTimeout(() => {}, 5);', /:1: uses setTimeout: /],
  ['the wall clock', 'peer/bus.ts', '// now\nconst now = Date.now();', /:2: uses Date\.now: /],
  ['a date of now', 'peer/bus.ts', 'const now = new Date();', /uses new Date/],
  [
    'time in a template',
    'peer/bus.ts',
    'const a = `${"}"} at ${{ b: performance.now() }}`;',
    /uses performance/,
  ],
  ['the console', 'host/relay.ts', "if (a) console.log('hello');", /uses console: only cli\//],
  ['standard output', 'peer/bus.ts', "process.stdout.write('hello');", /uses process\.stdout/],
  ['ending the process', 'peer/bus.ts', 'process.exit(1);', /uses process\.exit/],
];

test.each(refused)('%s is refused', (_title, file, text, breach) => {
  expect(breachesOf(file, text)).toEqual([expect.stringMatching(breach)]);
});

const allowed: [title: string, file: string, text: string][] = [
  [
    'a layer on those below',
    'host/relay.ts',
    "import { Kind } from '../wire/frame.js';\nimport { a } from './a.js';",
  ],
  ['leaves, from anywhere', 'util/a.ts', "import { MailslotError } from '../errors.js';"],
  [
    'the assembly',
    'open-bus.ts',
    "import { Bus } from './peer/bus.js';\nimport { Host } from './host/host.js';",
  ],
  ['the command line', 'cli/main.ts', "import { openBus } from '../index.js';\nconsole.log(process.argv);"],
  [
    'the clock',
    'util/clock.ts',
    "import { randomBytes } from 'node:crypto';\nsetTimeout(() => {}, Date.now());",
  ],
  ['a date of a given time', 'peer/bus.ts', 'const date = new Date(time);'],
  ['properties of those names', 'peer/bus.ts', 'this.#clock.setTimeout(performance); message.console();'],
  [
    'words in comments',
    'util/a.ts',
    "// import { a } from '../wire/frame.js'; Date.now()\n/* setTimeout(\n console */",
  ],
  [
    'words in literals',
    'util/a.ts',
    "const a = ['Date.now()', `console ${1} setTimeout`, /console\\/Math.random/g];",
  ],
];

test.each(allowed)('%s pass', (_title, file, text) => {
  expect(breachesOf(file, text)).toEqual([]);
});
