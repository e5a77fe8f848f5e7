// The plain relay once more, with receivers that read their messages with `for await`, as programs on this bus do: the most
// that a relay in Node could bring them. A message is a view of the chunk it came in and is made when the loop asks for it;
// nothing else is done for it, and sizes are known beforehand.
import { Tally } from '../payload.mjs';
import { dial } from './plain-relay.mjs';

export { openPublisher, openServer, unavailable } from './plain-relay.mjs';

export const lacks = ['objects', 'query', 'latency', 'join', 'memory', 'cpu', 'growth', 'stalled', 'idle'];

export async function openReceiver({ directory }) {
  const socket = await dial(directory, 'out');
  const tally = new Tally();
  const messages = new Messages();
  socket.on('data', (chunk) => messages.push(chunk));
  void readAll(messages, tally);
  return {
    arm(count, size) {
      messages.begin(size);
      tally.arm(count, size);
    },
    finished: () => tally.finished(),
    received: () => tally.received(),
  };
}

async function readAll(messages, tally) {
  for await (const message of messages) tally.noteMessage(message);
}

/**
 * The messages of one size in the chunks that come. A reader that waits for nothing else has taken all of a chunk before the
 * next one comes, so there is never more than one.
 */
class Messages {
  #size;
  #chunk;
  #at = 0;
  /** Of a message that lies in several chunks. */
  #parts = [];
  #missing = 0;
  /** Gets the next message. */
  #wake;

  begin(size) {
    this.#size = size;
  }

  push(chunk) {
    this.#chunk = chunk;
    this.#at = 0;
    const value = this.#take();
    if (value !== undefined) this.#wake({ done: false, value });
  }

  #take() {
    const chunk = this.#chunk;
    const end = this.#at + this.#size;
    if (this.#missing > 0 || end > chunk.length) return this.#takePart();
    const message = chunk.subarray(this.#at, end);
    this.#at = end;
    return message;
  }

  /** Keeps what there is of a message; returns it when it is whole. */
  #takePart() {
    if (this.#at === this.#chunk.length) return undefined;
    if (this.#missing === 0) this.#missing = this.#size;
    const part = this.#chunk.subarray(this.#at, this.#at + this.#missing);
    this.#at += part.length;
    this.#missing -= part.length;
    this.#parts.push(part);
    return this.#missing === 0 ? Buffer.concat(this.#parts.splice(0)) : undefined;
  }

  [Symbol.asyncIterator]() {
    const next = () => {
      const value = this.#chunk === undefined ? undefined : this.#take();
      if (value !== undefined) return Promise.resolve({ done: false, value });
      return new Promise((resolve) => {
        this.#wake = resolve;
      });
    };
    return { next };
  }
}
