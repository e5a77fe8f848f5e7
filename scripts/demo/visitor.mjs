// Runs visitor.sh, in a process group of its own that ends with this process, and checks what it says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { deliver, leave, onAbandoned, ready } from './cue.mjs';
import { readLines } from './lines.mjs';

const script = fileURLToPath(new URL('visitor.sh', import.meta.url));
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

// Line 1000, or the last of a shorter file; of an empty one its first line, which nobody has.
async function chooseLine(path) {
  let number = 0;
  let line = null;
  for await (const bytes of readLines(path)) {
    line = bytes.toString();
    if (++number === 1000) break;
  }
  return { number: Math.max(number, 1), line };
}

async function runScript(...args) {
  const child = spawn('sh', [script, ...args], {
    env: { ...process.env, MAILSLOT_NODE: process.execPath, MAILSLOT_CLI: cli },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let running = true;
  onAbandoned(() => running && process.kill(-child.pid, 'SIGKILL'));
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  running = false;
  if (code !== 0)
    throw new Error(`visitor.sh ended with ${signal ?? `exit code ${code}`}; it said: ${output}`);
  return output;
}

const { number, line } = await chooseLine(process.argv[2]);
await ready();

const begin = performance.now();
const output = await runScript(String(number));
const seconds = (performance.now() - begin) / 1000;
const values = output
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));
const [receipt, reply] = values.slice(-2);
const answered = values.length === 5 && receipt.receivers === 1 && reply === line;
await deliver({ messages: values.length, bytes: output.length, seconds, answered });
leave();
