// The gate: whom it waits for, how long, and who is told that messages may have passed by.
import { describe, expect, it } from 'vitest';
import { Gate } from '../../src/host/gate.js';
import { BLIND_GATE_TIMEOUT, GATE_LOOK_INTERVAL, GATE_TIMEOUT, STALL_THRESHOLD } from '../../src/limits.js';
import type { Roster, RosterEntry } from '../../src/transport/roster.js';
import type { Join } from '../../src/wire/control.js';
import { type PeerId, peerIdAt } from '../../src/wire/peer-id.js';
import { ManualClock } from '../support/manual-clock.js';

const LAST = 41;
const NAMESPACE = 'pid:[1]';

function peer(name: string): PeerId {
  return peerIdAt(Buffer.from(name.padEnd(8)), 0);
}

function entry(name: string, pid: number, changes: Partial<RosterEntry> = {}): RosterEntry {
  return { id: peer(name).hex, pid, pidNamespace: NAMESPACE, mayHost: true, whole: true, ...changes };
}

function joinOf(pid: number, changes: Partial<Join> = {}): Join {
  const counts = { highestOrder: 0, firstUnsettled: 1, lastEpoch: LAST };
  return {
    minor: 0,
    label: '',
    pid,
    pidNamespace: NAMESPACE,
    mayHost: true,
    slots: [],
    ...counts,
    ...changes,
  };
}

interface BenchOptions {
  last: Roster | undefined;
  lastEpoch?: number;
  hung?: number;
}

/** A gate that was started, and everything it did. */
class GateBench {
  readonly clock = new ManualClock();
  readonly gone = new Set<number>();
  readonly opened: number[] = [];
  readonly absent: string[] = [];
  readonly log: string[] = [];
  /** How often somebody was looked at, and how long each look takes. */
  looks = 0;
  lookTakes = 0;
  readonly gate: Gate;

  constructor({ last, lastEpoch = 0, hung }: BenchOptions = { last: roster(entry('a', 1), entry('b', 2)) }) {
    const note = ({ id, whole }: RosterEntry): string =>
      `${Buffer.from(id, 'hex').toString().trim()}:${whole}`;
    this.gate = new Gate({
      clock: this.clock,
      last,
      lastEpoch,
      hung,
      isGone: (pid) => {
        this.looks += 1;
        if (this.lookTakes > 0) this.clock.jump(this.lookTakes);
        return this.gone.has(pid);
      },
      roster: {
        opened: (entries) => this.log.push(`open ${[...entries].map(note).join(' ')}`),
        joined: (one) => this.log.push(`+ ${note(one)}`),
        left: (id) => this.log.push(`- ${Buffer.from(id, 'hex').toString().trim()}`),
        reached: (order) => this.log.push(`^ ${order}`),
      },
      onOpen: (previous, absent) => {
        this.opened.push(previous);
        this.absent.push(...absent.map(({ id }) => Buffer.from(id, 'hex').toString().trim()));
      },
    });
  }

  start(): this {
    this.gate.start();
    return this;
  }

  join(name: string, pid: number, changes: Partial<Join> = {}): void {
    this.gate.joined(peer(name), joinOf(pid, changes));
    this.clock.settle();
  }

  isLate(name: string): boolean {
    return this.gate.isLate(peer(name));
  }
}

function roster(...entries: RosterEntry[]): Roster {
  return { epoch: LAST, entries: new Map(entries.map((one) => [one.id, one])), order: 0 };
}

describe('the gate opens', () => {
  it('at once when there was nobody', () => {
    expect(new GateBench({ last: roster() }).start().opened).toEqual([LAST]);
  });

  it('at once for a newcomer that finds no roster', () => {
    expect(new GateBench({ last: undefined }).start().opened).toEqual([0]);
  });

  it('after one second for a peer that finds no roster', () => {
    const bench = new GateBench({ last: undefined, lastEpoch: LAST }).start();
    bench.join('a', 1);
    bench.clock.advance(BLIND_GATE_TIMEOUT - GATE_LOOK_INTERVAL);
    expect(bench.opened).toEqual([]);
    bench.clock.advance(2 * GATE_LOOK_INTERVAL);
    expect(bench.opened).toEqual([LAST]);
  });

  it('when the last one of the roster has joined, and not before', () => {
    const bench = new GateBench().start();
    bench.join('a', 1);
    bench.join('newcomer', 3, { lastEpoch: 0 });
    expect(bench.opened).toEqual([]);
    bench.join('b', 2);
    expect(bench.opened).toEqual([LAST]);
    expect(bench.log).toEqual(['open a:true newcomer:true b:true']);
  });

  it('when the process of the last one missing is gone', () => {
    const bench = new GateBench().start();
    bench.join('a', 1);
    bench.clock.advance(10 * GATE_LOOK_INTERVAL);
    bench.gone.add(2);
    expect(bench.opened).toEqual([]);
    bench.clock.advance(GATE_LOOK_INTERVAL);
    expect(bench.opened).toEqual([LAST]);
    expect(bench.absent).toEqual(['b']);
  });

  it('after two seconds at most', () => {
    const bench = new GateBench().start();
    bench.join('a', 1);
    bench.clock.advance(GATE_TIMEOUT + GATE_LOOK_INTERVAL);
    expect(bench.opened).toEqual([LAST]);
    expect(bench.absent).toEqual(['b']);
    expect(bench.clock.timers).toBe(0);
  });

  it('later when its own process was suspended meanwhile', () => {
    const bench = new GateBench().start();
    bench.clock.advance(GATE_TIMEOUT / 2);
    bench.clock.jump(GATE_TIMEOUT + STALL_THRESHOLD);
    expect(bench.opened).toEqual([]);
    bench.clock.advance(GATE_TIMEOUT + GATE_LOOK_INTERVAL);
    expect(bench.opened).toEqual([LAST]);
  });

  it('not for one that joined and lost its link again', () => {
    const bench = new GateBench().start();
    bench.join('a', 1);
    bench.gate.left(peer('a'));
    bench.join('b', 2);
    expect(bench.opened).toEqual([]);
    bench.join('a', 1);
    expect(bench.opened).toEqual([LAST]);
  });

  it('without waiting for the peers in the process of a hung host, which count as absent and not as dead', () => {
    const entries = [entry('a', 1), entry('hung', 2), entry('beside', 2)];
    const bench = new GateBench({ last: roster(...entries), hung: 2 }).start();
    expect(bench.opened).toEqual([]);
    bench.join('a', 1);
    expect(bench.opened).toEqual([LAST]);
    expect(bench.absent).toEqual(['hung', 'beside']);
    expect(bench.gate.unaccounted?.map(({ pid }) => pid)).toEqual([2, 2]);
  });

  it('with those of a hung host that have woken in time', () => {
    const bench = new GateBench({ last: roster(entry('a', 1), entry('hung', 2)), hung: 2 }).start();
    bench.join('hung', 2);
    bench.join('a', 1);
    expect(bench.absent).toEqual([]);
    expect(bench.gate.unaccounted).toEqual([]);
    expect(bench.isLate('hung')).toBe(false);
  });

  it('without those of a hung host that have been killed meanwhile', () => {
    const bench = new GateBench({ last: roster(entry('a', 1), entry('hung', 2)), hung: 2 }).start();
    bench.gone.add(2);
    bench.clock.advance(2 * GATE_LOOK_INTERVAL);
    expect(bench.opened).toEqual([]);
    expect(bench.gate.unaccounted?.map(({ pid }) => pid)).toEqual([1]);
  });

  it('after waiting for everybody where the number of a hung process means two of them', () => {
    const elsewhere = entry('elsewhere', 2, { pidNamespace: 'pid:[2]' });
    const bench = new GateBench({ last: roster(entry('hung', 2), elsewhere), hung: 2 }).start();
    expect(bench.opened).toEqual([]);
    bench.clock.advance(GATE_TIMEOUT + GATE_LOOK_INTERVAL);
    expect(bench.opened).toEqual([LAST]);
  });

  it('never once it was stopped', () => {
    const bench = new GateBench().start();
    bench.join('a', 1);
    bench.gate.joined(peer('b'), joinOf(2));
    bench.gate.stop();
    bench.clock.advance(2 * GATE_TIMEOUT);
    expect(bench.opened).toEqual([]);
    expect(bench.log).toEqual([]);
  });

  it('with the highest epoch that anybody has seen as the previous one', () => {
    const bench = new GateBench({ last: roster(entry('a', 1)) }).start();
    bench.join('seer', 3, { lastEpoch: LAST + 1 });
    bench.join('a', 1);
    expect(bench.opened).toEqual([LAST + 1]);
    expect([bench.isLate('seer'), bench.isLate('a')]).toEqual([false, true]);
  });
});

describe('late is', () => {
  it.each<[string, boolean, Partial<Join>, RosterEntry[]]>([
    ['not who was on the bus when its host died', false, {}, [entry('x', 9)]],
    ['not a newcomer', false, { lastEpoch: 0 }, []],
    ['who was on the bus, but not when its host died', true, {}, []],
    ['who knows it itself', true, { late: true }, [entry('x', 9)]],
    [
      'not who had joined in the gate before and not read OPEN',
      false,
      { lastEpoch: LAST - 1 },
      [entry('x', 9)],
    ],
    [
      'who was late before and has not read OPEN',
      true,
      { lastEpoch: LAST - 1 },
      [entry('x', 9, { whole: false })],
    ],
    ['not who was late before and has read OPEN', false, {}, [entry('x', 9, { whole: false })]],
    ['who has slept through a whole epoch', true, { lastEpoch: LAST - 1 }, []],
  ])('%s', (_title, late, join, entries) => {
    const bench = new GateBench({ last: roster(entry('y', 8), ...entries) }).start();
    bench.join('x', 9, join);
    bench.join('y', 8);
    expect(bench.opened).toEqual([LAST]);
    expect(bench.isLate('x')).toBe(late);
    expect(bench.log).toEqual([`open x:${!late} y:true`]);
  });

  it('everybody from before who comes when the gate is open', () => {
    const bench = new GateBench({ last: roster() }).start();
    bench.join('old', 1);
    bench.join('new', 2, { lastEpoch: 0 });
    expect([bench.isLate('old'), bench.isLate('new')]).toEqual([true, false]);
    bench.gate.left(peer('new'));
    expect(bench.log).toEqual(['open ', '+ old:false', '+ new:true', '- new']);
  });
});

it('looks at the processes less often where that takes long, and opens in time all the same', () => {
  const looksUntilOpen = (lookTakes: number): number => {
    const bench = new GateBench({ last: roster(entry('a', 1)) });
    bench.lookTakes = lookTakes;
    const startedAt = bench.clock.now();
    bench.start();
    while (bench.opened.length === 0) bench.clock.advance(1);
    expect(bench.clock.now() - startedAt).toBeGreaterThanOrEqual(GATE_TIMEOUT);
    // the last look itself takes its time
    expect(bench.clock.now() - startedAt).toBeLessThanOrEqual(GATE_TIMEOUT + lookTakes + 1);
    return bench.looks;
  };
  expect(looksUntilOpen(0)).toBeGreaterThan(90);
  expect(looksUntilOpen(10)).toBeLessThan(15);
  expect(looksUntilOpen(30)).toBeLessThan(6);
});
