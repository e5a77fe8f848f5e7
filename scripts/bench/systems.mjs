// The systems the bench knows. Each is a module of systems/ that exports
//   unavailable()      why it cannot run here and what to install, or undefined
//   openServer(…)      the server's role: `memory`, `cpu`, `close`, each absent when the process itself is meant
//   connect(…)         a link, from which roles.mjs makes the other roles; or those roles themselves
//   lacks              names of the cases it has nothing to compare in; optional
// A system is named by its module, or as `mailslot@<directory>`: the package built in that directory.

export const OURS = 'mailslot';
/** The system that limits are ratios to. */
export const REFERENCE = 'plain-relay';
/** The same where messages per second are measured: its receivers get them one by one, too. */
export const MESSAGE_REFERENCE = 'plain-messages';

export const knownSystems = [
  OURS,
  REFERENCE,
  MESSAGE_REFERENCE,
  'plain-await',
  'nats',
  'node-redis',
  'ioredis',
  'zeromq',
  'mosquitto',
  'node-ipc',
  'dbus',
];

export function loadSystem(system) {
  const [module, build] = system.split('@');
  const url = new URL(`./systems/${module}.mjs`, import.meta.url);
  if (build !== undefined) url.searchParams.set('build', build);
  return import(url.href);
}

/** The systems that can run here, and for each of the others one line of reason. */
export async function findSystems(names) {
  const available = [];
  const reasons = [];
  for (const name of names) {
    const reason = await (await loadSystem(name)).unavailable();
    if (reason === undefined) available.push(name);
    else reasons.push(`${name} is left out: ${reason}`);
  }
  return { available, reasons };
}

/** Those of `systems` that have something to compare in the case. */
export async function systemsFor(caseName, systems) {
  const modules = await Promise.all(systems.map(loadSystem));
  return systems.filter((_, index) => !modules[index].lacks?.includes(caseName));
}
