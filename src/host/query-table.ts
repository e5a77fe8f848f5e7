// The open queries of a bus: who asked, who has to answer, and what happens when one of them goes. Every query
// leaves the table exactly once: with its last reply, by its asker's CANCEL, or in a goodbye.
import type { Registration, Session } from './session.js';

export interface OpenQuery {
  /** The table's number for it. */
  readonly key: number;
  readonly asker: Session;
  /** The asker's own number for it. */
  readonly id: number;
  readonly subject: string;
  readonly bytes: number;
  /** Those that have not sent their last reply. */
  readonly pending: Registration[];
}

export class QueryTable {
  #size = 0;
  #lastKey = 0;
  #whenEmpty: (() => void)[] = [];

  /** Resolves when no query is open. */
  whenEmpty(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  open(fields: Omit<OpenQuery, 'key'>): void {
    const { asker, id, subject, bytes, pending } = fields;
    const query = { key: ++this.#lastKey, asker, id, subject, bytes, pending };
    this.#size += 1;
    asker.asked.add(id, query);
    asker.askedBytes += query.bytes;
    for (const responder of pending) {
      responder.openQueries += 1;
      const { answering } = responder.session;
      if (!answering.has(query.key)) answering.add(query.key, query);
    }
  }

  /** One of the session's responders sent its last reply. */
  answered(query: OpenQuery, session: Session): void {
    const index = query.pending.findIndex((responder) => responder.session === session);
    if (index === -1) return;
    const [responder] = query.pending.splice(index, 1);
    responder!.openQueries -= 1;
    if (!query.pending.some((other) => other.session === session)) session.answering.delete(query.key);
    if (query.pending.length === 0) this.#forget(query);
  }

  /** The asker does not want answers any more; returns the peers that may still be working on one. */
  cancel(query: OpenQuery): Session[] {
    const sessions = [...new Set(query.pending.map((responder) => responder.session))];
    for (const responder of query.pending) responder.openQueries -= 1;
    for (const session of sessions) session.answering.delete(query.key);
    query.pending.length = 0;
    this.#forget(query);
    return sessions;
  }

  #forget(query: OpenQuery): void {
    query.asker.asked.delete(query.id);
    query.asker.askedBytes -= query.bytes;
    this.#size -= 1;
    if (this.#size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }
}

/** The responder with the fewest open queries; among equals the one that registered first. */
export function leastBusy(responders: readonly Registration[]): Registration | undefined {
  let best: Registration | undefined;
  for (const responder of responders) {
    if (best === undefined || responder.openQueries < best.openQueries) best = responder;
  }
  return best;
}
