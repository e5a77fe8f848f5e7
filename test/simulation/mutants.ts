// Known bugs, to be planted one at a time in the compiled package: what the simulator and the checker must find. Each
// is a replacement of text that has to be there exactly once, so that a mutant that has gone out of date is noticed.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

export interface Mutant {
  /** The bug, as one would report it. */
  name: string;
  edits: readonly Edit[];
  /**
   * Where simulated runs begin; default 1. Of bugs that are found late from there: one that finds them, since dozens of
   * runs of each of them were most of what looking for all of them took.
   */
  firstSeed?: number;
  /** Whether elections are to find it, not simulated runs. */
  elections?: boolean;
}

interface Edit {
  /** In the compiled package. */
  file: string;
  find: string;
  replace: string;
}

const one = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ file, find, replace }],
});

export const MUTANTS: readonly Mutant[] = [
  one('forgets deduplication', 'peer/inbox.js', 'return this.#dropDuplicate(from);', ';'),
  one(
    'forgets after a take-over what was read before',
    'peer/inbox.js',
    'record.acknowledged = 0;\n            this.#schedule(record);',
    'record.acknowledged = 0;\n            record.read = 0;',
  ),
  one('settles too early', 'host/sender.js', 'if (pair.acknowledged < least)', 'if (false)'),
  {
    ...one(
      'acknowledges before messages are taken',
      'peer/inbox.js',
      'const upTo = this.#takenUpTo(record);',
      'const upTo = record.read;',
    ),
    firstSeed: 19,
  },
  one('confirms at once', 'peer/publisher.js', 'await awaited', '{ receivers: 1, order: 0 }'),
  {
    name: 'resends with new sequences',
    edits: [
      {
        file: 'peer/slab.js',
        find: 'readFlags(this.bytes, at) | Flag.resent);',
        replace:
          'readFlags(this.bytes, at) | Flag.resent);\nwriteU16(this.bytes, at + At.sequence + 6, ++this.last);',
      },
    ],
  },
  one(
    'does not resend',
    'peer/slab.js',
    'this.sent = this.start;\n        this.#isRewound',
    'this.#isRewound',
  ),
  {
    name: 'resends after new messages',
    firstSeed: 17,
    edits: [
      { file: 'peer/bus.js', find: 'this.#outbox.rewind();\n', replace: '\n' },
      {
        file: 'peer/bus.js',
        find: 'this.#connection.session?.flush();\n        this.#asker',
        replace:
          'this.#connection.session?.flush();\nthis.#outbox.rewind();\nthis.#connection.session?.flush();\n        this.#asker',
      },
    ],
  },
  {
    ...one(
      'resends without the flag',
      'peer/slab.js',
      'readFlags(this.bytes, at) | Flag.resent',
      'readFlags(this.bytes, at)',
    ),
    firstSeed: 39,
  },
  one('drops the gap marker of an overflow', 'peer/slot.js', 'this.#noteInFront(dropped);', ''),
  one(
    'counts an overflow twice',
    'peer/slot.js',
    'this.#noteInFront(dropped);',
    'this.#noteInFront(2 * dropped);',
  ),
  {
    ...one(
      'drops the gap of a stalled peer',
      'host/stalls.js',
      'gapFrame(hostId, id, missed)',
      'gapFrame(hostId, id, 0)',
    ),
    firstSeed: 22,
  },
  { ...one('does not tell who is late', 'host/joining.js', 'if (isLate)', 'if (false)'), firstSeed: 19 },
  one('opens the gate early', 'host/gate.js', 'if (this.#isComplete || now >= this.#giveUpAt)', 'if (true)'),
  one(
    'opens the gate without looking who came',
    'host/gate.js',
    'return this.#missing.size === 0;',
    'return true;',
  ),
  one(
    'does not note who is on the bus',
    'host/gate.js',
    'if (this.isOpen)\n            this.#options.roster.joined(entryOf(attendant));',
    'if (this.isOpen) {}',
  ),
  {
    ...one('lets orders fall over epochs', 'host/joining.js', 'orders.raise(join.highestOrder);', ''),
    firstSeed: 26,
  },
  one(
    'sends queries again',
    'peer/asker.js',
    'if (open.sent)\n                this.#finish(open, lostWithLink(open.question), false);',
    'this.#unsent.set(open.id, open);',
  ),
  one(
    'reads into memory that is still being written',
    'host/relay.js',
    'this.#endTurn(() => {\n            session.pipe.recycle(chunk);',
    'this.#endTurn();\n        [0].forEach(() => {\n            session.pipe.recycle(chunk);',
  ),
  one(
    'loses what a peer owes when it goes',
    'host/sender.js',
    'this.#pairs.delete(session);\n        session.owes.delete(this);',
    'session.owes.delete(this);',
  ),
  {
    ...one(
      'forgets over a take-over who owns a name',
      'host/claims.js',
      'this.#takeBack(session, name, token);',
      ';',
    ),
    firstSeed: 6,
  },
  {
    ...one('frees the names of who is away at once', 'host/claims.js', 'now - since >= CLAIM_GRACE', 'true'),
    firstSeed: 361,
  },
  one(
    'gives tokens twice',
    'host/services.js',
    'nextToken: () => options.nextToken(),',
    'nextToken: () => 7,',
  ),
  {
    ...one(
      'grants tokens of which only owner and host know',
      'host/relay.js',
      'this.#gate?.reached(token);',
      ';',
    ),
    firstSeed: 1_395,
  },
  {
    ...one(
      'gives the messages of a run one order',
      'host/forwarding.js',
      'this.#orders.last += count;\n        sender.relayed = last;',
      'this.#orders.last += 1;\n        sender.relayed = last;',
    ),
    firstSeed: 11,
  },
  one(
    'sends one receiver a run behind the run after it',
    'host/session.js',
    'this.#parts.push(part);',
    'if (this.held === undefined && part.length > 400) this.held = Buffer.from(part);\nelse { this.#parts.push(part); if (this.held) this.#parts.push(this.held); this.held = undefined; }',
  ),
  {
    ...one(
      'lets a publish pass those that wait longer',
      'peer/outbox.js',
      'this.#waiting.push(waiting);',
      'this.#waiting.unshift(waiting);',
    ),
    firstSeed: 20,
  },
  one(
    'removes the file of a message when it is sent',
    'peer/slab.js',
    'if (!filed?.isBatch)',
    'if (filed?.isBatch === false)\n            filed.file.remove();\n        if (!filed?.isBatch)',
  ),
  one(
    'removes the file of a batch when it is sent',
    'peer/slab.js',
    'queue.push(referenceFrame(',
    'file.remove();\n        queue.push(referenceFrame(',
  ),
  {
    ...one(
      'unlinks the pointer on start',
      'transport/epochs.js',
      'if (highestOf(readdirSync(bus.path)) >= pointer.epoch)\n        return false;',
      'await remove(pointerPath(bus, pointer.epoch), clock);',
    ),
    elections: true,
  },
  {
    ...one(
      'skips the fence',
      'transport/epochs.js',
      'if (highestOf(readdirSync(bus.path)) !== pointer.epoch)\n        return false;\n    if (!readFileSync',
      'return true;\n    if (!readFileSync',
    ),
    elections: true,
  },
  {
    ...one(
      'takes an epoch that somebody else has',
      'transport/private-file.js',
      "(await unless(['EEXIST'], () => patiently(clock, linkDraft))) ?? false",
      "(await unless(['EEXIST'], () => patiently(clock, linkDraft))) ?? true",
    ),
    elections: true,
  },
];

/** Bugs of order, which runs of long bursts are to find too, and soon. */
export const FOUND_IN_BULK: readonly string[] = [
  'gives the messages of a run one order',
  'sends one receiver a run behind the run after it',
];

/** The modules that are looked at; they bring along the others. */
const ENTRIES = [
  'host/gate.js',
  'host/relay.js',
  'peer/bus.js',
  'transport/bus-directory.js',
  'transport/bus-key.js',
  'transport/reign.js',
];

/**
 * Plants a bug in the compiled package of `root`, of which those modules are written to `folder/dist`; returns that path.
 * They are bundled: to copy and load every module by itself took longer than to find most of the bugs.
 */
export async function plant({ edits }: Mutant, root: string, folder: string): Promise<string> {
  const from = join(root, 'dist');
  const to = join(folder, 'dist');
  const edited = textsWith(edits, from);
  await build({
    entryPoints: ENTRIES.map((file) => join(from, file)),
    outbase: from,
    outdir: to,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    plugins: [
      {
        name: 'plant',
        setup: ({ onLoad }) =>
          onLoad({ filter: /\.js$/ }, ({ path }) => {
            const contents = edited.get(path);
            return contents === undefined ? undefined : { contents };
          }),
      },
    ],
  });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  return to;
}

/** By path: the modules that are edited. */
function textsWith(edits: readonly Edit[], dist: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const path = join(dist, file);
    const pieces = (texts.get(path) ?? readFileSync(path, 'utf8')).split(find);
    if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times, not once: ${find}`);
    texts.set(path, pieces.join(replace));
  }
  return texts;
}
