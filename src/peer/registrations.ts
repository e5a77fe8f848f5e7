// What the host is told of slots and responders: opened one by one, said all again to every new host. It opens
// nothing itself; it only knows when the host delivers to what was opened.
import { MailslotError } from '../errors.js';
import { controlFrame, type SlotAnswer, type SlotSpec } from '../wire/control.js';
import { refusalOf } from '../wire/slot-refusal.js';

/** Who waits for the host's answer. */
interface Opening {
  resolve(): void;
  reject(reason: unknown): void;
}

export interface RegistrationsOptions {
  peerId: Uint8Array;
  /** Sends a frame if the bus is connected; what is registered meanwhile goes with the next JOIN, or after its OPEN. */
  send(frame: Uint8Array): void;
  /** The host delivers to this slot or responder from here on. */
  onOpened(id: number): void;
}

export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #specs = new Map<number, SlotSpec>();
  readonly #opening = new Map<number, Opening>();
  /** Take back what was put on the caller's signal, which may outlive the slot by far. */
  readonly #releases = new Map<number, () => void>();
  /** Ids that JOIN listed, until its OPEN comes. */
  #joined = new Set<number>();
  #lastId = 0;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
  }

  /** Slots and responders are counted together. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  list(): SlotSpec[] {
    return [...this.#specs.values()];
  }

  /** As JOIN lists them. */
  join(): SlotSpec[] {
    this.#joined = new Set(this.#specs.keys());
    return this.list();
  }

  /**
   * Registers; resolves when the host delivers. When that fails or the signal aborts, `close` is called: it has to
   * end in {@link forget}. The signal goes on closing what it opened.
   */
  async register(
    spec: SlotSpec,
    close: () => Promise<unknown>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { id } = spec;
    const refusal = refusalOf(spec, this.#specs.size);
    if (refusal !== undefined) {
      await close();
      throw new MailslotError(refusal.code, refusal.message);
    }
    this.#specs.set(id, { ...spec, new: true });
    const opened = new Promise<void>((resolve, reject) => this.#opening.set(id, { resolve, reject }));
    const onAbort = (): void => {
      this.#opening.get(id)?.reject(signal?.reason);
      void close();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#releases.set(id, () => signal?.removeEventListener('abort', onAbort));
    this.#requestOpening(spec);
    try {
      await opened;
    } catch (error) {
      await close();
      throw error;
    } finally {
      this.#opening.delete(id);
    }
  }

  forget(id: number): void {
    this.#releases.get(id)?.();
    this.#releases.delete(id);
    if (!this.#specs.delete(id)) return;
    this.#opening.get(id)?.reject(closedEarly());
    this.#requestClosing(id);
  }

  answer(answer: SlotAnswer): void {
    if (answer.do === 'opened') return this.#opened(answer.id);
    const { id, code, message } = answer;
    this.#specs.delete(id);
    const known = code === 'MAILSLOT_NOT_PERMITTED' ? code : 'MAILSLOT_QUOTA_EXCEEDED';
    this.#opening.get(id)?.reject(new MailslotError(known, message));
  }

  /** OPEN came: the host delivers to everything that JOIN listed. What came and went since then it has not heard of. */
  linkOpened(): void {
    const joined = this.#joined;
    for (const spec of [...this.#specs.values()]) {
      if (joined.has(spec.id)) this.#opened(spec.id);
      else this.#requestOpening(spec);
    }
    for (const id of joined) if (!this.#specs.has(id)) this.#requestClosing(id);
    this.#joined = new Set();
  }

  rejectOpening(reason: unknown): void {
    for (const { reject } of this.#opening.values()) reject(reason);
  }

  #requestOpening({ new: _, ...spec }: SlotSpec): void {
    this.#options.send(controlFrame('SLOT request', this.#options.peerId, { do: 'open', ...spec }));
  }

  #requestClosing(id: number): void {
    this.#options.send(controlFrame('SLOT request', this.#options.peerId, { do: 'close', id }));
  }

  #opened(id: number): void {
    const spec = this.#specs.get(id);
    if (spec === undefined) return;
    this.#specs.set(id, { ...spec, new: false });
    this.#options.onOpened(id);
    this.#opening.get(id)?.resolve();
  }
}

function closedEarly(): MailslotError {
  return new MailslotError('MAILSLOT_CLOSED', 'it was closed before the host delivered to it');
}
