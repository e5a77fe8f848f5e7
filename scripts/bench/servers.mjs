// Servers that are programs of their own: whether this machine has them, and one started on a private endpoint for a
// cell and ended with it. It knows nothing of what they speak.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** The unit of CPU times in /proc, in microseconds: USER_HZ is 100 on every Linux that Debian runs on. */
const TICK = 10_000;
const START_TIMEOUT = 10_000;

/**
 * Why a system cannot run here, and what to install; undefined when it can.
 * @param {{ command?: string, debian?: string, client?: string }} needs a server on the PATH with its Debian package,
 * and the npm package of a client
 */
export async function findMissing({ command, debian, client }) {
  if (process.platform !== 'linux') return 'its memory and CPU are read from /proc, which only Linux has';
  if (command && spawnSync(command, ['--version']).error)
    return `no ${command} on the PATH (apt-get install ${debian})`;
  const found = await import(client).then(
    () => true,
    () => false,
  );
  return found ? undefined : `no ${client} that loads (npm install --prefix scripts/bench)`;
}

/**
 * Starts a server and resolves to its role when `isReady` says so. Its memory and CPU are those of the program, not
 * of the process that started it.
 */
export async function startServer(command, args, isReady) {
  const server = spawn(command, args, { stdio: 'ignore' });
  await once(server, 'spawn');
  await untilReady(server, command, isReady);
  return {
    memory: () => ({ rss: residentBytes(server.pid) }),
    cpu: () => cpuMicroseconds(server.pid),
    async close() {
      server.kill('SIGKILL');
      await once(server, 'exit');
    },
  };
}

async function untilReady(server, command, isReady) {
  const deadline = performance.now() + START_TIMEOUT;
  while (!(await isReady())) {
    if (server.exitCode !== null) throw new Error(`${command} ended at once, with code ${server.exitCode}`);
    if (performance.now() > deadline) {
      server.kill('SIGKILL');
      throw new Error(`${command} was not ready within ${START_TIMEOUT / 1000} s`);
    }
    await wait(5);
  }
}

/** Whether somebody listens on a Unix socket. */
export function accepts(path) {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kilobytes) * 1024;
}

function cpuMicroseconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // utime and stime are fields 14 and 15; field 2 is a name in parentheses that may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}
