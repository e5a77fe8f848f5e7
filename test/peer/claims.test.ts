// The owner's side of claims: what it does without a link, when nobody can tell it anything.
import { expect, it } from 'vitest';
import { MailslotError } from '../../src/errors.js';
import { CLAIM_GRACE, CLAIM_OWNER_GRACE } from '../../src/limits.js';
import type { Listener } from '../../src/peer/asker.js';
import { Claims } from '../../src/peer/claims.js';
import { readTail } from '../../src/wire/frame.js';
import { decodeValue } from '../../src/wire/values.js';
import { ManualClock } from '../support/manual-clock.js';
import { isPending } from '../support/waiting.js';

class Bench {
  readonly clock = new ManualClock();
  readonly asked: { request: unknown; listener: Listener; isStopped: boolean }[] = [];
  readonly claims = new Claims({
    clock: this.clock,
    ask: ({ frame }, listener) => {
      const { data } = readTail(frame, 0, frame.length);
      const query = { request: decodeValue(frame, data, frame.length), listener, isStopped: false };
      this.asked.push(query);
      return () => {
        query.isStopped = true;
      };
    },
  });

  async own(name: string, token: number) {
    const claiming = this.claims.claim(name, {});
    this.grant(token);
    return claiming;
  }

  grant(token: number): void {
    this.asked.at(-1)!.listener.reply({ data: { token }, error: undefined } as never, 0, true);
  }

  loseLink(): void {
    this.asked.at(-1)!.listener.end(new MailslotError('MAILSLOT_RESPONDER_LOST', 'the link ended'));
    this.claims.linkLost();
  }
}

it('an owner without a link gives its claims up before the host grants them to others', async () => {
  expect(CLAIM_OWNER_GRACE).toBeLessThan(CLAIM_GRACE);
  const bench = new Bench();
  const claim = await bench.own('x', 7);
  bench.loseLink();
  bench.clock.advance(CLAIM_OWNER_GRACE - 1);
  expect(await isPending(claim.lost)).toBe(true);
  bench.clock.advance(1);
  expect(await claim.lost).toMatchObject({ code: 'MAILSLOT_UNREACHABLE', retryable: true });
  expect(bench.claims.list()).toEqual([]);
});

it('an owner names its claims in JOIN, asks for them again, and keeps them when the host agrees', async () => {
  const bench = new Bench();
  const claim = await bench.own('x', 7);
  bench.loseLink();
  expect(bench.claims.list()).toEqual([{ name: 'x', token: 7 }]);
  bench.claims.linkOpened();
  expect(bench.asked.map(({ request }) => request)).toEqual([{ name: 'x' }, { name: 'x', token: 7 }]);
  bench.grant(7);
  bench.clock.advance(2 * CLAIM_GRACE);
  expect(await isPending(claim.lost)).toBe(true);
});

it('what is released between JOIN and OPEN is released at the host as well', async () => {
  const bench = new Bench();
  const claim = await bench.own('x', 7);
  bench.loseLink();
  bench.claims.list();
  await claim.release();
  bench.claims.linkOpened();
  const [, again, cancelled] = bench.asked;
  expect(again!.isStopped).toBe(true);
  expect(cancelled).toMatchObject({ request: { name: 'x', token: 7 }, isStopped: true });
  expect(bench.asked).toHaveLength(3);
});

it('a host that says that the name is not ours any more ends the claim', async () => {
  const bench = new Bench();
  const claim = await bench.own('x', 7);
  const error = new MailslotError('MAILSLOT_CLOSED', 'gone');
  bench.asked[0]!.listener.reply({ data: undefined, error } as never, 0, false);
  expect(await claim.lost).toBe(error);
  expect(bench.claims.highestToken).toBe(7);
});
