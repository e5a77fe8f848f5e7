// Runs the built command in processes of its own, each test on a bus directory of its own.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const mainFile = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const hasProcessGroups = process.platform !== 'win32';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
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
