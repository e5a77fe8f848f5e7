// The slots and responders that peers register, in JOIN or later: each is in its session and in the routes, or in
// neither. What is published for them in the meantime is not its concern.
//
// Invariant: the routes hold nothing of a session that is gone.
import { controlFrame, readControl, type SlotSpec } from '../wire/control.js';
import { FrameFault } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import { refusalOf, type SlotRefusal } from '../wire/slot-refusal.js';
import type { Groups } from './groups.js';
import type { Orders } from './orders.js';
import type { Outlet } from './outlet.js';
import type { Queries } from './queries.js';
import type { Retained } from './retained.js';
import type { Routes } from './routes.js';
import type { Registration, Session } from './session.js';

export interface RegistrationsOptions {
  hostId: PeerId;
  orders: Orders;
  outlet: Outlet;
  routes: Routes;
  groups: Groups;
  queries: Queries;
  retained: Retained;
}

export class Registrations {
  readonly #options: RegistrationsOptions;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
  }

  /** A SLOT request came. */
  take(session: Session, bytes: Buffer, at: number, size: number): void {
    const request = readControl('SLOT request', bytes, at, size);
    if (request.do === 'close') return this.#remove(session, request.id);
    const { hostId, orders, outlet, retained } = this.#options;
    const refusal = this.#tryAdd(session, request);
    const answer =
      refusal === undefined
        ? ({ do: 'opened', id: request.id, order: orders.last } as const)
        : ({ do: 'refused', id: request.id, ...refusal } as const);
    outlet.post(session, controlFrame('SLOT answer', hostId.bytes, answer));
    if (refusal === undefined) retained.offer(session, [request]);
  }

  /** Those that a peer brings along. @throws FrameFault: it had them before, so none can be refused */
  addAll(session: Session, specs: readonly SlotSpec[]): void {
    for (const spec of specs) {
      const refusal = this.#tryAdd(session, spec);
      if (refusal !== undefined) throw new FrameFault(refusal.message);
    }
  }

  /** No message and no query goes to this peer any more. */
  unroute(session: Session): void {
    for (const registration of session.registrations.values()) this.#options.routes.remove(registration);
  }

  #tryAdd(session: Session, spec: SlotSpec): SlotRefusal | undefined {
    const { id, role, pattern, group } = spec;
    if (session.registrations.has(id)) throw new FrameFault(`slot ${id} is open already`);
    const refusal = refusalOf(spec, session.registrations.size);
    if (refusal !== undefined) return refusal;
    const counts = { openQueries: 0, openMessages: 0, lastHanded: 0 };
    const registration: Registration = { session, id, role, pattern, group, ...counts };
    session.registrations.set(id, registration);
    this.#options.routes.add(registration);
    return undefined;
  }

  #remove(session: Session, id: number): void {
    const { routes, groups, queries } = this.#options;
    const registration = session.registrations.get(id);
    if (registration === undefined) return;
    session.registrations.delete(id);
    routes.remove(registration);
    groups.leave(session, registration);
    if (registration.role === 'responder') queries.dropResponder(registration);
  }
}
