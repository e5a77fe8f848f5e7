// Collects what one event makes the host say, and writes it with one call per peer when the event is dealt with.
import type { Session } from './session.js';

export class Outlet {
  readonly #mayWrite: () => boolean;
  #dirty: Session[] = [];

  constructor(mayWrite: () => boolean = () => true) {
    this.#mayWrite = mayWrite;
  }

  /** Queues a part for this peer; it must not change any more. */
  post(session: Session, part: Uint8Array): void {
    if (session.state !== 'gone' && session.queue(part)) this.#dirty.push(session);
  }

  /** @param onWritten called when every write of this flush is done; at once when there is none */
  flush(onWritten?: () => void): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    if (dirty.length > 0 && !this.#mayWrite()) return onWritten?.();
    if (onWritten === undefined) {
      for (const session of dirty) session.flush(undefined);
      return;
    }
    let open = dirty.length;
    if (open === 0) return onWritten();
    const done = (): void => {
      open -= 1;
      if (open === 0) onWritten();
    };
    for (const session of dirty) session.flush(done);
  }
}
