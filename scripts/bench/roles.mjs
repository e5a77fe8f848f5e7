// What the processes of a cell do, for every system that can be used through a link. A system may bring roles of its
// own instead, where these would not be its quickest way.
//
// A link, as a system's `connect(directory, options)` resolves to it:
//   subscribe(pattern, onData)  resolves when everything published from now on arrives; a pattern ends in `.*` at most
//   publish(subject, data)      bytes, or text where objects travel as JSON; a promise it returns is awaited
//   flush()                     resolves when the buffers published so far may be used again; absent where publish copies
//   flushEvery                  messages between two flushes at most; optional
//   respond(subject)            sends every question back; absent where questions are messages with an answering subject
//   ask(subject, bytes)         resolves to the reply's bytes; absent likewise
//   about()                     what to say of it when a run never ends; optional
//   close()
// A system whose `takesObjects` is true publishes values and delivers them; all others get and give JSON.
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { sendPaced } from './pace.mjs';
import { machineTime, makePayload, readStamp, stamp, Tally } from './payload.mjs';
import { makeAsker } from './questions.mjs';
import { timesOf } from './times.mjs';

const SUBJECT = 'bench.fan-out';
const QUERY_SUBJECT = 'bench.echo';
const REPLY_SUBJECT = 'bench.echoed';
/** Clients buffer without bound, so the bench waits for the server every so many bytes or objects. */
const FLUSH_BYTES = 1024 * 1024;
const FLUSH_OBJECTS = 4096;

export function rolesOf(system) {
  const { connect } = system;
  return {
    openReceiver: (options) => openReceiver(system, options),
    openPublisher: (options) => openPublisher(system, options),
    openResponder: ({ directory }) => openResponder(connect, directory),
    openAsker: ({ directory, size }) => openAsker(connect, { directory, size }),
    openIdlePeers: ({ directory }) => openIdlePeers(connect, directory),
    openJoiner: ({ directory }) => openJoiner(connect, directory),
  };
}

/**
 * `links` of one process, each subscribed to `patterns`. `kind` says what they look at: bytes, objects, or times (bytes
 * whose times of arrival are kept).
 */
async function openReceiver(
  system,
  { directory, links = 1, patterns = [SUBJECT], kind = 'bytes', ...options },
) {
  const tallies = [];
  for (let opened = 0; opened < links; opened++) {
    const link = await system.connect(directory, { ...options, text: kind === 'objects' });
    const tally = new Tally({ about: link.about });
    const onData = reactions[kind](tally, system);
    for (const pattern of patterns) await link.subscribe(pattern, onData);
    tallies.push(tally);
  }
  return tallies.length === 1 ? tallies[0] : allOf(tallies);
}

const reactions = {
  bytes: (tally) => (data) => tally.noteMessage(data),
  times: (tally) => (data) => tally.noteTime(data),
  objects: (tally, { takesObjects }) =>
    takesObjects
      ? (value) => tally.noteObject(value)
      : (data) =>
          tally.noteObject(JSON.parse(typeof data === 'string' ? data : Buffer.from(data).toString())),
};

function allOf(tallies) {
  return {
    arm(count, size) {
      for (const tally of tallies) tally.arm(count, size);
    },
    received: () => tallies.map((tally) => tally.received()).join(' '),
    async finished() {
      const reports = await Promise.all(tallies.map((tally) => tally.finished()));
      return {
        endedAt: Math.max(...reports.map(({ endedAt }) => endedAt)),
        brokenAt: reports.find(({ brokenAt }) => brokenAt !== undefined)?.brokenAt,
      };
    },
  };
}

async function openPublisher(system, { directory, ...options }) {
  const link = await system.connect(directory, options);
  return {
    /** Publishes `count` messages in turn on `subjects`. */
    async publish(count, size, subjects = [SUBJECT]) {
      const payloads = makeRing(link, size);
      const startedAt = machineTime();
      for (let number = 0; number < count; number++) {
        const payload = payloads[number % payloads.length];
        stamp(payload, 0, number);
        const pending = link.publish(subjects[number % subjects.length], payload);
        if (pending) await pending;
        if (link.flush && (number + 1) % payloads.length === 0) await link.flush();
      }
      await link.flush?.();
      return { startedAt };
    },

    async publishObjects(count) {
      const startedAt = machineTime();
      for (let number = 0; number < count; number++) {
        const value = makeObject(number);
        const pending = link.publish(SUBJECT, system.takesObjects ? value : JSON.stringify(value));
        if (pending) await pending;
        if (link.flush && (number + 1) % (link.flushEvery ?? FLUSH_OBJECTS) === 0) await link.flush();
      }
      await link.flush?.();
      return { startedAt };
    },

    /** One message per `interval` ms; resolves to the machine time of each. */
    publishPaced(count, size, interval) {
      const payloads = makeRing(link, size);
      return sendPaced(count, interval, async (number) => {
        const payload = payloads[number % payloads.length];
        stamp(payload, 0, number);
        await link.publish(SUBJECT, payload);
      });
    },
  };
}

// A client that keeps a reference until it has written needs a buffer per message until the next flush.
function makeRing(link, size) {
  const length = link.flush ? Math.min(Math.ceil(FLUSH_BYTES / size), link.flushEvery ?? Infinity) : 1;
  return Array.from({ length }, () => makePayload(size));
}

function makeObject(number) {
  return { id: number, type: 'mail.new', subject: `Minutes of meeting ${number}`, at: Date.now() };
}

async function openResponder(connect, directory) {
  const link = await connect(directory, { responds: true });
  if (link.respond) await link.respond(QUERY_SUBJECT);
  else await link.subscribe(QUERY_SUBJECT, (question) => void link.publish(REPLY_SUBJECT, question));
  return {};
}

async function openAsker(connect, { directory, size }) {
  const link = await connect(directory, { asks: true });
  const ask = link.ask ? (question) => link.ask(QUERY_SUBJECT, question) : await askByMessages(link);
  return makeAsker(size, ask);
}

// Questions and replies are paired by the number they carry.
async function askByMessages(link) {
  const waiting = new Map();
  await link.subscribe(REPLY_SUBJECT, (reply) => {
    const number = readStamp(reply, 0);
    const resolve = waiting.get(number);
    waiting.delete(number);
    resolve?.(reply);
  });
  return (question) =>
    new Promise((resolve) => {
      waiting.set(readStamp(question, 0), resolve);
      void link.publish(QUERY_SUBJECT, question);
    });
}

async function openIdlePeers(connect, directory) {
  return {
    async add(count) {
      for (let opened = 0; opened < count; opened++) {
        const link = await connect(directory, {});
        await link.subscribe(SUBJECT, () => {});
      }
    },
  };
}

async function openJoiner(connect, directory) {
  const close = (link) => link.close();
  const inEmpty = (open) => ({
    prepare: () => mkdtemp(join(directory, 'h')),
    open: async (empty) => open(empty, { host: true }),
    close,
  });
  const inLive = (open) => ({ open: () => open(directory, {}), close });
  const hear = (place, options) => openAndHear(connect, place, options);
  return {
    join: (count) => timesOf(count, inLive(connect)),
    joinAndHear: (count) => timesOf(count, inLive(hear)),
    becomeHost: (count) => timesOf(count, inEmpty(connect)),
    becomeHostAndHear: (count) => timesOf(count, inEmpty(hear)),
  };
}

async function openAndHear(connect, directory, options) {
  const link = await connect(directory, options);
  const payload = makePayload(128);
  await new Promise((resolve, reject) => {
    Promise.resolve(link.subscribe(SUBJECT, resolve))
      .then(() => link.publish(SUBJECT, payload))
      .catch(reject);
  });
  return link;
}
