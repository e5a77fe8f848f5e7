// Runs the built command in processes of its own, or the same program in this one where no process matters; each test
// on a bus directory of its own.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { Output } from '../../src/cli/output.js';
import { runProgram } from '../../src/cli/program.js';

export const mainFile = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const hasProcessGroups = process.platform !== 'win32';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** What a command does that needs no process of its own. */
export type Called = Pick<Ended, 'code' | 'stdout' | 'stderr'>;

class Collector extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  text(encoding: BufferEncoding): string {
    return Buffer.concat(this.#chunks).toString(encoding);
  }
}

export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves when the process is gone and its output read. */
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    child.stdin.on('error', () => {});
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(child, 'close').then(([code, signal]) => {
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr } as Ended;
    });
  }

  /** Resolves when stderr holds `text`; rejects when the process ends without it. */
  says(text: string): Promise<void> {
    return this.#waitFor(this.child.stderr, () => this.#stderr.includes(text), text);
  }

  /** Resolves when stdout holds `text`; rejects when the process ends without it. */
  prints(text: string): Promise<void> {
    return this.#waitFor(this.child.stdout, () => this.#stdout.includes(text), text);
  }

  /** Whether stdout holds `text` by now. */
  shown(text: string): boolean {
    return this.#stdout.includes(text);
  }

  #waitFor(stream: NodeJS.ReadableStream, holds: () => boolean, text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => holds() && resolve();
      stream.on('data', look);
      look();
      void this.ended.then(({ code, stderr }) => {
        reject(new Error(`ended with ${code} before it said "${text}": ${stderr}`));
      });
    });
  }
}

/** A private directory of buses and everything that was started on it. */
export class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), 'mailslot-'));
  readonly #running: Running[] = [];

  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    return this.#spawn(process.execPath, [mainFile, ...args], env);
  }

  /** A shell script in which `mailslot` is the command. */
  shell(script: string): Promise<Ended> {
    const prefix = `mailslot() { "${process.execPath}" "${mainFile}" "$@"; };`;
    return this.#spawn('bash', ['-c', `${prefix} ${script}`], {}).ended;
  }

  run(args: readonly string[], input: string | Uint8Array = '', env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const running = this.start(args, env);
    running.child.stdin.end(input);
    return running.ended;
  }

  /**
   * The command in this process, many times faster: what it prints, and the code that it would end with. It has no stdin
   * and cannot be stopped.
   */
  async call(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Called> {
    const stdout = new Collector();
    const stderr = new Collector();
    const settings = { MAILSLOT_BUS: undefined, MAILSLOT_DIR: this.directory, ...env };
    for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
    const spies = [
      vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => stdout.write(chunk)),
      vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => stderr.write(chunk)),
    ];
    try {
      const { signal } = new AbortController();
      const output = new Output(stdout as unknown as NodeJS.WriteStream, signal, () => {});
      const code = await runProgram(args, { output, signal });
      return { code, stdout: stdout.text('latin1'), stderr: stderr.text('utf8') };
    } finally {
      for (const spy of spies) spy.mockRestore();
      vi.unstubAllEnvs();
    }
  }

  async host(): Promise<Running> {
    const host = this.start(['host']);
    await host.says('hosting bus');
    return host;
  }

  async subscribe(...args: string[]): Promise<Running> {
    const subscriber = this.start(['subscribe', ...args]);
    await subscriber.says('subscribed to');
    return subscriber;
  }

  async respond(...args: string[]): Promise<Running> {
    const responder = this.start(['respond', ...args]);
    await responder.says('responding to');
    return responder;
  }

  async close(): Promise<void> {
    for (const { child } of this.#running) {
      if (child.exitCode === null && child.signalCode === null) kill(child);
    }
    await Promise.all(this.#running.map(({ ended }) => ended));
    chmodSync(this.directory, 0o700);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #spawn(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Running {
    const { MAILSLOT_BUS: _, ...inherited } = process.env;
    const options = {
      env: { ...inherited, MAILSLOT_DIR: this.directory, ...env },
      detached: hasProcessGroups,
    };
    const child = spawn(file, args, options);
    const running = new Running(child);
    this.#running.push(running);
    return running;
  }
}

/** The JSON values of lines that were printed. */
export function jsonLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

// What a shell started must go with it: it would hold the pipes open.
function kill(child: ChildProcessWithoutNullStreams): void {
  if (hasProcessGroups && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  else child.kill('SIGKILL');
}
