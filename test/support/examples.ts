// The examples of a page, and how they are run: each program in a process of its own, in a project in which
// `mailslot` is installed, as a reader would have it. docs/guide/README.md has the convention.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { makeFolder } from './scratch.js';
import { eventually } from './waiting.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = /\.(?:mjs|ts|sh)$/;
const BLOCK = /^```(\w+) (\S+)\n([\s\S]*?)^```$/gm;

export interface Program {
  readonly file: string;
  readonly source: string;
  /** What it prints; undefined when the page does not say. */
  readonly output: string | undefined;
  /** Whether another program of the example imports it: then it is not run by itself. */
  readonly isModule: boolean;
}

/** Programs that run together on one bus: those under one heading. */
export interface Example {
  readonly title: string;
  readonly programs: readonly Program[];
}

export function examplesIn(markdown: string): Example[] {
  return sectionsOf(markdown)
    .map(({ title, body }) => ({ title, programs: programsIn(body) }))
    .filter(({ programs }) => programs.length > 0);
}

/** The text below each heading, code with # in it left whole. */
function sectionsOf(markdown: string): { title: string; body: string }[] {
  const sections = [{ title: '', body: '' }];
  let isCode = false;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) isCode = !isCode;
    if (!isCode && /^#+ /.test(line)) sections.push({ title: line.replace(/^#+ /, ''), body: '' });
    else sections.at(-1)!.body += `${line}\n`;
  }
  return sections;
}

function programsIn(body: string): Program[] {
  const blocks = [...body.matchAll(BLOCK)].map(([, language = '', title = '', text = '']) => ({
    language,
    title,
    text,
  }));
  const outputs = new Map(
    blocks.filter(({ language }) => language === 'text').map(({ title, text }) => [title, text]),
  );
  const files = blocks.filter(({ language, title }) => language !== 'text' && PROGRAM.test(title));
  const isImported = (file: string) => {
    const name = file.replace(/\.\w+$/, '');
    return files.some(({ text }) => new RegExp(`from '\\./${name}\\.`).test(text));
  };
  return files.map(({ title, text }) => ({
    file: title,
    source: text,
    output: outputs.get(title),
    isModule: isImported(title),
  }));
}

/** A folder with these programs, in which the package and what else they import can be found. */
export function makeProject(programs: readonly Program[]): { path: string; remove(): void } {
  const folder = makeFolder();
  const modules = join(folder.path, 'node_modules');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  symlinkSync(root, join(modules, 'mailslot'), 'junction');
  const bin = join(modules, '.bin', 'mailslot');
  writeFileSync(bin, `#!/bin/sh\nexec node '${join(root, 'dist/cli/main.js')}' "$@"\n`, { mode: 0o755 });
  writeFileSync(join(folder.path, 'package.json'), '{"type":"module"}');
  for (const { file, source } of programs) writeFileSync(join(folder.path, file), source);
  for (const name of importedBy(programs)) install(name, modules);
  return folder;
}

/** Packages that these programs import beside `mailslot`. */
function importedBy(programs: readonly Program[]): Set<string> {
  const specifiers = programs.flatMap(({ source }) => [...source.matchAll(/from '([^.'][^']*)'/g)]);
  const names = specifiers.map(([, specifier = '']) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)![0]);
  return new Set(names.filter((name) => name !== 'mailslot' && !name.startsWith('node:')));
}

export function install(name: string, modules: string): void {
  mkdirSync(dirname(join(modules, name)), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction');
}

/** What a program printed, and how it ended. */
export interface Outcome {
  readonly file: string;
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined when it had to be stopped. */
  readonly code: number | null | undefined;
}

/**
 * Starts the programs one after the other, each when the one before has printed a line or ended, and waits until
 * the last one has ended and the others have printed what they should; those that still run then are stopped.
 */
export async function runExample({ programs }: Example): Promise<Outcome[]> {
  const project = makeProject(programs);
  const running: Running[] = [];
  try {
    for (const program of programs.filter(({ isModule }) => !isModule)) {
      const started = new Running(program, project.path);
      running.push(started);
      await started.begun();
    }
    await running.at(-1)!.ended();
    await Promise.all(running.map((program) => program.finished()));
    return running.map((program) => program.outcome);
  } finally {
    for (const program of running) await program.stop();
    project.remove();
  }
}

class Running {
  readonly #program: Program;
  readonly #process: ChildProcess;
  #stdout = '';
  #stderr = '';
  #isOver = false;

  constructor(program: Program, folder: string) {
    this.#program = program;
    const { file } = program;
    const [command, ...args] = commandFor(file);
    const PATH = `${join(folder, 'node_modules/.bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    this.#process = spawn(command!, args, {
      cwd: folder,
      env: { ...process.env, PATH, MAILSLOT_DIR: join(folder, 'bus'), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // a shell and what it has started are stopped together
      detached: isShell(file),
    });
    this.#process.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#process.once('close', () => {
      this.#isOver = true;
    });
  }

  get outcome(): Outcome {
    const { exitCode, signalCode } = this.#process;
    const code = exitCode ?? (signalCode === null ? undefined : null);
    return { file: this.#program.file, stdout: this.#stdout, stderr: this.#stderr, code };
  }

  /** It has said something; where its output is for others, as in a shell, that it is ready goes to stderr. */
  async begun(): Promise<void> {
    await this.#reaches(() => this.#stdout + this.#stderr !== '', 'the first line');
  }

  async ended(): Promise<void> {
    await this.#reaches(() => false, 'the end');
  }

  async finished(): Promise<void> {
    const lines = this.#program.output?.split('\n').length ?? 0;
    await this.#reaches(() => this.#stdout.split('\n').length >= lines, 'all of the output');
  }

  async stop(): Promise<void> {
    if (this.#isOver) return;
    if (isShell(this.#program.file)) killGroup(this.#process.pid!);
    else this.#process.kill('SIGKILL');
    await this.ended();
  }

  async #reaches(isThere: () => boolean, what: string): Promise<void> {
    try {
      await eventually(() => this.#isOver || isThere(), what);
    } catch (cause) {
      const { file, stdout, stderr } = this.outcome;
      throw new Error(`${file} does not come to ${what}; it printed:\n${stdout}${stderr}`, { cause });
    }
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // the last of them has ended by itself in this moment
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isShell(file: string): boolean {
  return file.endsWith('.sh');
}

function commandFor(file: string): string[] {
  if (isShell(file)) return ['sh', '-e', file];
  if (file.endsWith('.mjs')) return [process.execPath, file];
  const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href;
  return [process.execPath, '--import', tsx, file];
}

/** Whether a program printed what its page says, in which `…` stands for any text within a line. */
export function isAsStated(stdout: string, stated: string): boolean {
  const parts = stated.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^\\n]*')}$`).test(stdout);
}
