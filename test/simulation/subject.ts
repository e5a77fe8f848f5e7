// What is simulated, loaded from a compiled copy of the package: the real one, or one with a planted bug.
import { pathToFileURL } from 'node:url';
import type { Gate } from '../../src/host/gate.js';
import type { Relay } from '../../src/host/relay.js';
import type { OpenBus } from '../../src/peer/bus.js';

export interface Subject {
  Gate: typeof Gate;
  Relay: typeof Relay;
  OpenBus: typeof OpenBus;
}

/** @param dist folder of the compiled package */
export async function loadSubject(dist: string): Promise<Subject> {
  const modules = await Promise.all(
    ['host/gate.js', 'host/relay.js', 'peer/bus.js'].map(
      (name) => import(pathToFileURL(`${dist}/${name}`).href) as Promise<Partial<Subject>>,
    ),
  );
  return Object.assign({}, ...modules) as Subject;
}
