// How long a host that answers no handshake is given before it counts as hung.
import { describe, expect, it } from 'vitest';
import {
  HANDSHAKE_TIMEOUT,
  HUNG_HOST_ATTEMPTS,
  HUNG_HOST_TIMEOUT,
  LATE_ATTEMPT,
  MAX_LATE_ATTEMPTS,
  PING_INTERVAL,
  RETRY_DELAY_MAX,
  SILENCE_TIMEOUT,
} from '../../src/limits.js';
import { Patience, type Suspicion } from '../../src/transport/patience.js';
import { ManualClock } from '../support/manual-clock.js';

const EPOCH = 7;

/** Attempts that take all the time they are given, until there is no more patience. */
function exhaust(clock: ManualClock, suspicion?: Suspicion): number[] {
  const patience = new Patience(clock, suspicion);
  const attempts: number[] = [];
  for (;;) {
    const startedAt = clock.now();
    const time = patience.left(EPOCH);
    attempts.push(time);
    clock.advance(time);
    if (patience.isOver(EPOCH, startedAt)) return attempts;
  }
}

const sum = (times: number[]): number => times.reduce((total, time) => total + time, 0);

describe('patience with a host that answers nobody', () => {
  it('lasts its time and three attempts', () => {
    const attempts = exhaust(new ManualClock());
    expect(attempts).toHaveLength(HUNG_HOST_ATTEMPTS);
    expect(sum(attempts)).toBeCloseTo(HUNG_HOST_TIMEOUT, 5);
    expect(Math.max(...attempts)).toBe(HANDSHAKE_TIMEOUT);
  });

  it('counts the time since its heartbeat was due, and makes three attempts all the same', () => {
    const clock = new ManualClock();
    clock.advance(60_000);
    const silence = SILENCE_TIMEOUT - PING_INTERVAL;
    const attempts = exhaust(clock, { epoch: EPOCH, since: clock.now() - silence });
    expect(attempts).toHaveLength(HUNG_HOST_ATTEMPTS);
    expect(sum(attempts) + silence).toBeCloseTo(HUNG_HOST_TIMEOUT, 5);
    expect(Math.min(...attempts)).toBeGreaterThan(RETRY_DELAY_MAX);
  });

  it('begins anew for another epoch than the suspected one', () => {
    const clock = new ManualClock();
    clock.advance(60_000);
    expect(sum(exhaust(clock, { epoch: EPOCH - 1, since: 0 }))).toBeCloseTo(HUNG_HOST_TIMEOUT, 5);
  });

  it('does not count attempts that end late: this process is slow, and maybe not the host', () => {
    const clock = new ManualClock();
    const patience = new Patience(clock, undefined);
    const attempt = (late: number): boolean => {
      const startedAt = clock.now();
      clock.advance(patience.left(EPOCH) + late);
      return patience.isOver(EPOCH, startedAt);
    };
    for (let count = 0; count < MAX_LATE_ATTEMPTS; count += 1) expect(attempt(LATE_ATTEMPT + 1)).toBe(false);
    expect([attempt(0), attempt(0), attempt(0)]).toEqual([false, false, true]);
  });

  it('ends all the same on a machine that stays slow', () => {
    const clock = new ManualClock();
    const patience = new Patience(clock, undefined);
    let attempts = 1;
    for (let isOver = false; !isOver; attempts += 1) {
      const startedAt = clock.now();
      clock.advance(patience.left(EPOCH) + 2 * LATE_ATTEMPT);
      isOver = patience.isOver(EPOCH, startedAt);
    }
    expect(attempts).toBeLessThanOrEqual(MAX_LATE_ATTEMPTS + HUNG_HOST_ATTEMPTS + 1);
  });

  it('begins anew after a sleep of its own, whatever was suspected before', () => {
    const clock = new ManualClock();
    clock.advance(60_000);
    const patience = new Patience(clock, { epoch: EPOCH, since: clock.now() - HUNG_HOST_TIMEOUT });
    const asleep = clock.now();
    clock.jump(60_000);
    expect(patience.isOver(EPOCH, asleep)).toBe(false);
    const awake = clock.now();
    let isOver = false;
    while (!isOver) {
      const startedAt = clock.now();
      clock.advance(patience.left(EPOCH));
      isOver = patience.isOver(EPOCH, startedAt);
    }
    expect(clock.now() - awake).toBeCloseTo(HUNG_HOST_TIMEOUT, 5);
  });
});
