// This bus, through its public API and with default options. The host has a process of its own, so that every
// system of the bench consists of the same processes.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// By the exports map of the package: the bench has a package.json of its own, which hides the name `mailslot` from a
// plain import. Which build is measured comes with the module's address, so that two can be compared in one run.
const build = new URL(import.meta.url).searchParams.get('build');
const root = build === null ? new URL('../../../', import.meta.url) : pathToFileURL(`${build}/`);
const { resolve } = createRequire(new URL('package.json', root));
const { openBus, startHost } = await import(pathToFileURL(resolve('mailslot')).href);

const NAME = 'bench';

export const takesObjects = true;

export function unavailable() {
  return undefined;
}

export async function openServer({ directory }) {
  await startHost(NAME, { directory });
  return {};
}

/** Only with `host` may the link's process host the bus; with `unread` nobody reads its slots. */
export async function connect(directory, { host = false, overflow = 'wait', unread = false }) {
  const bus = await openBus(NAME, { directory, host: host ? 'auto' : 'never' });
  let slot;
  return {
    async subscribe(pattern, onData) {
      slot = await bus.subscribe(pattern, { overflow });
      if (!unread) void readAll(slot, onData);
    },
    about: () => ` (${bus.state}, missed ${slot.info.missed}, waiting ${slot.info.messageCount})`,
    publish: (subject, data) => bus.publish(subject, data),
    respond: (subject) => bus.respond(subject, (message) => message.data),
    ask: async (subject, question) => (await bus.query(subject, question)).data,
    close: () => bus.close(),
  };
}

async function readAll(slot, onData) {
  for await (const message of slot) onData(message.data);
}
