// A relay that does nothing but relay: a `net` server that writes every chunk it reads to all receivers without
// looking at it. No handshake, no frames, no subjects, no guarantees: the practical limit for a relay in Node,
// and therefore what ratios are taken against. It has three one-way roads, each with an endpoint per side:
// in → out (fan-out), ask → echo and echo → ask (the two-hop echo).
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { sendPaced } from '../pace.mjs';
import { machineTime, makePayload, readStamp, STAMP_BYTES, stamp, Tally } from '../payload.mjs';
import { timesOf } from '../times.mjs';

const SLAB_BYTES = 64 * 1024;
const GREETING = Buffer.from('.');

const endpoints = ['in', 'out', 'ask', 'echo'];
const roads = { in: 'out', ask: 'echo', echo: 'ask' };

/** It has no objects, no subjects and no subscriptions. */
export const lacks = ['objects', 'growth'];

export function unavailable() {
  return process.platform === 'win32' ? 'needs Unix sockets' : undefined;
}

export async function openServer({ directory }) {
  const members = Object.fromEntries(endpoints.map((name) => [name, new Set()]));
  for (const name of endpoints) {
    const server = createServer((socket) => admit(socket, members[name], members[roads[name]]));
    server.listen({ path: join(directory, name), backlog: 4096 });
    await once(server, 'listening');
  }
  return {};
}

function admit(socket, siblings, receivers) {
  siblings.add(socket);
  socket.on('close', () => siblings.delete(socket));
  socket.on('error', () => socket.destroy());
  if (receivers) forward(socket, receivers);
  else socket.resume();
  // Tells the client that it is in the set: 'connect' fires there before 'connection' does here.
  socket.write(GREETING);
}

// Reading stops while any receiver is over its high-water mark: the slowest one sets the pace, as in a bus
// that loses nothing.
function forward(socket, receivers) {
  let full = 0;
  const onDrain = () => {
    full -= 1;
    if (full === 0) socket.resume();
  };
  socket.on('data', (chunk) => {
    for (const receiver of receivers) {
      if (receiver.write(chunk)) continue;
      full += 1;
      receiver.once('drain', onDrain);
    }
    if (full > 0) socket.pause();
  });
}

/** A socket on which everything that comes is somebody's message. */
export async function dial(directory, name) {
  const socket = connect(join(directory, name));
  const [greeting] = await once(socket, 'data');
  if (greeting.length !== GREETING.length) throw new Error('the relay sent data before anybody published');
  return socket;
}

export async function openReceiver({ directory, kind }) {
  const socket = await dial(directory, 'out');
  const tally = new Tally({ keepsTimes: kind === 'times' });
  socket.on('data', (chunk) => tally.noteChunk(chunk));
  return tally;
}

export async function openPublisher({ directory }) {
  const socket = await dial(directory, 'in');
  socket.resume();
  const writer = new SlabWriter(socket);
  return {
    async publish(count, size) {
      const payload = makePayload(size);
      const startedAt = machineTime();
      for (let number = 0; number < count; number++) {
        stamp(payload, 0, number);
        if (!writer.tryPut(payload)) await writer.put(payload);
      }
      await writer.flush();
      return { startedAt };
    },

    publishPaced(count, size, interval) {
      const payload = makePayload(size);
      return sendPaced(count, interval, async (number) => {
        stamp(payload, 0, number);
        await writer.put(payload);
        await writer.flush();
      });
    },
  };
}

// Copies messages into one slab and writes it when it is full. One slab is enough, since every write is waited for.
class SlabWriter {
  #socket;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #used = 0;

  constructor(socket) {
    this.#socket = socket;
  }

  tryPut(bytes) {
    if (this.#used + bytes.length > SLAB_BYTES) return false;
    this.#slab.set(bytes, this.#used);
    this.#used += bytes.length;
    return true;
  }

  async put(bytes) {
    for (let at = 0; at < bytes.length; ) {
      if (this.#used === SLAB_BYTES) await this.flush();
      const copied = bytes.copy(this.#slab, this.#used, at);
      this.#used += copied;
      at += copied;
    }
  }

  async flush() {
    const full = this.#slab.subarray(0, this.#used);
    this.#used = 0;
    await new Promise((resolve) => this.#socket.write(full, resolve));
  }
}

export async function openResponder({ directory }) {
  const socket = await dial(directory, 'echo');
  socket.on('data', (chunk) => socket.write(chunk));
  return {};
}

// Replies come back in the order of the questions, so counting bytes tells which are answered.
export async function openAsker({ directory, size }) {
  const socket = await dial(directory, 'ask');
  let asked = 0;
  let answeredBytes = 0;
  let onAnswers;

  // All questions that may go out now go out as one write: the cheapest way there is.
  function ask(count) {
    const questions = makePayload(size * count);
    for (let index = 0; index < count; index++) stamp(questions, index * size, asked++);
    socket.write(questions);
  }

  socket.on('data', (chunk) => {
    const before = Math.floor(answeredBytes / size);
    const first = (size - (answeredBytes % size)) % size;
    if (first + STAMP_BYTES <= chunk.length && readStamp(chunk, first) !== (answeredBytes + first) / size) {
      throw new Error('the echo is not what was sent');
    }
    answeredBytes += chunk.length;
    const answered = Math.floor(answeredBytes / size) - before;
    if (answered > 0) onAnswers(answered);
  });

  return {
    async askOneByOne(count) {
      const times = [];
      for (let index = 0; index < count; index++) {
        const startedAt = performance.now();
        await new Promise((resolve) => {
          onAnswers = resolve;
          ask(1);
        });
        times.push(performance.now() - startedAt);
      }
      return times;
    },

    async askInFlight(count, width) {
      const startedAt = performance.now();
      let unasked = count - width;
      let missing = count;
      await new Promise((resolve) => {
        onAnswers = (answered) => {
          missing -= answered;
          if (missing === 0) resolve();
          const next = Math.min(answered, unasked);
          unasked -= next;
          if (next > 0) ask(next);
        };
        ask(width);
      });
      return performance.now() - startedAt;
    },
  };
}

export async function openIdlePeers({ directory }) {
  return {
    async add(count) {
      for (let opened = 0; opened < count; opened++) (await dial(directory, 'out')).resume();
    },
  };
}

export async function openJoiner({ directory }) {
  return {
    join: (count) =>
      timesOf(count, { open: () => dial(directory, 'out'), close: (socket) => socket.destroy() }),
    joinAndHear: (count) =>
      timesOf(count, {
        open: () => dialAndHear(directory),
        close: (sockets) => sockets.map((socket) => socket.destroy()),
      }),
  };
}

async function dialAndHear(directory) {
  const sockets = [await dial(directory, 'out'), await dial(directory, 'in')];
  const [heard] = sockets;
  sockets[1].write(makePayload(128));
  await once(heard, 'data');
  return sockets;
}
