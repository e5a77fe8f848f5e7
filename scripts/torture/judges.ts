// What the parts that count something hold against it: each returns everything that is wrong, one line each. Times are
// judged by their middle and generously, since a busy machine is late and no fault of the bus; how near they come to the aims
// is printed for people.
import { middle, type Tally, tallyQuantile } from './figures.js';

/** ms a deadline may be late, in 999 of 1,000 cases on an idle machine. */
export const LATEST_DEADLINE = 50;
/** What may become of a query while hosts and responders are killed. */
const OUTCOMES = ['answered', 'MAILSLOT_TIMEOUT', 'MAILSLOT_RESPONDER_LOST', 'nobody to keep silent'];

export interface QueryAccount {
  settled: number;
  hanging: number;
  /** Handled a second time by the same process. */
  repeated: number;
  outcomes: Tally;
  /** How many outcomes came so many ms after the deadline, or at it. */
  late: Tally;
}

export function faultsOfQueries({ settled, hanging, repeated, outcomes, late }: QueryAccount): string[] {
  const faults = [...outcomes]
    .filter(([what]) => !OUTCOMES.includes(what))
    .map(([what, count]) => `${count} queries ended with ${what}`);
  const total = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  if (total !== settled) faults.push(`${settled} queries have ${total} outcomes`);
  if (hanging > 0) faults.push(`${hanging} queries hang`);
  if (repeated > 0) faults.push(`${repeated} queries were handled twice`);
  // somebody never answers
  if (settled > 0 && late.size === 0) faults.push('no query has reached its deadline');
  if (tallyQuantile(late, 0.5) > LATEST_DEADLINE) faults.push('most deadlines are late');
  return faults;
}

/** What one slow reader counted, and what its slot says. */
export interface SlotReading {
  overflow: string;
  delivered: number;
  announced: number;
  missed: number;
  /** Numbers that were not higher than the one before. */
  disordered: number;
}

/** A slot that nobody reads may hold the publisher up for so many times its stallTimeout, on a busy machine. */
const PATIENCE_WITH_STALLS = 3;

export interface SlotsAccount {
  published: number;
  readings: readonly SlotReading[];
  /** How often somebody joined and read its share. */
  joins: number;
  /** ms for which the publisher stood still, at the longest. */
  standstill: number;
  stallTimeout: number;
}

export function faultsOfSlots(account: SlotsAccount): string[] {
  const { published, readings, joins, standstill, stallTimeout } = account;
  const faults: string[] = [];
  if (joins === 0) faults.push('nobody who joined got what it was to read');
  for (const { overflow, delivered, announced, missed, disordered } of readings) {
    if (delivered + announced !== published)
      faults.push(
        `${overflow}: ${delivered} were delivered and ${announced} announced of ${published} messages`,
      );
    if (announced !== missed)
      faults.push(`${overflow}: ${announced} were announced, the slot says ${missed}`);
    if (disordered > 0) faults.push(`${overflow}: ${disordered} messages came after a later one`);
    if (overflow === 'wait' && announced > 0)
      faults.push(`${overflow}: ${announced} were dropped, although somebody reads`);
  }
  if (standstill > PATIENCE_WITH_STALLS * stallTimeout)
    faults.push(`the publisher stood still for ${standstill.toFixed(0)} ms`);
  return faults;
}

/** ms until others hear of a kill, at least in every other case. */
const LATEST_NEWS = 100;
/** …and heartbeats, of a suspension. */
const MOST_HEARTBEATS = 3;

export interface PresenceAccount {
  /** ms, from each kill until others heard of it; below 0 when they heard of it before. */
  crashes: readonly number[];
  /** The same of suspensions, in heartbeats. */
  suspensions: readonly number[];
}

export function faultsOfPresence({ crashes, suspensions }: PresenceAccount): string[] {
  const faults: string[] = [];
  const early = [...crashes, ...suspensions].filter((time) => time < 0).length;
  if (early > 0) faults.push(`${early} processes were said to be gone while they were there`);
  if (middle(crashes) > LATEST_NEWS) faults.push('most news of a kill come late');
  if (middle(suspensions) > MOST_HEARTBEATS) faults.push('most news of a suspension come late');
  return faults;
}
