// A peer that loses its link to a host that lives on: what it has missed nobody knows, and it says so itself.
import { expect, it } from 'vitest';
import { type PeerId, parsePeerId } from '../../src/wire/peer-id.js';
import { linkedRawPeer } from '../support/raw-peer.js';
import { busFolder, joinBus } from '../support/scratch.js';
import { EventLog, takeData } from '../support/waiting.js';

it('is told of a gap in what it had open, and of none in what it opens after', async () => {
  const directory = busFolder();
  const host = await joinBus(directory, { hostThread: 'inline' });
  const bus = await joinBus(directory, { host: 'never' });
  const slot = await bus.subscribe<number>('n', { gaps: true });
  const events = new EventLog(bus);
  // another link with its id takes the place of its own
  const double = await linkedRawPeer(directory, parsePeerId(bus.id) as PeerId);
  await events.first('disconnected');
  const after = await bus.subscribe<number>('n', { gaps: true });
  await events.first('connected');
  double.destroy();
  await host.publish('n', 1, { confirm: true });
  expect(bus.epoch).toBe(host.epoch);
  expect(await slot.read()).toEqual({ gap: { missed: undefined } });
  expect(await takeData(slot as never, 1)).toEqual([1]);
  expect(await takeData(after as never, 1)).toEqual([1]);
  expect(events.of('gap')).toEqual([{ type: 'gap', pattern: 'n', missed: undefined }]);
});
