// PROMISES.md S1: whatever runs on a bus opens no TCP or UDP socket. Looked at from inside the process: which of
// its descriptors are sockets of the internet tables.
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { busFolder } from '../support/scratch.js';

it.runIf(process.platform === 'linux')(
  'a hosting process with a working bus has no TCP or UDP socket',
  async () => {
    const { stdout, stderr, code } = await runProgram(
      busFolder(),
      `
    import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
    import net from 'node:net';
    const ports = () => {
      const own = readdirSync('/proc/self/fd').flatMap((fd) => {
        try { return /^socket:.(\\d+)/.exec(readlinkSync('/proc/self/fd/' + fd))?.[1] ?? []; } catch { return []; }
      });
      return ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6'].flatMap((table) => {
        let rows;
        try { rows = readFileSync('/proc/self/net/' + table, 'utf8').split('\\n').slice(1); } catch { return []; }
        return rows.map((row) => row.trim().split(/\\s+/)).filter((row) => own.includes(row[9])).map(() => table);
      });
    };
    const bus = await openBus('test', { directory });
    const other = await openBus('test', { directory });
    const slot = await other.subscribe('a');
    await bus.publish('a', 1, { confirm: true });
    await bus.peers();
    const found = ports();
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    console.log(JSON.stringify({ hosting: bus.hosting, found, control: ports() }));
    server.close();
    await other.close();
    await bus.close();
    `,
    );
    expect([stderr, code]).toEqual(['', 0]);
    // the control shows that this way of looking finds one when there is one
    expect(JSON.parse(stdout)).toEqual({ hosting: true, found: [], control: ['tcp'] });
  },
);
