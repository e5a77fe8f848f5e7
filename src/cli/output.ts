// The two ways out of the process: results on stdout with back-pressure, everything else on stderr. Colour is
// used on a terminal only.
import { once } from 'node:events';
import { styleText } from 'node:util';
import { CommandEnd, ExitCode } from './exit-codes.js';
import { orAborted } from './interruption.js';

type Style = Parameters<typeof styleText>[0];
type Stream = NodeJS.WriteStream;

// A reader that went away: EPIPE, or on Windows EOF.
const readerGone = new Set(['EPIPE', 'EOF', 'ERR_STREAM_DESTROYED']);

/** Results, on stdout. */
export class Output {
  readonly #stream: Stream;
  readonly #signal: AbortSignal;

  /** `end` is called once the stream takes nothing any more, with the error that the command ends with. */
  constructor(stream: Stream, signal: AbortSignal, end: (cause: Error) => void) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on('error', (error: NodeJS.ErrnoException) => end(endOf(error)));
  }

  /** Resolves when more may be written. */
  async write(chunk: string | Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    if (!this.#stream.write(chunk)) await once(this.#stream, 'drain', { signal: this.#signal });
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  style(style: Style, text: string): string {
    return paint(this.#stream, style, text);
  }

  /** Resolves when everything written has left the process; does not wait for it after an interruption. */
  async flush(): Promise<void> {
    if (this.#signal.aborted) return;
    // A failed write shows as error of the stream, and so aborts the signal.
    const written = new Promise<void>((resolve) => {
      this.#stream.write('', (error) => !error && resolve());
    });
    await orAborted(written, this.#signal);
  }
}

/** A line for the person in front of the terminal, on stderr. */
export function notice(text: string): void {
  process.stderr.write(`mailslot: ${text}\n`);
}

/** Like {@link notice}, for what went wrong. */
export function complain(text: string): void {
  process.stderr.write(`${paint(process.stderr, 'red', 'mailslot:')} ${text}\n`);
}

function endOf(error: NodeJS.ErrnoException): CommandEnd {
  if (readerGone.has(error.code ?? '')) return new CommandEnd(ExitCode.done);
  return new CommandEnd(ExitCode.answerFailed, `cannot write to stdout: ${error.message}`, { cause: error });
}

// Newer releases of Node check stdout whatever the text is written to, hence validateStream.
function paint(stream: Stream, style: Style, text: string): string {
  return stream.isTTY && stream.hasColors() ? styleText(style, text, { validateStream: false }) : text;
}
