// How a question to all peers ends: with what came in time, or with why it cannot be answered.
import { expect, it } from 'vitest';
import { MailslotError } from '../../src/errors.js';
import type { Bus } from '../../src/peer/api.js';
import { type Ask, asks } from '../../src/peer/host-queries.js';
import { collectSlotReports } from '../../src/peer/slot-reports.js';

function busOnWhichItEnds(error: MailslotError | undefined): Bus {
  const ask: Ask = (_question, { end }) => {
    queueMicrotask(() => end(error));
    return () => {};
  };
  return { [asks]: ask } as unknown as Bus;
}

it.each([undefined, 'MAILSLOT_TIMEOUT' as const])('with the answers that came (%s)', async (code) => {
  const error = code === undefined ? undefined : new MailslotError(code, 'too late');
  expect(await collectSlotReports(busOnWhichItEnds(error), 1_000)).toEqual([]);
});

it('with the error that kept the others away', async () => {
  const lost = new MailslotError('MAILSLOT_RESPONDER_LOST', 'the host went');
  await expect(collectSlotReports(busOnWhichItEnds(lost), 1_000)).rejects.toBe(lost);
});
