// Runs one shell command per message: data on stdin, the subject in the environment. What its exit code means is
// for the caller to say.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { Message } from '../index.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from '../limits.js';
import type { BusFlags } from './context.js';
import { encodePlain } from './data-format.js';

/** What is kept of stderr for the error reply; guess, the last lines say what went wrong. */
const STDERR_TAIL_BYTES = 2_048;
// A group of its own lets one signal reach everything that the shell started. Windows has no such groups.
const hasProcessGroups = process.platform !== 'win32';

export interface CommandResult {
  /** The name of the signal where one ended the command. */
  exitCode: number | string;
  /** Empty unless it was captured. */
  stdout: Buffer;
  stderrTail: string;
}

export interface CommandOptions {
  /** Which bus the command is told about, so that `mailslot` inside it meets the same one. */
  flags: BusFlags;
  /** Whether stdout is collected; otherwise it is ours. */
  capture: boolean;
  /** Ends the command, and everything it started, when it aborts. */
  signal: AbortSignal;
}

export async function runCommand(
  command: string,
  message: Message,
  options: CommandOptions,
): Promise<CommandResult> {
  const { capture, signal } = options;
  signal.throwIfAborted();
  const stdio = ['pipe', capture ? 'pipe' : 'inherit', capture ? 'pipe' : 'inherit'] as const;
  const env = environment(message.subject, options.flags);
  const child = spawn(command, { shell: true, env, stdio: [...stdio], detached: hasProcessGroups });
  const stop = () => endGroup(child);
  signal.addEventListener('abort', stop, { once: true });
  try {
    feed(child, encodePlain(message.data));
    const captured = Promise.all([collect(child.stdout), keepTail(child.stderr)]);
    const ended = once(child, 'close', { signal });
    const [[stdout, stderrTail], [code, killedBy]] = await Promise.all([captured, ended]);
    return { exitCode: (code as number | null) ?? String(killedBy), stdout, stderrTail };
  } catch (error) {
    stop();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function environment(subject: string, { bus, directory }: BusFlags): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, MAILSLOT_SUBJECT: subject, MAILSLOT_BUS: bus };
  return directory === undefined ? env : { ...env, MAILSLOT_DIR: directory };
}

// A command need not read its input: the EPIPE of one that ends first is no failure.
function feed(child: ChildProcess, input: string | Uint8Array): void {
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
}

async function collect(stream: Readable | null): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream ?? []) {
    parts.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > DEFAULT_MAX_MESSAGE_BYTES) {
      throw new Error(`the command wrote more than ${DEFAULT_MAX_MESSAGE_BYTES} bytes, too much for a reply`);
    }
  }
  return Buffer.concat(parts);
}

async function keepTail(stream: Readable | null): Promise<string> {
  let tail = Buffer.alloc(0);
  for await (const chunk of stream ?? []) {
    process.stderr.write(chunk as Buffer);
    tail = Buffer.concat([tail, chunk as Buffer]).subarray(-STDERR_TAIL_BYTES);
  }
  return tail.toString().trimEnd();
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (!hasProcessGroups) child.kill();
  else killGroup(child.pid);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch (error) {
    // ESRCH: it ended by itself in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
