// Who is on the bus: the answer to the query `$peers`, and the messages `$presence.joined` and `$presence.left`.
import type { RosterEntry } from '../transport/roster.js';
import { encodeFrame, Kind } from '../wire/frame.js';
import type { PeerId } from '../wire/peer-id.js';
import type { LeaveCause, PeerInfo } from '../wire/presence.js';
import { encodeValue } from '../wire/values.js';
import type { Outlet } from './outlet.js';
import type { Session } from './session.js';

export interface PresenceOptions {
  hostId: PeerId;
  /** The peer in whose process the host runs. */
  ownerId: PeerId | undefined;
  outlet: Outlet;
  sessions(): Iterable<Session>;
  receiversOf(subject: string): readonly Session[];
  nextOrder(): number;
  wallTime(): number;
  /** The host has said this. */
  onSaid(frame: Buffer): void;
}

export class Presence {
  readonly #options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Answers `$peers`; undefined for every other subject. */
  answer(subject: string): Uint8Array | undefined {
    if (subject !== '$peers') return undefined;
    return Uint8Array.from(encodeValue(this.present().map((session) => this.#describe(session))));
  }

  /** Those who are on the bus, as far as others are told. */
  present(): Session[] {
    return [...this.#options.sessions()].filter(({ state, isSilent }) => state === 'open' && !isSilent);
  }

  joined(session: Session): void {
    this.#announce('$presence.joined', this.#describe(session));
  }

  left(session: Session, cause: LeaveCause): void {
    this.#announce('$presence.left', { ...this.#describe(session), cause });
  }

  /** A peer of the epoch before has not come back. Its label and the rest of it went with its host. */
  absent({ id, pid }: RosterEntry): void {
    const rest = { label: '', hosting: false, connectedAt: 0, slots: 0, responders: 0 };
    this.#announce('$presence.left', { id, pid, ...rest, cause: 'crashed' });
  }

  #describe(session: Session): PeerInfo {
    const registrations = [...session.registrations.values()];
    const responders = registrations.filter((one) => one.role === 'responder').length;
    return {
      id: session.peerId.hex,
      label: session.join?.label ?? '',
      pid: session.join?.pid ?? 0,
      hosting: session.peerId.hex === this.#options.ownerId?.hex,
      connectedAt: session.connectedAt,
      slots: registrations.filter((one) => one.role === 'slot' && !one.pattern.startsWith('$')).length,
      responders,
    };
  }

  #announce(subject: string, info: object): void {
    const receivers = this.#options.receiversOf(subject);
    if (receivers.length === 0) return;
    const frame = encodeFrame({
      kind: Kind.publish,
      sender: this.#options.hostId.bytes,
      order: this.#options.nextOrder(),
      time: this.#options.wallTime(),
      subject,
      data: encodeValue(info),
    });
    for (const session of receivers) this.#options.outlet.post(session, frame);
    this.#options.onSaid(frame);
  }
}
