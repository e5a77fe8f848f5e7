// The host's table of claims by itself: who is granted what when owners are away, and a long random history in
// which no two owners of a name overlap.
import { describe, expect, it } from 'vitest';
import { type Absentee, Claims } from '../../src/host/claims.js';
import type { Session } from '../../src/host/session.js';
import { CLAIM_GRACE, CLAIM_LOOK_INTERVAL, MAX_CLAIMS_PER_PEER, STALL_THRESHOLD } from '../../src/limits.js';
import type { HeldClaim } from '../../src/wire/control.js';
import { peerIdAt } from '../../src/wire/peer-id.js';
import { ManualClock } from '../support/manual-clock.js';

type News = { peer: string; query: number } & ({ token: number } | { code: string });

/** One host's claims, with peers named by letters, and everything it says. */
class Bench {
  readonly clock = new ManualClock();
  readonly gone = new Set<number>();
  readonly said: News[] = [];
  readonly claims: Claims;
  #token: number;

  constructor({ firstToken = 1, opened = true } = {}) {
    this.#token = firstToken - 1;
    this.claims = new Claims({
      clock: this.clock,
      nextToken: () => ++this.#token,
      isGone: (pid) => this.gone.has(pid),
      grant: (session, query, { token }) => this.said.push({ peer: nameOf(session), query, token }),
      fail: (session, query, { code }) => this.said.push({ peer: nameOf(session), query, code }),
      flush() {},
    });
    if (opened) this.claims.opened([]);
  }

  join(name: string, claims: HeldClaim[] = []): Session {
    const session = sessionOf(name);
    this.claims.joined(session, claims);
    return session;
  }

  /** What was said since the last call. */
  news(): News[] {
    return this.said.splice(0);
  }
}

const nameOf = (session: Session): string => Buffer.from(session.peerId.bytes).toString().trim();
const idOf = (name: string) => peerIdAt(Buffer.from(name.padEnd(8)), 0);
const pidOf = (name: string): number => name.charCodeAt(0);
const absent = (name: string): Absentee => ({ id: idOf(name).hex, pid: pidOf(name), pidNamespace: '-' });

function sessionOf(name: string): Session {
  return { peerId: idOf(name), join: { pid: pidOf(name), pidNamespace: '-' } } as unknown as Session;
}

describe('an owner whose link ends without a goodbye', () => {
  const setUp = () => {
    const bench = new Bench();
    const owner = bench.join('a');
    const other = bench.join('b');
    bench.claims.ask(owner, 1, { name: 'x' });
    bench.claims.ask(other, 1, { name: 'x' });
    expect(bench.news()).toEqual([{ peer: 'a', query: 1, token: 1 }]);
    bench.claims.left(owner, 'crashed');
    return bench;
  };
  const granted = [{ peer: 'b', query: 1, token: 2 }];

  it('keeps its names while its process may live, for the grace', () => {
    const bench = setUp();
    bench.clock.advance(CLAIM_GRACE - 100);
    expect(bench.news()).toEqual([]);
    bench.clock.advance(200);
    expect(bench.news()).toEqual(granted);
  });

  it('loses them soon after its process has ended', () => {
    const bench = setUp();
    bench.clock.advance(1_000);
    bench.gone.add(pidOf('a'));
    bench.clock.advance(CLAIM_LOOK_INTERVAL + 1);
    expect(bench.news()).toEqual(granted);
  });

  it('has them still when it comes back and names them', () => {
    const bench = setUp();
    const back = bench.join('a', [{ name: 'x', token: 1 }]);
    bench.claims.ask(back, 7, { name: 'x', token: 1 });
    expect(bench.news()).toEqual([{ peer: 'a', query: 7, token: 1 }]);
    bench.clock.advance(2 * CLAIM_GRACE);
    expect(bench.news()).toEqual([]);
    bench.claims.cancel(back, 7);
    expect(bench.news()).toEqual(granted);
  });

  it('has given up what it does not name when it comes back', () => {
    const bench = setUp();
    bench.join('a');
    expect(bench.news()).toEqual(granted);
  });

  it('is told of the loss when it comes back too late', () => {
    const bench = setUp();
    bench.clock.advance(CLAIM_GRACE + 100);
    bench.news();
    const back = bench.join('a', [{ name: 'x', token: 1 }]);
    bench.claims.ask(back, 7, { name: 'x', token: 1 });
    expect(bench.news()).toEqual([{ peer: 'a', query: 7, code: 'MAILSLOT_CLOSED' }]);
  });

  it('loses nothing by a suspension of the host', () => {
    const bench = setUp();
    bench.clock.jump(2 * CLAIM_GRACE);
    bench.clock.advance(CLAIM_GRACE - STALL_THRESHOLD);
    expect(bench.news()).toEqual([]);
    bench.clock.advance(2 * STALL_THRESHOLD);
    expect(bench.news()).toEqual(granted);
  });

  it('that said goodbye, or was refused, has no grace', () => {
    for (const cause of ['closed', 'refused'] as const) {
      const bench = new Bench();
      const owner = bench.join('a');
      bench.claims.ask(owner, 1, { name: 'x' });
      bench.claims.ask(bench.join('b'), 1, { name: 'x' });
      bench.news();
      bench.claims.left(owner, cause);
      expect(bench.news()).toEqual(granted);
    }
  });
});

describe('a silent owner', () => {
  it('is told of the loss before anybody else is granted the name', () => {
    const bench = new Bench();
    const owner = bench.join('a');
    bench.claims.ask(owner, 1, { name: 'x' });
    bench.claims.ask(bench.join('b'), 1, { name: 'x' });
    bench.claims.silent(owner);
    bench.news();
    bench.clock.advance(CLAIM_GRACE + 100);
    expect(bench.news()).toEqual([
      { peer: 'a', query: 1, code: 'MAILSLOT_CLOSED' },
      { peer: 'b', query: 1, token: 2 },
    ]);
  });

  it('keeps its names when it is heard in time', () => {
    const bench = new Bench();
    const owner = bench.join('a');
    bench.claims.ask(owner, 1, { name: 'x' });
    bench.claims.ask(bench.join('b'), 1, { name: 'x' });
    bench.claims.silent(owner);
    bench.clock.advance(CLAIM_GRACE - 1_000);
    bench.claims.heard(owner);
    bench.news();
    bench.clock.advance(CLAIM_GRACE);
    expect(bench.news()).toEqual([]);
  });
});

describe('after a take-over', () => {
  it('names that were said in JOIN are their owners’', () => {
    const bench = new Bench({ opened: false, firstToken: 100 });
    bench.join('a', [{ name: 'x', token: 7 }]);
    bench.claims.opened([]);
    const other = bench.join('b');
    bench.claims.ask(other, 1, { name: 'x' });
    bench.claims.ask(other, 2, { name: 'y' });
    expect(bench.news()).toEqual([{ peer: 'b', query: 2, token: 100 }]);
  });

  it('of two who name the same the higher token counts', () => {
    const bench = new Bench({ opened: false, firstToken: 100 });
    const stale = bench.join('a', [{ name: 'x', token: 7 }]);
    const owner = bench.join('b', [{ name: 'x', token: 9 }]);
    bench.join('c', [{ name: 'x', token: 8 }]);
    bench.claims.opened([]);
    bench.claims.ask(stale, 1, { name: 'x', token: 7 });
    bench.claims.ask(owner, 1, { name: 'x', token: 9 });
    expect(bench.news()).toEqual([
      { peer: 'a', query: 1, code: 'MAILSLOT_CLOSED' },
      { peer: 'b', query: 1, token: 9 },
    ]);
  });

  const waiting = (absentees: Absentee[] | undefined) => {
    const bench = new Bench({ opened: false, firstToken: 100 });
    const other = bench.join('b');
    bench.claims.opened(absentees);
    bench.claims.ask(other, 1, { name: 'x' });
    expect(bench.news()).toEqual([]);
    return bench;
  };
  const granted = [{ peer: 'b', query: 1, token: 100 }];

  it('no name is granted that a peer may own who is not back: until its process is gone', () => {
    const bench = waiting([absent('a')]);
    bench.clock.advance(CLAIM_GRACE - 1_000);
    expect(bench.news()).toEqual([]);
    bench.gone.add(pidOf('a'));
    bench.clock.advance(CLAIM_LOOK_INTERVAL + 1);
    expect(bench.news()).toEqual(granted);
  });

  it('… or until it is back', () => {
    const bench = waiting([absent('a')]);
    bench.join('a');
    expect(bench.news()).toEqual(granted);
  });

  it('… and then it has the names that it says', () => {
    const bench = waiting([absent('a')]);
    const back = bench.join('a', [{ name: 'x', token: 5 }]);
    bench.claims.ask(back, 1, { name: 'x', token: 5 });
    expect(bench.news()).toEqual([{ peer: 'a', query: 1, token: 5 }]);
  });

  it('… or for the grace, and so when nobody knows who was there', () => {
    for (const absentees of [[absent('a')], undefined]) {
      const bench = waiting(absentees);
      bench.clock.advance(CLAIM_GRACE - 100);
      expect(bench.news()).toEqual([]);
      bench.clock.advance(200);
      expect(bench.news()).toEqual(granted);
    }
  });

  it('a name whose owner was known is granted although others are not back', () => {
    const bench = new Bench({ opened: false, firstToken: 100 });
    const owner = bench.join('c', [{ name: 'x', token: 9 }]);
    bench.claims.opened([absent('a')]);
    bench.claims.ask(owner, 1, { name: 'x', token: 9 });
    bench.claims.ask(bench.join('b'), 1, { name: 'x' });
    bench.news();
    bench.claims.cancel(owner, 1);
    expect(bench.news()).toEqual(granted);
  });
});

it('limits are exact: so many names are owned or waited for by one peer, and no more', () => {
  const bench = new Bench();
  const peer = bench.join('a');
  for (let query = 1; query <= MAX_CLAIMS_PER_PEER; query += 1) {
    bench.claims.ask(peer, query, { name: `n${query}` });
  }
  expect(bench.news().every((news) => 'token' in news)).toBe(true);
  bench.claims.ask(peer, 0, { name: 'more' });
  expect(bench.news()).toEqual([{ peer: 'a', query: 0, code: 'MAILSLOT_QUOTA_EXCEEDED' }]);
  bench.claims.cancel(peer, 1);
  bench.claims.ask(peer, 0, { name: 'more' });
  expect(bench.news()).toMatchObject([{ peer: 'a', query: 0, token: expect.any(Number) }]);
});

/** A small generator of numbers that look random and are the same for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

/** A peer as it behaves: it knows what it was granted, and that by what it reads. */
interface Player {
  session: Session | undefined;
  query: number;
  /** By name. */
  readonly owned: Map<string, { token: number; query: number }>;
  readonly waiting: Map<number, string>;
}

it.each([1, 2, 3, 4, 5, 6, 7, 8])('no two grants of a name overlap, and tokens rise: history %i', (seed) => {
  const random = randomOf(seed);
  const names = ['x', 'y'];
  const players = new Map<string, Player>();
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    players.set(name, { session: undefined, query: 0, owned: new Map(), waiting: new Map() });
  }
  const highest = new Map<string, number>();
  let bench = new Bench();
  let grants = 0;

  const read = (): void => {
    for (const news of bench.news()) {
      const player = players.get(news.peer)!;
      if ('code' in news) {
        for (const [name, { query }] of player.owned) if (query === news.query) player.owned.delete(name);
        continue;
      }
      const name = player.waiting.get(news.query);
      if (name === undefined) continue;
      player.waiting.delete(news.query);
      // an owner that is away holds the name, too: nobody has told it otherwise
      for (const [other, { owned }] of players)
        if (other !== news.peer) expect(owned.has(name), `${name} of ${other}`).toBe(false);
      expect(news.token).toBeGreaterThan(highest.get(name) ?? 0);
      highest.set(name, news.token);
      player.owned.set(name, { token: news.token, query: news.query });
      grants += 1;
    }
  };
  const join = (id: string, player: Player): void => {
    player.session = bench.join(
      id,
      [...player.owned].map(([name, { token }]) => ({ name, token })),
    );
    if (!opened) return;
    resume(player);
  };
  const resume = (player: Player): void => {
    for (const [name, owned] of player.owned) {
      owned.query = ++player.query;
      bench.claims.ask(player.session!, owned.query, { name, token: owned.token });
    }
  };
  let opened = true;

  for (let step = 0; step < 3_000; step += 1) {
    const ids = [...players.keys()];
    const id = ids[random(ids.length)]!;
    const player = players.get(id)!;
    const action = random(20);
    if (player.session === undefined) join(id, player);
    else if (action < 8) {
      const name = names[random(names.length)]!;
      if (player.owned.has(name)) continue;
      player.waiting.set(++player.query, name);
      bench.claims.ask(player.session, player.query, { name });
    } else if (action < 14) {
      const [entry] = player.owned;
      if (entry !== undefined) {
        player.owned.delete(entry[0]);
        bench.claims.cancel(player.session, entry[1].query);
      }
    } else if (action < 15) {
      for (const query of player.waiting.keys()) bench.claims.cancel(player.session, query);
      player.waiting.clear();
    } else if (action < 18) {
      const closes = random(2) === 0;
      bench.claims.left(player.session, closes ? 'closed' : 'crashed');
      player.session = undefined;
      player.waiting.clear();
      if (closes) player.owned.clear();
    } else if (action < 19) {
      // less than the grace: an owner that stays away longer gives up by itself
      bench.clock.advance(random(50));
    } else {
      // a take-over: some are back before the gate opens, the others are on the roster
      bench.claims.stop();
      bench = new Bench({ opened: false, firstToken: Math.max(0, ...highest.values()) + 1 });
      opened = false;
      const away: Absentee[] = [];
      for (const [other, its] of players) {
        its.session = undefined;
        its.waiting.clear();
        if (random(3) > 0) join(other, its);
        else away.push(absent(other));
      }
      opened = true;
      bench.claims.opened(away);
      for (const its of players.values()) if (its.session !== undefined) resume(its);
    }
    read();
  }
  expect(grants).toBeGreaterThan(100);
});
