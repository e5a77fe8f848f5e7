// The child processes of the demo: starts them, hears from them, notices one that dies, ends them all.
// A child says { ready }, { progress: bytes } and { result } over its IPC channel and hears 'run' and 'finish'
// (cue.mjs is its side). One whose channel breaks ends itself, so that none outlives the demo however it ends.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DemoFailure } from './failure.mjs';

// Closing a bus takes milliseconds; past this a child is said to hang.
const finishTimeout = 5_000;

function deferred() {
  const settle = {};
  const promise = new Promise((resolve, reject) => Object.assign(settle, { resolve, reject }));
  // Whoever waits for it sees the failure; until then nobody may, and that is no crash.
  promise.catch(() => {});
  return { promise, ...settle };
}

export class Children {
  /** Called with the name of a child and the bytes it has seen so far. */
  onProgress = () => {};
  #members = [];
  #failure = deferred();
  #environment;

  /** `signal` ends all waiting with its reason; `directory` is where the bus lives. */
  constructor({ directory, signal }) {
    this.#environment = { ...process.env, MAILSLOT_DIR: directory, MAILSLOT_BUS: 'demo' };
    const interrupt = () => this.#failure.reject(signal.reason);
    if (signal.aborted) interrupt();
    else signal.addEventListener('abort', interrupt, { once: true });
  }

  /** Starts a script of this folder and resolves when it says that it is ready. */
  async start(name, script, args = []) {
    const child = fork(fileURLToPath(new URL(script, import.meta.url)), args.map(String), {
      env: this.#environment,
      // Nothing but the table may appear on our stdout.
      stdio: ['ignore', process.stderr, process.stderr, 'ipc'],
    });
    // Not 'close', which never comes once this side has broken the channel.
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const member = { name, child, ended, ready: deferred(), result: deferred(), done: false };
    this.#members.push(member);
    child.on('message', (message) => this.#hear(member, message));
    child.once('exit', (code, signal) => this.#checkEnd(member, code, signal));
    // Sending to a child that has just died is also an error; its exit says more.
    child.on(
      'error',
      (error) => child.pid ?? this.#failure.reject(new DemoFailure(`${name}: ${error.message}`)),
    );
    await this.#unlessFailed(member.ready.promise);
  }

  /** Says 'run' to all and resolves to their results by name. */
  async run() {
    for (const { child } of this.#members) child.send('run');
    const results = Promise.all(this.#members.map(async ({ name, result }) => [name, await result.promise]));
    return new Map(await this.#unlessFailed(results));
  }

  /** kill -9: it ends without a result, and that is no failure. */
  sacrifice(name) {
    const member = this.#members.find((one) => one.name === name);
    this.#members.splice(this.#members.indexOf(member), 1);
    member.sacrificed = true;
    member.child.kill('SIGKILL');
    member.result.resolve({});
  }

  /** Lets all end in good order, the one that was started first last. */
  async dismiss() {
    for (const member of this.#members.toReversed()) {
      member.done = true;
      member.child.send('finish');
      await this.#unlessFailed(
        within(finishTimeout, member.ended, `${member.name} did not end when it was told to`),
      );
    }
  }

  /** Ends whoever is still there; resolves when nobody is. */
  async kill() {
    await Promise.all(this.#members.filter(isAlive).map(endNow));
  }

  /** Names and process ids, for a person. */
  describe() {
    return this.#members.map(({ name, child }) => `${name} ${child.pid}`).join(', ');
  }

  #hear(member, message) {
    if (message.ready) member.ready.resolve();
    if (message.progress !== undefined) this.onProgress(member.name, message.progress);
    if (message.result) member.result.resolve(message.result);
  }

  #checkEnd(member, code, signal) {
    if (member.sacrificed || (member.done && code === 0)) return;
    const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
    const when = member.done ? 'while it closed its bus' : 'before it was done';
    this.#failure.reject(new DemoFailure(`${member.name} (process ${member.child.pid}) ${how} ${when}`));
  }

  #unlessFailed(promise) {
    return Promise.race([promise, this.#failure.promise]);
  }
}

const isAlive = ({ child }) =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null;

// A broken channel makes a child clean up after itself and end; SIGKILL is for one that cannot.
async function endNow({ child, ended }) {
  if (child.connected) child.disconnect();
  await within(finishTimeout, ended, 'still there').catch(() => child.kill('SIGKILL'));
  await ended;
}

async function within(timeout, promise, failure) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new DemoFailure(failure)), timeout);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
