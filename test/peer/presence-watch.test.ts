// What becomes events of the lists of peers, and of what the host says between them.
import { expect, it } from 'vitest';
import { PresenceWatch } from '../../src/peer/presence-watch.js';
import type { PeerInfo } from '../../src/wire/presence.js';
import { ManualClock } from '../support/manual-clock.js';

const info = (id: string): PeerInfo => ({
  id,
  label: id,
  pid: 1,
  hosting: false,
  connectedAt: 1,
  slots: 0,
  responders: 0,
});

function watched(): {
  clock: ManualClock;
  watch: PresenceWatch;
  events: string[];
  answer(...ids: string[]): Promise<void>;
} {
  const clock = new ManualClock();
  const events: string[] = [];
  const asked: ((present: PeerInfo[]) => void)[] = [];
  const watch = new PresenceWatch({
    clock,
    list: () => new Promise((resolve) => asked.push(resolve)),
    emit: (event) => events.push('peer' in event ? `${event.type} ${event.peer.id}` : event.type),
  });
  const answer = async (...ids: string[]): Promise<void> => {
    asked.shift()?.(ids.map(info));
    await Promise.resolve();
  };
  return { clock, watch, events, answer };
}

it('what the host says while a list is under way is newer than the list', async () => {
  const { clock, watch, events, answer } = watched();
  void watch.refresh();
  await answer('a', 'b');
  clock.settle();
  void watch.refresh();
  watch.take('$presence.left', { ...info('b'), cause: 'closed' });
  await answer('a', 'b', 'c');
  clock.settle();
  expect(events).toEqual(['peer-left b', 'peer-joined c']);
});

it('a list in front of which another one was asked for says nothing', async () => {
  const { clock, watch, events, answer } = watched();
  void watch.refresh();
  await answer('a', 'b');
  clock.settle();
  void watch.refresh();
  await answer('a');
  void watch.refresh();
  watch.take('$presence.joined', info('c'));
  clock.settle();
  await answer('a', 'b');
  clock.settle();
  expect(events).toEqual(['peer-joined c']);
});
