// What the documents say about the sources is true: layout, kinds, flags, vectors, codes, files and links.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorCatalogue } from '../src/errors.js';
import { At, Flag, Kind, MIN_FRAME_BYTES } from '../src/wire/frame.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const protocol = read('docs/PROTOCOL.md');
const architecture = read('docs/ARCHITECTURE.md');

/** The first cells of the rows of every table whose head begins with this cell. */
function rowsOf(markdown: string, head: string): string[][] {
  const tables = markdown.split('\n\n').filter((block) => block.startsWith(`| ${head} |`));
  return tables.flatMap((table) =>
    table
      .trim()
      .split('\n')
      .slice(2)
      .map((row) => row.split('|').map((cell) => cell.trim()))
      .map((cells) => cells.slice(1)),
  );
}

function linesOf(markdown: string, fence: string): string[] {
  const block = new RegExp(`^\`\`\`${fence}\\n([^\`]*)\`\`\``, 'm').exec(markdown);
  return block?.[1]?.trimEnd().split('\n') ?? [];
}

describe('the drawn layout of a frame', () => {
  const drawn = linesOf(protocol, 'layout');

  it('has every field where the sources have it', () => {
    expect(fieldsIn(drawn)).toEqual({
      length: At.length,
      array: At.array,
      kind: At.kind,
      flags: At.flags,
      sender: At.sender,
      sequence: At.sequence,
      order: At.order,
      time: At.time,
      subjectLength: At.subjectLength,
      subject: At.subject,
    });
  });

  it('is the one in frame-layout.ts', () => {
    const comment = read('src/wire/frame-layout.ts')
      .split('\n')
      .filter((line) => line.startsWith('//'))
      .map((line) => line.slice(2));
    const squeezed = (lines: string[]) => lines.map((line) => line.trim().replace(/\s+/g, ' '));
    expect(drawn.length).toBeGreaterThan(5);
    expect(squeezed(comment)).toEqual(expect.arrayContaining(squeezed(drawn)));
  });

  it('has the smallest frame', () => {
    expect(protocol).toContain(`has ${MIN_FRAME_BYTES} to 67,108,864 bytes`);
  });
});

const widths: Record<string, number> = { u16: 2, u32: 4, u64: 8 };

/** Offset of each field, from lines such as ` 9  19 <flags u16>   what it is`. */
function fieldsIn(lines: string[]): Record<string, number> {
  const fields: Record<string, number> = {};
  for (const line of lines) {
    const drawn = /^ *(\d+) +((?:(?:[0-9A-F]{2}|<[a-z0-9 ]+>) ?)+)/.exec(line);
    if (drawn === null) continue;
    let at = Number(drawn[1]);
    for (const [part, name, type] of drawn[2]!.matchAll(/[0-9A-F]{2}|<([a-z]+)(?: (\w+))?>/g)) {
      if (part === '89') fields['array'] = at;
      if (name === 'length' && 'length' in fields) fields['subjectLength'] = at;
      else if (name !== undefined) fields[name] = at;
      at += name === undefined ? 1 : (widths[type ?? ''] ?? 1);
    }
  }
  return fields;
}

describe('tables of the protocol', () => {
  it('have a row for every kind, with its number', () => {
    const rows = rowsOf(protocol, 'kind');
    const found = new Map<string, Set<string>>();
    for (const [name = '', number = ''] of rows) {
      const key = name === 'ACKNOW' ? 'ack' : name.toLowerCase();
      found.set(key, (found.get(key) ?? new Set()).add(number));
    }
    for (const [name, number] of Object.entries(Kind)) {
      expect([...(found.get(name) ?? [])], name).toEqual([String(number)]);
    }
    expect([...(found.get('–') ?? [])]).toEqual(['16–19', '20–23']);
    expect(found.size).toBe(Object.keys(Kind).length + 1);
  });

  it('have a row for every flag, with its bit', () => {
    const rows = rowsOf(protocol, 'flag').map(([name, bit]) => [name, Number(bit)]);
    expect(Object.fromEntries(rows)).toEqual(Flag);
  });

  it('name only codes that exist', () => {
    const named = new Set(protocol.match(/MAILSLOT_[A-Z_]+[A-Z]/g));
    const other = ['MAILSLOT_DIR'];
    expect([...named].filter((code) => !(code in errorCatalogue) && !other.includes(code))).toEqual([]);
  });
});

describe('vectors quoted in the protocol', () => {
  type Vector = Record<string, unknown> & { name: string };
  const vectorsIn = (file: string): Vector[] => {
    const content = JSON.parse(read(`test/vectors/${file}`)) as Vector[] | Record<string, Vector[]>;
    return Array.isArray(content) ? content : [...(content['frames'] ?? []), ...(content['accepted'] ?? [])];
  };
  const quoted = [...protocol.matchAll(/^```vector (\S+) (.+)\n([^`]*)```/gm)].map(
    ([, file = '', title = '', body = '']) => ({ file, title, body }),
  );

  it('are there', () => {
    expect(quoted.length).toBeGreaterThan(20);
    expect(protocol.match(/^```vector/gm)).toHaveLength(quoted.length);
  });

  it.each(quoted)('$file: $title', ({ file, title, body }) => {
    const [name, field = 'hex'] = title.split(' / ');
    const hex = body
      .trimEnd()
      .split('\n')
      .map((line) => line.split('  ')[0]!.replaceAll(' ', ''))
      .join('');
    const vector = vectorsIn(file).find((one) => one.name === name);
    expect(hex).toBe(vector?.[field]);
  });
});

describe('ARCHITECTURE.md', () => {
  const named = [...architecture.matchAll(/`((?:src|scripts|docs|test)\/[\w./-]*)`/g)].map(
    ([, file]) => file!,
  );

  it.each([...new Set(named)])('%s exists', (file) => {
    expect(existsSync(join(root, file))).toBe(true);
  });

  it('names every folder of src', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((one) =>
      one.isDirectory(),
    );
    for (const { name } of folders) expect(architecture).toContain(`| \`src/${name}/\` |`);
  });

  it('says what stays true', () => {
    expect(architecture.match(/^- Invariant: /gm)?.length).toBeGreaterThan(10);
  });
});

describe('links', () => {
  const documents = markdownFiles(root).map((file) => relative(root, file));

  it.each(documents)('of %s lead somewhere', (file) => {
    const broken = linksIn(read(file)).filter((target) => !leadsSomewhere(file, target));
    expect(broken).toEqual([]);
  });
});

function markdownFiles(folder: string): string[] {
  return ['.', 'docs', 'docs/decisions', 'docs/guide', 'test/vectors'].flatMap((name) => {
    const path = join(folder, name);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((entry) => entry.endsWith('.md'))
      .map((entry) => join(path, entry));
  });
}

function linksIn(markdown: string): string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

function leadsSomewhere(from: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? join(root, from) : resolve(root, dirname(from), path);
  if (!existsSync(file)) return false;
  return anchor === undefined || anchorsIn(readFileSync(file, 'utf8')).includes(anchor);
}

/** Anchors as GitHub makes them of headings. */
function anchorsIn(markdown: string): string[] {
  const headings = [...markdown.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)];
  return headings.map(([, text]) =>
    text!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
