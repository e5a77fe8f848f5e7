// Child processes of the bench and calls into them. What a child does is in worker.mjs; what it runs is up to the
// system it was started for.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const workerPath = fileURLToPath(new URL('./worker.mjs', import.meta.url));

/** Longest time for any one call: a cell that hangs must not hang the bench. */
const CALL_TIMEOUT = 30_000;
const STOP_GRACE = 2_000;

/** One child process that has one role (server, publisher, receiver, …) of one system. */
export class Worker {
  #child;
  #waiting = new Map();
  #lastCall = 0;
  #exited;

  /** @param {string} system file name in systems/, without extension */
  constructor(system, { execArgv = [] } = {}) {
    this.#child = fork(workerPath, [system], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (answer) => this.#settle(answer));
    this.#exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#exited.then((code) => this.#rejectAll(new Error(`a ${system} process ended with code ${code}`)));
  }

  /** Starts a process and gives it its role: calls `opener` of the system's module with `options`. */
  static async open(system, opener, options, forkOptions) {
    const worker = new Worker(system, forkOptions);
    try {
      await worker.call('open', opener, options);
      return worker;
    } catch (error) {
      await worker.stop();
      throw error;
    }
  }

  /** Calls a method of the worker, or else of its role, and resolves to what that returns. */
  call(method, ...parameters) {
    const id = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${method} gave no answer within ${CALL_TIMEOUT / 1000} s`));
      }, CALL_TIMEOUT);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#child.send({ id, method, parameters });
    });
  }

  /** Stops it where it is, without asking. */
  suspend() {
    this.#child.kill('SIGSTOP');
  }

  /** Lets go of the process, which then ends by itself, or is killed when it is too busy to. */
  async stop() {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_GRACE);
    await this.#exited;
    clearTimeout(timer);
  }

  #settle({ id, result, error }) {
    const waiter = this.#waiting.get(id);
    if (!waiter) return;
    this.#waiting.delete(id);
    clearTimeout(waiter.timer);
    if (error === undefined) waiter.resolve(result);
    else waiter.reject(new Error(error));
  }

  #rejectAll(error) {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}

/** Workers that end together: what was opened here is stopped when `use` returns or throws. */
export async function withWorkers(use) {
  const opened = [];
  const open = async (...parameters) => {
    const worker = await Worker.open(...parameters);
    opened.push(worker);
    return worker;
  };
  try {
    return await use(open);
  } finally {
    await Promise.all(opened.map((worker) => worker.stop()));
  }
}
