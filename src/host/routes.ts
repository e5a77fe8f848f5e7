// Who gets what: the patterns of all slots and responders, and for each subject seen lately the peers that get
// its messages. Sets of peers are shared between subjects, so that "the same receivers as the last frame" is one
// comparison.
import { FrameFault } from '../wire/frame.js';
import { isSubject, PatternTrie } from '../wire/subject.js';
import { SubjectCache } from '../wire/subject-cache.js';
import type { Registration, Session } from './session.js';

/** Slots of one name, of which one gets a message. */
export interface Group {
  readonly name: string;
  readonly members: readonly Registration[];
}

/** Where there are groups: who they are, and the plain slots that a NOTE has to name beside a member. */
export interface Grouping {
  readonly groups: readonly Group[];
  readonly plain: readonly Registration[];
  /** Set for one message only: the members that it was assigned to. */
  readonly chosen?: readonly Registration[];
}

/** The peers that get a message. Equal sets are the same object until a registration changes. */
export class Targets {
  readonly sessions: readonly Session[];
  /** Undefined where no group wants the subject. */
  readonly grouping: Grouping | undefined;
  #without: { session: Session; targets: Targets } | undefined;

  constructor(sessions: readonly Session[], grouping?: Grouping) {
    this.sessions = sessions;
    this.grouping = grouping;
  }

  /** The same peers without one (the last answer is kept: senders without echo come in runs). */
  without(session: Session): Targets {
    if (this.#without?.session !== session) {
      const targets = this.#filter((other) => other !== session);
      this.#without = { session, targets };
    }
    return this.#without.targets;
  }

  /** Only this peer, if it is among them. */
  only(session: Session | undefined): Targets {
    return this.#filter((other) => other === session);
  }

  #filter(isKept: (session: Session) => boolean): Targets {
    const { grouping } = this;
    return new Targets(this.sessions.filter(isKept), grouping && filterGroups(grouping, isKept));
  }
}

function filterGroups({ groups, plain }: Grouping, isKept: (session: Session) => boolean): Grouping {
  const among = (slots: readonly Registration[]) => slots.filter(({ session }) => isKept(session));
  return {
    groups: groups
      .map(({ name, members }) => ({ name, members: among(members) }))
      .filter(({ members }) => members.length > 0),
    plain: among(plain),
  };
}

/** What a query's subject leads to. */
export interface Answerers {
  readonly subject: string;
  /** Undefined when peers do not answer on it: it belongs to the host, or is no subject at all. */
  readonly responders: readonly Registration[] | undefined;
}

export class Routes {
  readonly #slots = new PatternTrie<Registration>();
  readonly #responders = new PatternTrie<Registration>();
  readonly #cache: SubjectCache<Targets>;
  readonly #answerers: SubjectCache<Answerers>;
  readonly #interned = new Map<string, Targets>();

  constructor(seed: number) {
    this.#cache = new SubjectCache((subject) => this.#resolve(checked(subject)), { seed });
    this.#answerers = new SubjectCache((subject) => this.#resolveQuery(subject), { seed });
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

  /** The slots of this peer that get every message on the subject. */
  slotsOf(subject: string, session: Session): Registration[] {
    return this.#slots.match(subject).filter((slot) => slot.session === session && slot.group === undefined);
  }

  membersOf(subject: string, group: string): Registration[] {
    return this.#slots.match(subject).filter((slot) => slot.group === group);
  }

  /** Who answers on the subject whose bytes lie there. */
  answerers(bytes: Uint8Array, subjectAt: number, subjectLength: number): Answerers {
    return this.#answerers.lookup(bytes, subjectAt, subjectLength);
  }

  #trieOf(registration: Registration): PatternTrie<Registration> {
    return registration.role === 'slot' ? this.#slots : this.#responders;
  }

  #forget(registration: Registration): void {
    if (registration.role !== 'slot') return this.#answerers.clear();
    this.#cache.clear();
    this.#interned.clear();
  }

  #resolveQuery(subject: string): Answerers {
    const responders = isSubject(subject) ? this.#responders.match(subject) : undefined;
    return { subject, responders };
  }

  #resolve(subject: string): Targets {
    const matching = this.#slots.match(subject);
    const plain = matching.filter((slot) => slot.group === undefined);
    const sessions = new Set(plain.map((slot) => slot.session));
    const sorted = [...sessions].sort((a, b) => a.serial - b.serial);
    if (plain.length < matching.length) return new Targets(sorted, { groups: groupsIn(matching), plain });
    const key = sorted.map((session) => session.serial).join();
    const known = this.#interned.get(key);
    if (known !== undefined) return known;
    const targets = new Targets(sorted);
    this.#interned.set(key, targets);
    return targets;
  }
}

function groupsIn(slots: readonly Registration[]): Group[] {
  const groups = new Map<string, Registration[]>();
  for (const slot of slots) {
    if (slot.group === undefined) continue;
    groups.set(slot.group, [...(groups.get(slot.group) ?? []), slot]);
  }
  return [...groups].map(([name, members]) => ({ name, members }));
}

// Here a subject is looked at once, not with every message: a `*` in one would find slots twice.
function checked(subject: string): string {
  if (isSubject(subject)) return subject;
  throw new FrameFault(`${JSON.stringify(subject)} is not a subject to publish on`);
}
