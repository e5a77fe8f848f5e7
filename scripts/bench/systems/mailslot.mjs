// This bus, through its public API and with default options. The host has a process of its own, so that every
// system of the bench consists of the same processes.
import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { machineTime, makePayload, stamp, Tally } from '../payload.mjs';
import { makeAsker } from '../questions.mjs';
import { timesOf } from '../times.mjs';

// By the exports map of the repository's package: the bench has a package.json of its own, which hides the name
// `mailslot` from a plain import.
const { resolve } = createRequire(new URL('../../../package.json', import.meta.url));
const { openBus, startHost } = await import(pathToFileURL(resolve('mailslot')).href);

const NAME = 'bench';
const SUBJECT = 'bench.fan-out';
const QUERY_SUBJECT = 'bench.echo';

export function unavailable() {
  return undefined;
}

export async function openServer({ directory }) {
  await startHost(NAME, { directory });
  return {};
}

const joinBus = (directory) => openBus(NAME, { directory, host: 'never' });

export async function openReceiver({ directory }) {
  const bus = await joinBus(directory);
  const slot = await bus.subscribe(SUBJECT);
  const tally = new Tally();
  void readAll(slot, tally);
  return tally;
}

async function readAll(slot, tally) {
  for await (const message of slot) tally.noteMessage(message.data);
}

export async function openPublisher({ directory }) {
  const bus = await joinBus(directory);
  return {
    async publish(count, size) {
      const payload = makePayload(size);
      const startedAt = machineTime();
      for (let number = 0; number < count; number++) {
        stamp(payload, 0, number);
        await bus.publish(SUBJECT, payload);
      }
      return { startedAt };
    },
  };
}

export async function openResponder({ directory }) {
  const bus = await joinBus(directory);
  await bus.respond(QUERY_SUBJECT, (message) => message.data);
  return {};
}

export async function openAsker({ directory, size }) {
  const bus = await joinBus(directory);
  return makeAsker(size, async (question) => (await bus.query(QUERY_SUBJECT, question)).data);
}

export async function openIdlePeers({ directory }) {
  return {
    async add(count) {
      for (let opened = 0; opened < count; opened++) await joinBus(directory);
    },
  };
}

export async function openJoiner({ directory }) {
  const close = (bus) => bus.close();
  return {
    join: (count) => timesOf(count, { open: () => openBus(NAME, { directory }), close }),
    becomeHost: (count) =>
      timesOf(count, {
        prepare: () => mkdtemp(join(directory, 'h')),
        open: (empty) => openBus(NAME, { directory: empty }),
        close,
      }),
  };
}
