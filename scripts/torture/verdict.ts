// What a crew's accounts come to: which messages are missing without a word, which came twice, who hosted beside whom, and
// whether there was a reason for each gap of unknown size. The rules are those of test/history/checker.ts.
import { type Account, type Crew, type Member, machineTime } from './crew.js';
import { sum } from './figures.js';

/** Something that ended a reign: a host killed, suspended or cut off. */
export interface Upheaval {
  epoch: number;
  /** On the machine's clock, and as orders count: µs since 1970. */
  at: number;
  order: number;
}

export interface Verdict {
  /** Sums over all members, those that were killed included. */
  published: number;
  delivered: number;
  repeats: number;
  lost: number;
  doubled: number;
  disordered: number;
  /** Messages that drop-oldest slots said to be missing. */
  announced: number;
  /** Gaps of unknown size by their reason. */
  gaps: Map<string, number>;
  /** Reigns that ended though nobody ended them, and why their peers left: a machine that is too busy does that. */
  unprovoked: string[];
  /** Everything that is wrong. */
  faults: string[];
}

const MOST_FAULTS = 20;

/** A nap or lag of more than this can keep a peer out of a gate, or make it doubt. */
const LONG_ABSENCE = 1_000;
/** So long an absence stays a reason for a gap. */
const AFTERMATH = 15_000;
/** A gate waits 2 s for those who live; a little less, because files and processes have not quite the same clock. */
const GATE_WAIT = 1_950;
/** A peer that was not awake for 5 s doubts what it has read; lag is measured a little short. */
const SLOW_READING = 4_500;
/** Members that read OPEN at once report that at most so far apart; who comes later came after it. */
const OPEN_SPREAD = 100;

/** Lets everybody finish, and judges. */
export async function conclude(crew: Crew, upheavals: readonly Upheaval[]): Promise<Verdict> {
  await Promise.all(crew.living.map((member) => member.ready()));
  const having = (what: 'publish' | 'slot') => crew.living.filter(({ task }) => task[what] !== undefined);
  await Promise.all(having('publish').map((member) => member.finish()));
  await Promise.all(having('slot').map((member) => member.tellAccount()));
  return judge(crew, upheavals);
}

export function describeVerdict(verdict: Verdict): string {
  const { published, delivered, repeats, lost, doubled, disordered, announced, gaps, unprovoked } = verdict;
  const reasons = [...gaps].map(([reason, count]) => `${count} ${reason}`).join(', ');
  return [
    `${published} messages published, ${delivered} delivered, ${repeats} repeats dropped`,
    `${lost} lost, ${doubled} doubled, ${disordered} out of order, ${announced} announced as missing`,
    `gaps of unknown size: ${reasons || 'none'}`,
    `take-overs that nobody caused: ${unprovoked.join(' | ') || 'none'}`,
  ].join('\n');
}

/** Throws them, if there are any. */
export function refuse(faults: readonly string[]): void {
  if (faults.length === 0) return;
  const more = faults.length > MOST_FAULTS ? [`… and ${faults.length - MOST_FAULTS} more`] : [];
  throw new Error([...faults.slice(0, MOST_FAULTS), ...more].join('\n'));
}

/** To be called when every living member has told its account. */
function judge(crew: Crew, provoked: readonly Upheaval[]): Verdict {
  const { members } = crew;
  const unprovoked = unprovokedEnds(crew, provoked);
  const upheavals = [...provoked, ...unprovoked];
  const total = (of: (member: Member) => number): number => sum(members.map(of));
  const slots = members.flatMap((member) =>
    member.account ? [judgeSlot(members, member, member.account)] : [],
  );
  const gaps = new Map<string, number>();
  const unexcused: string[] = [];
  for (const member of members) {
    unexcused.push(...unreadInTime(member));
    for (const gap of member.gaps) {
      const reason = reasonOf(crew, member, gap, upheavals);
      gaps.set(reason ?? 'none', (gaps.get(reason ?? 'none') ?? 0) + 1);
      if (reason === undefined)
        unexcused.push(`${nameOf(member)}: a gap of unknown size in epoch ${gap.epoch} for no known reason`);
    }
  }
  return {
    published: total(({ figures }) => figures.published),
    delivered: total(({ figures }) => figures.reads),
    repeats: total(({ figures }) => figures.duplicates),
    lost: sum(slots.map(({ lost }) => lost)),
    doubled: total(({ figures }) => figures.doubled),
    disordered: total(({ figures }) => figures.late + figures.disordered),
    announced: total(({ account }) => account?.announced ?? 0),
    gaps,
    unprovoked: unprovoked.map(({ epoch, cause }) => `epoch ${epoch}: ${cause}`),
    faults: [
      ...crew.faults,
      ...slots.flatMap(({ faults }) => faults),
      ...unexcused,
      ...doubleHosts(members),
      ...doubleOrders(members, boundariesOf(crew, upheavals)),
    ],
  };
}

/**
 * Messages whose file was gone. That may happen to what is still in the socket of a host that was replaced, when those who were
 * in time have taken it already: then its reader is late, and is told so.
 */
export function unreadInTime(member: Member): string[] {
  const isLate = (at: number): boolean => member.gaps.some((gap) => Math.abs(gap.at - at) < AFTERMATH);
  return member.unread
    .filter(({ at }) => !isLate(at))
    .map(({ missed, reason }) => `${nameOf(member)}: lost ${missed} messages and was not late: ${reason}`);
}

/** How many messages are missing without a word, and how many were announced that cannot be missing. */
export function judgeSlot(
  members: readonly Member[],
  reader: Member,
  account: Account,
): { lost: number; excess: number; faults: string[] } {
  let { holes, leeway } = account;
  for (const sender of members) {
    const due = dueOf(reader, sender, account);
    holes += due.holes;
    leeway += due.leeway;
  }
  const { announced } = account;
  const { pattern, options } = reader.task.slot!;
  const [lost, excess] = [Math.max(0, holes - announced), Math.max(0, announced - holes - leeway)];
  const name = `${nameOf(reader)}: slot ${pattern}`;
  const faults: string[] = [];
  if (lost > 0) faults.push(`${name} lacks ${holes} messages, of which ${announced} were announced`);
  if (excess > 0) faults.push(`${name} announces ${announced}, ${excess} more than can be missing`);
  const dropped = announced - sum(reader.unread.map(({ missed }) => missed));
  if (options.overflow !== 'drop-oldest' && dropped > 0)
    faults.push(`${name} dropped ${dropped} messages although it waits`);
  return { lost, excess, faults };
}

/** What one sender's first and last messages add: they are due, or nobody can say. */
function dueOf(reader: Member, sender: Member, account: Account): { holes: number; leeway: number } {
  const none = { holes: 0, leeway: 0 };
  if (sender.task.publish === undefined || !matches(reader, sender)) return none;
  const wasThere = reader.readyAt < sender.startedAt;
  const known = account.senders.find(({ sender: id }) => id === sender.id);
  const { first, next, isDue, isExcused } = known ?? {
    first: 1,
    next: 1,
    isDue: wasThere && account.unknownGaps === 0,
    isExcused: true,
  };
  // of who was killed only what it had a receipt for is due
  const tail = Math.max(0, (sender.total ?? sender.figures.confirmed) + 1 - next);
  const headIsDue = wasThere && !isExcused;
  return {
    holes: (headIsDue ? first - 1 : 0) + (isDue ? tail : 0),
    leeway: (headIsDue ? 0 : first - 1) + (isDue ? 0 : tail),
  };
}

function matches(reader: Member, sender: Member): boolean {
  const [steps, tokens] = [reader.task.slot!.pattern.split('.'), sender.task.publish!.subject.split('.')];
  return steps.length === tokens.length && steps.every((step, at) => step === '*' || step === tokens[at]);
}

/** Why this peer may show a gap of unknown size; undefined when nothing explains it. */
function reasonOf(
  crew: Crew,
  member: Member,
  gap: { epoch: number; lag: number; at: number },
  upheavals: readonly Upheaval[],
): string | undefined {
  const { connections, disconnections, naps } = member;
  const nap = naps.some(
    ({ from, to }) => to - from > LONG_ABSENCE && from < gap.at && gap.at - to < AFTERMATH,
  );
  if (nap) return 'suspended';
  const joined = connections.find(({ epoch, at }) => epoch === gap.epoch && at < gap.at);
  if (joined === undefined) return undefined;
  const before = connections[connections.indexOf(joined) - 1]?.epoch ?? 0;
  if (connections.filter(({ epoch }) => epoch === gap.epoch).length > 1) return 'came back to the same host';
  const openings = openingsOf(crew);
  if ([...openings.keys()].some((epoch) => before < epoch && epoch < gap.epoch)) return 'skipped an epoch';
  const left = disconnections.find(({ epoch }) => epoch === before);
  const end = upheavals.find(({ epoch }) => epoch === before);
  if (left !== undefined && end !== undefined && left.at < end.at) return 'had left before the host ended';
  if (gap.lag > SLOW_READING) return 'was not awake for seconds';
  const opening = openings.get(gap.epoch)!;
  const isLate = joined.at - opening > OPEN_SPREAD || gap.lag > LONG_ABSENCE;
  // nobody is late at a gate that has not waited its time
  const hasWaited = opening - (crew.pointers.get(gap.epoch) ?? Number.NEGATIVE_INFINITY) > GATE_WAIT;
  if (isLate && hasWaited) return 'came when the gate was open';
  return undefined;
}

/** Reigns that have a successor, but were ended by no part. */
function unprovokedEnds(crew: Crew, provoked: readonly Upheaval[]): (Upheaval & { cause: string })[] {
  const epochs = [...openingsOf(crew).keys()].sort((a, b) => a - b);
  const ended = epochs.slice(0, -1).filter((epoch) => !provoked.some((one) => one.epoch === epoch));
  const toOrder = Date.now() - machineTime();
  return ended.map((epoch) => {
    const ends = crew.members.flatMap(({ disconnections }) =>
      disconnections.filter((one) => one.epoch === epoch),
    );
    const at = Math.min(...ends.map((end) => end.at));
    const causes = new Set(ends.map(({ cause }) => cause ?? 'the link ended'));
    return { epoch, at, order: (at + toOrder) * 1_000, cause: [...causes].join('; ') };
  });
}

/** When each epoch opened: when the first member was connected to it. */
export function openingsOf(crew: Crew): Map<number, number> {
  const openings = new Map<number, number>();
  for (const { connections } of crew.members) {
    for (const { epoch, at } of connections)
      openings.set(epoch, Math.min(at, openings.get(epoch) ?? Number.POSITIVE_INFINITY));
  }
  return openings;
}

/** An epoch has one host, and nobody goes back to an earlier one. */
function doubleHosts(members: readonly Member[]): string[] {
  const faults: string[] = [];
  const hosts = new Map<number, Member>();
  for (const member of members) {
    let last = 0;
    for (const { epoch, hosting } of member.connections) {
      if (epoch < last) faults.push(`${nameOf(member)} went from epoch ${last} back to ${epoch}`);
      last = epoch;
      if (!hosting) continue;
      const other = hosts.get(epoch) ?? member;
      if (other !== member) faults.push(`${nameOf(member)} hosts epoch ${epoch}, and ${nameOf(other)} too`);
      hosts.set(epoch, member);
    }
  }
  return faults;
}

/**
 * Orders at which one epoch may have ended and the next begun: when something was done to a host, and when its successor
 * showed, for a host whose endpoint was deleted relays until it notices.
 */
function boundariesOf(crew: Crew, upheavals: readonly Upheaval[]): number[] {
  const toOrder = Date.now() - machineTime();
  const successions = [...crew.pointers.values()].map((at) => (at + toOrder) * 1_000);
  return [...upheavals.map(({ order }) => order), ...successions];
}

/** A message has one order within an epoch: where it has two, a reign ended between them. An order has one message. */
function doubleOrders(members: readonly Member[], boundaries: readonly number[]): string[] {
  const faults: string[] = [];
  const orders = new Map<string, number>();
  const messages = new Map<number, string>();
  for (const [sender, sequence, order] of members.flatMap(({ samples }) => samples)) {
    const message = `${sender} ${sequence}`;
    const known = orders.get(message) ?? order;
    const [low, high] = [Math.min(known, order), Math.max(known, order)];
    const isExplained = low === high || boundaries.some((end) => low <= end && end <= high);
    if (!isExplained) faults.push(`message ${message} has the orders ${low} and ${high} in one epoch`);
    orders.set(message, order);
    const other = messages.get(order) ?? message;
    if (other !== message) faults.push(`order ${order} is that of ${message} and of ${other}`);
    messages.set(order, message);
  }
  return faults;
}

function nameOf({ task, id }: Member): string {
  return `${task.label} (${id})`;
}
