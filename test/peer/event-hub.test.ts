// Who hears what: those who listen, and the first of them what could not be heard before.
import { expect, it } from 'vitest';
import type { BusEvent } from '../../src/peer/api.js';
import { EventHub } from '../../src/peer/event-hub.js';

async function heard(events: AsyncIterable<BusEvent>): Promise<BusEvent['type'][]> {
  const types: BusEvent['type'][] = [];
  for await (const { type } of events) types.push(type);
  return types;
}

it('an event is for those who listen; an early one waits for the first of them', async () => {
  const hub = new EventHub();
  hub.emitEarly({ type: 'host-inline', cause: undefined });
  hub.emit({ type: 'draining' });
  const first = hub.listen(undefined);
  const second = hub.listen(undefined);
  hub.emitEarly({ type: 'host-inline', cause: undefined });
  hub.emit({ type: 'reconnecting' });
  hub.end();
  expect(await heard(first)).toEqual(['host-inline', 'host-inline', 'reconnecting']);
  expect(await heard(second)).toEqual(['host-inline', 'reconnecting']);
});
