// Who gets what: the patterns of all slots and responders, and for each subject seen lately the peers that get
// its messages. Sets of peers are shared between subjects, so that "the same receivers as the last frame" is one
// comparison.
import { FrameFault } from '../wire/frame.js';
import { isSubject, PatternTrie } from '../wire/subject.js';
import { SubjectCache } from '../wire/subject-cache.js';
import type { Registration, Session } from './session.js';

/** The peers that get a message. Equal sets are the same object until a registration changes. */
export class Targets {
  readonly sessions: readonly Session[];
  #without: { session: Session; targets: Targets } | undefined;

  constructor(sessions: readonly Session[]) {
    this.sessions = sessions;
  }

  /** The same peers without one (the last answer is kept: senders without echo come in runs). */
  without(session: Session): Targets {
    if (this.#without?.session !== session) {
      const targets = new Targets(this.sessions.filter((other) => other !== session));
      this.#without = { session, targets };
    }
    return this.#without.targets;
  }

  /** Only this peer, if it is among them. */
  only(session: Session | undefined): Targets {
    return new Targets(this.sessions.filter((other) => other === session));
  }
}

export class Routes {
  readonly #slots = new PatternTrie<Registration>();
  readonly #responders = new PatternTrie<Registration>();
  readonly #cache: SubjectCache<Targets>;
  readonly #interned = new Map<string, Targets>();

  constructor(seed: number) {
    this.#cache = new SubjectCache((subject) => this.#resolve(checked(subject)), { seed });
  }

  add(registration: Registration): void {
    this.#trieOf(registration).add(registration.pattern, registration);
    this.#forget(registration);
  }

  remove(registration: Registration): void {
    this.#trieOf(registration).remove(registration.pattern, registration);
    this.#forget(registration);
  }

  /**
   * The peers with a slot for the subject whose bytes lie there.
   * @throws FrameFault when a peer may not publish on it
   */
  targets(bytes: Uint8Array, subjectAt: number, subjectLength: number): Targets {
    return this.#cache.lookup(bytes, subjectAt, subjectLength);
  }

  /** The peers with a slot for this subject. */
  targetsOf(subject: string): Targets {
    return this.#resolve(subject);
  }

  slotsOf(subject: string, session: Session): Registration[] {
    return this.#slots.match(subject).filter((slot) => slot.session === session);
  }

  respondersOf(subject: string): Registration[] {
    return this.#responders.match(subject);
  }

  #trieOf(registration: Registration): PatternTrie<Registration> {
    return registration.role === 'slot' ? this.#slots : this.#responders;
  }

  #forget(registration: Registration): void {
    if (registration.role !== 'slot') return;
    this.#cache.clear();
    this.#interned.clear();
  }

  #resolve(subject: string): Targets {
    const sessions = new Set(this.#slots.match(subject).map((slot) => slot.session));
    const sorted = [...sessions].sort((a, b) => a.serial - b.serial);
    const key = sorted.map((session) => session.serial).join();
    const known = this.#interned.get(key);
    if (known !== undefined) return known;
    const targets = new Targets(sorted);
    this.#interned.set(key, targets);
    return targets;
  }
}

// Here a subject is looked at once, not with every message: a `*` in one would find slots twice.
function checked(subject: string): string {
  if (isSubject(subject)) return subject;
  throw new FrameFault(`${JSON.stringify(subject)} is not a subject to publish on`);
}
