// Whole programs as a user writes them: no test machinery inside, so how they end is how they end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterwards } from './scratch.js';

const entry = pathToFileURL(fileURLToPath(new URL('../../dist/index.js', import.meta.url))).href;

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs `source` as a module with `openBus`, `startHost` and a bus folder; resolves when the process has ended. */
export async function runProgram(directory: string, source: string): Promise<Ending> {
  const prelude = `import { openBus, startHost } from ${JSON.stringify(entry)};
const directory = ${JSON.stringify(directory)};
`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', prelude + source], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  afterwards(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}
