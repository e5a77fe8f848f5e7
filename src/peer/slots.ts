// The slots of one Bus: makes them of what callers ask for, keeps them in the inbox, and turns what happens to them
// into events.
import { SLOT_CAPACITY, SLOT_CAPACITY_BYTES, STALL_TIMEOUT, STALL_TIMEOUT_MAX } from '../limits.js';
import type { Clock } from '../util/clock.js';
import type { PeerInfo } from '../wire/presence.js';
import type { BusEvent, SubscribeOptions } from './api.js';
import type { Inbox } from './inbox.js';
import type { Message } from './message.js';
import { checkFlag, checkGroup, checkNumber, checkOptions, checkSignal, checkWord } from './options.js';
import { PresenceWatch } from './presence-watch.js';
import type { Registrations } from './registrations.js';
import { type Blame, OpenSlot, type SlotOwner } from './slot.js';
import { SlotWatch } from './slot-watch.js';

export interface SlotsOptions {
  clock: Clock;
  inbox: Inbox;
  registrations: Registrations;
  maxMessageBytes: number;
  emit(event: BusEvent): void;
  /** Asks the host who is on the bus. */
  listPeers(): Promise<PeerInfo[]>;
}

const OPTIONS = [
  'group',
  'capacity',
  'capacityBytes',
  'overflow',
  'stallTimeout',
  'retained',
  'gaps',
  'signal',
];
const POLICIES = ['wait', 'drop-oldest', 'drop-newest', 'drop-incoming', 'conflate'] as const;
const PRESENCE_PATTERN = '$presence.*';

export class Slots {
  readonly #options: SlotsOptions;
  readonly #watch: SlotWatch;
  #presence: OpenSlot | undefined;
  #isPresenceWanted = false;
  readonly #presenceWatch: PresenceWatch;

  constructor(options: SlotsOptions) {
    this.#options = options;
    this.#watch = new SlotWatch(options.clock);
    this.#presenceWatch = new PresenceWatch({
      clock: options.clock,
      list: () => options.listPeers(),
      emit: (event) => options.emit(event),
    });
  }

  /** Those that the program opened. */
  all(): OpenSlot[] {
    return [...this.#options.inbox.slots()].filter((slot) => slot !== this.#presence);
  }

  /** @throws MAILSLOT_INVALID_OPTION, MAILSLOT_QUOTA_EXCEEDED, MAILSLOT_CLOSED; `signal.reason` */
  async open(pattern: string, options: SubscribeOptions): Promise<OpenSlot> {
    const settings = checkSubscribeOptions(options);
    const slot = this.#make(pattern, settings, this.#owner);
    await this.#register(slot, options);
    return slot;
  }

  /** Runs a handler for as long as the slot is open, whatever it throws. */
  consume(slot: OpenSlot, handler: (message: unknown) => unknown): void {
    const guarded = async (message: unknown): Promise<void> => {
      try {
        await handler(message);
      } catch (error) {
        this.#options.emit({ type: 'handler-failed', pattern: slot.pattern, error });
      }
    };
    void slot.consume(guarded);
  }

  /** Follows what the host says of peers coming and going, once somebody wants to know. */
  watchPresence(): void {
    if (this.#presence !== undefined) return;
    this.#isPresenceWanted = true;
    const settings = checkSubscribeOptions({ overflow: 'drop-oldest' });
    const owner = {
      ...this.#owner,
      gap: () => {},
      closed: (slot: OpenSlot) => this.#options.inbox.remove(slot),
    };
    this.#presence = this.#make(PRESENCE_PATTERN, settings, owner);
    // where no host was found for too long, the next link brings another slot
    this.#register(this.#presence, { retained: false }).catch(() => {
      this.#presence = undefined;
    });
    void this.#presence.consume((item) => {
      const { subject, data } = item as Message;
      this.#presenceWatch.take(subject, data);
    });
    void this.#presenceWatch.refresh();
  }

  /** OPEN came: who is on the bus may be others than before. */
  linkOpened(): void {
    if (this.#presence !== undefined) void this.#presenceWatch.refresh();
    else if (this.#isPresenceWanted) this.watchPresence();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#options.inbox.slots()].map((slot) => slot.close()));
    this.#watch.stop();
  }

  readonly #owner: SlotOwner = {
    taken: () => this.#options.inbox.taken(),
    gap: (slot: OpenSlot, missed: number | undefined, blame?: Blame) =>
      this.#options.emit({ type: 'gap', pattern: slot.pattern, missed, ...blame }),
    full: (slot: OpenSlot) => {
      this.#options.inbox.crowded(slot);
      this.#watch.full(slot);
    },
    slow: (slot: OpenSlot) =>
      this.#options.emit({ type: 'slow-slot', pattern: slot.pattern, waiting: slot.waiting }),
    leaving: () => this.#options.inbox.acknowledgeNow(),
    left: (slot: OpenSlot) => {
      this.#options.inbox.detach(slot);
      this.#options.registrations.forget(slot.id);
    },
    closed: (slot: OpenSlot, unread: number) => {
      this.#options.inbox.remove(slot);
      this.#watch.forget(slot);
      this.#options.emit({ type: 'slot-closed', pattern: slot.pattern, unread });
    },
  };

  #make(pattern: string, settings: ReturnType<typeof checkSubscribeOptions>, owner: SlotOwner): OpenSlot {
    const { clock, maxMessageBytes, inbox, registrations } = this.#options;
    const slot = new OpenSlot({
      ...settings,
      id: registrations.nextId(),
      pattern,
      maxMessageBytes,
      clock,
      owner,
    });
    inbox.add(slot);
    return slot;
  }

  #register(slot: OpenSlot, { retained = true, signal }: SubscribeOptions): Promise<void> {
    const { id, pattern, group } = slot;
    // a member shares messages; what was kept is nobody's in particular
    const isMember = group !== undefined;
    const spec = { id, role: 'slot', pattern, ...(isMember ? { group } : { retained }) } as const;
    return this.#options.registrations.register(spec, () => slot.close(), signal);
  }
}

function checkSubscribeOptions(options: SubscribeOptions) {
  const call = 'subscribe';
  checkOptions(options, call, OPTIONS);
  const {
    capacity = SLOT_CAPACITY,
    capacityBytes = SLOT_CAPACITY_BYTES,
    stallTimeout = STALL_TIMEOUT,
  } = options;
  const { group, overflow = 'wait', retained = true, gaps = false, signal } = options;
  checkNumber(capacity, { call, option: 'capacity', min: 1, max: Number.MAX_SAFE_INTEGER });
  checkNumber(capacityBytes, { call, option: 'capacityBytes', min: 1, max: Number.MAX_SAFE_INTEGER });
  checkNumber(stallTimeout, { call, option: 'stallTimeout', min: 1, max: STALL_TIMEOUT_MAX });
  checkWord(overflow, { call, option: 'overflow', words: POLICIES });
  if (group !== undefined) checkGroup(group, call);
  checkFlag(retained, { call, option: 'retained' });
  checkFlag(gaps, { call, option: 'gaps' });
  checkSignal(signal, call);
  signal?.throwIfAborted();
  return { group, capacity, capacityBytes, stallTimeout, overflow, gaps };
}
