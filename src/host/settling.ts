// Keeps the publishers' accounts: takes acknowledgements, tells each publisher what is settled, and shares the
// window budget among those that are active.
import {
  HOST_WINDOW_BUDGET_BYTES,
  LAZY_ACK_DELAY,
  MAX_REMEMBERED_SENDERS,
  SENDER_SILENCE,
  WINDOW_BYTES_MAX,
  WINDOW_BYTES_MIN,
} from '../limits.js';
import { atMost, type Clock, type Timer } from '../util/clock.js';
import { type Acknowledgement, controlFrame, isSingle, type SingleAcknowledgement } from '../wire/control.js';
import { type PeerId, peerKey, peerKeyAt } from '../wire/peer-id.js';
import type { Outlet } from './outlet.js';
import { Sender } from './sender.js';
import type { Session } from './session.js';

export class Settling {
  readonly #clock: Clock;
  readonly #outlet: Outlet;
  readonly #hostId: PeerId;
  /** By peer id: a publisher's account outlives its link, so that what it sends again is recognised. */
  readonly #senders = new Map<string, Sender>();
  /** Accounts without a link, and since when. */
  readonly #detached = new Map<Sender, number>();
  /** Those whose settled sequence may have risen. */
  #touched = new Set<Sender>();
  /** Those that are told lazily. */
  #lazy = new Set<Sender>();
  #lazyTimer: Timer | undefined;
  #active = new Set<Sender>();
  #windowBytes = WINDOW_BYTES_MAX;
  #afterSettling: (() => unknown) | undefined;

  constructor(options: { clock: Clock; outlet: Outlet; hostId: PeerId }) {
    this.#clock = options.clock;
    this.#outlet = options.outlet;
    this.#hostId = options.hostId;
  }

  /** The window of every publisher at present. */
  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** The account of this peer, which begins at the sequence that its JOIN named. */
  open(session: Session, firstUnsettled: number): Sender {
    const key = peerKey(session.peerId);
    let sender = this.#senders.get(key);
    if (sender === undefined) {
      sender = new Sender(session.peerId, firstUnsettled - 1);
      this.#senders.set(key, sender);
    }
    // what it was told on a link that ended may not have reached it
    sender.told = Math.min(sender.told, firstUnsettled - 1);
    this.#detached.delete(sender);
    sender.session = session;
    session.sender = sender;
    return sender;
  }

  /** Nobody waits for this peer any more. */
  release(session: Session): void {
    for (const sender of [...session.owes]) {
      sender.release(session);
      this.#touched.add(sender);
    }
  }

  /** A peer went: it owes nothing any more, and its own account is closed unless it may come back. */
  leave(session: Session, mayReturn: boolean): void {
    this.release(session);
    const { sender } = session;
    if (sender === undefined || sender.session !== session) return;
    sender.session = undefined;
    if (mayReturn) this.#detached.set(sender, this.#clock.now());
    else this.#close(sender);
    if (this.#detached.size <= MAX_REMEMBERED_SENDERS) return;
    const [oldest] = this.#detached.keys();
    if (oldest !== undefined) this.#close(oldest);
  }

  /** A chunk with messages of this sender was relayed. */
  relayed(sender: Sender): void {
    sender.mark();
    this.#active.add(sender);
    this.#touched.add(sender);
    if (sender.takeHaste()) this.#askAll(sender, sender.behind());
  }

  /** A publisher wants everything settled that it has sent so far. */
  hasten(sender: Sender): void {
    if (sender.relayed <= sender.told) return;
    sender.markUrgent(sender.relayed);
    sender.takeHaste();
    this.#askAll(sender, sender.owing());
    this.#touched.add(sender);
  }

  #askAll(sender: Sender, receivers: Iterable<Session>): void {
    const frame = controlFrame('ACKNOW', this.#hostId.bytes, [sender.peerId.bytes]);
    for (const session of receivers) this.#outlet.post(session, frame);
  }

  acknowledge(
    session: Session,
    acknowledgements: readonly (Acknowledgement | SingleAcknowledgement)[],
  ): void {
    for (const acknowledgement of acknowledgements) {
      if (isSingle(acknowledgement)) continue;
      const sender = this.#senders.get(peerKeyAt(acknowledgement.sender, 0));
      if (sender?.acknowledged(session, acknowledgement.upTo)) this.#touched.add(sender);
    }
  }

  /** The settled sequence of this sender may have risen. */
  touch(sender: Sender): void {
    this.#touched.add(sender);
  }

  /** Tells those who are due, and makes sure that the others are told in time. */
  settle(): void {
    if (this.#touched.size === 0) return;
    const touched = this.#touched;
    this.#touched = new Set();
    for (const sender of touched) {
      const settled = sender.settled;
      if (sender.isDue(settled, this.#windowBytes / 4)) this.#tell(sender, settled);
      else if (settled > sender.told) this.#tellLater(sender);
    }
    this.#afterSettling?.();
  }

  /** Once a second: shares the budget among the active, forgets the departed. */
  sweep(): void {
    const publishers = Math.max(1, this.#active.size);
    const share = Math.floor(HOST_WINDOW_BUDGET_BYTES / publishers);
    this.#windowBytes = Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, share));
    this.#active = new Set();
    const now = this.#clock.now();
    for (const [sender, since] of this.#detached) if (now - since > SENDER_SILENCE) this.#close(sender);
  }

  stop(): void {
    this.#lazyTimer?.cancel();
  }

  /**
   * Asks for all acknowledgements that are owed. Resolves when every publisher was told that what it has sent so far is
   * settled, at most after `timeout` ms.
   */
  whenSettled(timeout: number): Promise<void> {
    const waiting = [...this.#senders.values()]
      .filter(({ session, relayed, told }) => session !== undefined && relayed > told)
      .map((sender) => ({ sender, upTo: sender.relayed }));
    if (waiting.length === 0) return Promise.resolve();
    for (const { sender } of waiting) this.hasten(sender);
    const isOver = (): boolean =>
      waiting.every(({ sender, upTo }) => sender.session === undefined || sender.told >= upTo);
    const told = new Promise<void>((resolve) => {
      this.#afterSettling = () => isOver() && resolve();
    });
    return atMost(this.#clock, timeout, told);
  }

  /** Tells those who would be told in time: the host ends, and the next one would be sent all that again. */
  tellAll(): void {
    this.settle();
    this.#tellLazy();
  }

  #close(sender: Sender): void {
    sender.releaseAll();
    this.#detached.delete(sender);
    this.#touched.delete(sender);
    this.#lazy.delete(sender);
    this.#active.delete(sender);
    this.#senders.delete(peerKey(sender.peerId));
  }

  #tell(sender: Sender, settled: number): void {
    const { session } = sender;
    if (session === undefined) return;
    const receipts = sender.tell(settled);
    const settling = { upTo: settled, windowBytes: this.#windowBytes, receipts };
    this.#outlet.post(session, controlFrame('SETTLED', this.#hostId.bytes, settling));
  }

  #tellLater(sender: Sender): void {
    this.#lazy.add(sender);
    this.#lazyTimer ??= this.#clock.setTimer(LAZY_ACK_DELAY, () => {
      this.#lazyTimer = undefined;
      this.#tellLazy();
      this.#outlet.flush();
    });
  }

  #tellLazy(): void {
    const lazy = this.#lazy;
    this.#lazy = new Set();
    for (const late of lazy) if (late.settled > late.told) this.#tell(late, late.settled);
  }
}
