// The plain relay once more, with receivers that hand each message to a function, as those of every other system do: what
// is left of the practical limit for a program that wants its messages one by one. Nothing more is done for it: a message is
// a view of the chunk it came in, and sizes are known beforehand.
import { Tally } from '../payload.mjs';
import { dial } from './plain-relay.mjs';

export { openPublisher, openServer, unavailable } from './plain-relay.mjs';

export const lacks = ['objects', 'query', 'latency', 'join', 'memory', 'cpu', 'growth', 'stalled', 'idle'];

export async function openReceiver({ directory }) {
  const socket = await dial(directory, 'out');
  const tally = new Tally();
  const splitter = new Splitter((message) => tally.noteMessage(message));
  socket.on('data', (chunk) => splitter.push(chunk));
  return {
    arm(count, size) {
      splitter.begin(size);
      tally.arm(count, size);
    },
    finished: () => tally.finished(),
    received: () => tally.received(),
  };
}

/** Cuts chunks into messages of one size; one that lies in several chunks is put together. */
class Splitter {
  #onMessage;
  #size;
  #parts = [];
  #missing = 0;

  constructor(onMessage) {
    this.#onMessage = onMessage;
  }

  begin(size) {
    this.#size = size;
    this.#parts = [];
    this.#missing = 0;
  }

  push(chunk) {
    const size = this.#size;
    let at = Math.min(this.#missing, chunk.length);
    if (at > 0) this.#continue(chunk.subarray(0, at));
    for (; at + size <= chunk.length; at += size) this.#onMessage(chunk.subarray(at, at + size));
    if (at === chunk.length) return;
    this.#parts = [chunk.subarray(at)];
    this.#missing = size - (chunk.length - at);
  }

  #continue(part) {
    this.#parts.push(part);
    this.#missing -= part.length;
    if (this.#missing === 0) this.#onMessage(Buffer.concat(this.#parts));
  }
}
