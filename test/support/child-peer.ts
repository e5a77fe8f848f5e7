// A peer in a process of its own, told what to do by functions that are sent to it as text: they may use their
// two arguments and globals, and nothing else of the test.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type * as mailslot from 'mailslot';
import { afterwards } from './scratch.js';

const program = fileURLToPath(new URL('./child-main.mjs', import.meta.url));

/** What a task in the child can use. */
export interface ChildTools {
  bus: mailslot.Bus;
  mailslot: typeof mailslot;
  /** Stays from task to task. */
  kept: {
    slot: mailslot.Slot<unknown>;
    responder: mailslot.Responder;
    pending: Promise<unknown>;
    notes: unknown[];
    stop: boolean;
  };
}

type Answer = { id: number; output: unknown } | { id: number; error: { message: string; code?: string } };

export class ChildPeer {
  readonly id: string;
  /** Resolves when the process is gone. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  constructor(process: ChildProcess, id: string) {
    this.#process = process;
    this.id = id;
    this.exited = new Promise((resolve) => {
      process.once('exit', (code, signal) => {
        this.#giveUp(`the child ended with ${code ?? signal}`);
        resolve({ code, signal });
      });
    });
    process.on('message', (answer: Answer) => this.#waiting.get(answer.id)?.(answer));
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Carries out `task` there; resolves to what it returns. */
  run<Output, Input>(
    task: (tools: ChildTools, input: Input) => Output | Promise<Output>,
    input?: Input,
  ): Promise<Awaited<Output>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (answer) => {
        this.#waiting.delete(id);
        if ('error' in answer) reject(Object.assign(new Error(answer.error.message), answer.error));
        else resolve(answer.output as Awaited<Output>);
      });
      this.#process.send({ id, source: task.toString(), input });
    });
  }

  /** kill -9 */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.exited;
  }

  suspend(): void {
    this.#process.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.kill('SIGCONT');
  }

  #giveUp(message: string): void {
    for (const [id, settle] of [...this.#waiting]) settle({ id, error: { message } });
  }
}

/** Starts a process that joins the bus `test` of this folder. */
export async function childPeer(directory: string, options: mailslot.OpenOptions = {}): Promise<ChildPeer> {
  const child = fork(program, [JSON.stringify({ directory, options })], { serialization: 'advanced' });
  afterwards(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  const { ready } = await new Promise<{ ready: string }>((resolve, reject) => {
    child.once('message', (message) => resolve(message as { ready: string }));
    child.once('exit', (code) => reject(new Error(`the child ended with ${code} before it joined`)));
  });
  return new ChildPeer(child, ready);
}
