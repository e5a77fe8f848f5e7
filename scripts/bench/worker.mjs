// Entry of every child process of the bench: loads one system, opens one role of it and answers the driver's
// calls over the IPC channel. It measures its own process, and leaves everything else to the role.
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { rolesOf } from './roles.mjs';
import { loadSystem } from './systems.mjs';

const system = await loadSystem(process.argv[2]);
let role;

const ownMethods = {
  async open(opener, options) {
    role = await (system[opener] ?? rolesOf(system)[opener])(options);
  },

  /** Resident and collected heap bytes. Needs --expose-gc. */
  async memory() {
    for (let pass = 0; pass < 3; pass++) {
      global.gc();
      await nextTurn();
    }
    if (role?.memory) return role.memory();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heap: heapUsed + external };
  },

  /** Microseconds of CPU used since the process started. */
  cpuSoFar: () => (role?.cpu ?? ownCpu)(),

  /** Microseconds of CPU this process used in `duration` ms that begin after the call itself has faded. */
  async cpu(duration) {
    await wait(500);
    const read = role?.cpu ?? ownCpu;
    const before = read();
    await wait(duration);
    return read() - before;
  },
};

function ownCpu() {
  const { user, system: kernel } = process.cpuUsage();
  return user + kernel;
}

async function answer({ id, method, parameters }) {
  try {
    const target = method in ownMethods ? ownMethods : role;
    send({ id, result: await target[method](...parameters) });
  } catch (error) {
    send({ id, error: error?.stack ?? String(error) });
  }
}

// With a callback, a driver that has let go in the meantime is no uncaught error.
function send(message) {
  process.send?.(message, () => {});
}

process.on('message', answer);
// Also when the driver was killed: nothing of the bench outlives it.
process.on('disconnect', async () => {
  await role?.close?.();
  process.exit();
});
