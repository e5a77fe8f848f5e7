// ZeroMQ over ipc://, without a relay in between: the publisher (or the responder) binds, and the others connect to it.
// PUB drops silently what a subscriber has no room for; it is told not to, since a cell that loses counts for nothing.
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { findMissing } from '../servers.mjs';

const CLIENT = 'zeromq';
/** Messages in a queue; fewer of the large ones, which would fill gigabytes. */
const HIGH_WATER = 1000;
const LARGE_BYTES = 64 * 1024;
const HIGH_WATER_OF_LARGE = 16;

/** There is no server whose memory or growth could be asked for, and joining does not say when it is done. */
export const lacks = ['memory', 'idle', 'join', 'growth'];

export const unavailable = () => findMissing({ client: CLIENT });

export const openServer = () => ({});

const addressOf = (directory, name) => `ipc://${join(directory, name)}`;
const highWaterFor = (size) => (size >= LARGE_BYTES ? HIGH_WATER_OF_LARGE : HIGH_WATER);

export async function connect(directory, { size = 0, receivers, asks, responds }) {
  const zeromq = await import(CLIENT);
  if (asks || responds) return openPair(zeromq, directory, responds);
  return receivers === undefined
    ? openSubscriber(zeromq, directory, size)
    : openPublisher(zeromq, { directory, size, receivers });
}

// Resolves before the publisher knows of the subscription; the publisher waits for all of them.
function openSubscriber({ Subscriber }, directory, size) {
  const socket = new Subscriber({ receiveHighWaterMark: highWaterFor(size) });
  return {
    async subscribe(subject, onData) {
      socket.subscribe(subject);
      socket.connect(addressOf(directory, 'fan-out'));
      void readAll(socket, onData);
    },
  };
}

async function readAll(socket, onData) {
  for await (const [, data] of socket) onData(data);
}

async function openPublisher({ XPublisher }, { directory, size, receivers }) {
  const socket = new XPublisher({
    sendHighWaterMark: highWaterFor(size),
    noDrop: true,
    verbosity: 'allSubs',
  });
  await socket.bind(addressOf(directory, 'fan-out'));
  for (let known = 0; known < receivers; known++) await socket.receive();
  return {
    // It keeps larger buffers until they are written and does not say when that was.
    publish: (subject, data) => sendWhenPossible(socket, [subject, Buffer.from(data)]),
  };
}

// A full queue is an error at once here; ZeroMQ has no way to wait for room in it.
async function sendWhenPossible(socket, parts) {
  for (;;) {
    try {
      return await socket.send(parts);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      await nextTurn();
    }
  }
}

// DEALER to DEALER keeps the order, so the oldest question gets the next reply.
async function openPair({ Dealer }, directory, responds) {
  const socket = new Dealer();
  const address = addressOf(directory, 'echo');
  if (responds) await socket.bind(address);
  else socket.connect(address);
  const waiting = [];
  let sent = Promise.resolve();
  const send = (data) => (sent = sent.then(() => socket.send(data)));
  const take = responds ? send : (reply) => waiting.shift()(reply);
  const read = async () => {
    for await (const [data] of socket) void take(data);
  };
  void read();
  return {
    respond: async () => {},
    ask: (_subject, question) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        void send(Buffer.from(question));
      }),
  };
}
