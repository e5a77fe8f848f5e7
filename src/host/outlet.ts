// Collects what one event makes the host say, and writes it with one call per peer when the event is dealt with.
import type { Session } from './session.js';

export class Outlet {
  #dirty: Session[] = [];

  /** Queues a part for this peer; it must not change any more. */
  post(session: Session, part: Uint8Array): void {
    if (session.state !== 'gone' && session.queue(part)) this.#dirty.push(session);
  }

  flush(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const session of dirty) session.flush();
  }
}
