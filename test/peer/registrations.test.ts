// What the host is told of slots and responders, and what JOIN and OPEN have to do with it.
import { beforeEach, expect, it } from 'vitest';
import { MAX_SUBSCRIPTIONS_PER_PEER } from '../../src/limits.js';
import { Registrations } from '../../src/peer/registrations.js';
import { readControl } from '../../src/wire/control.js';

const peerId = Buffer.from('somebody');
const noSignal = undefined;

let registrations: Registrations;
let isConnected: boolean;
/** What was said on the link, as `open 1`, and what the host delivers to, as `opened 1`. */
let heard: string[];

beforeEach(() => {
  isConnected = true;
  heard = [];
  registrations = new Registrations({
    peerId,
    send: (frame) => {
      if (!isConnected) return;
      const request = readControl('SLOT request', Buffer.from(frame), 0, frame.length);
      heard.push(`${request.do} ${request.id}`);
    },
    onOpened: (id) => heard.push(`opened ${id}`),
  });
});

function register(): { id: number; opened: Promise<void> } {
  const id = registrations.nextId();
  const opened = registrations.register({ id, role: 'slot', pattern: 'a' }, async () => {}, noSignal);
  return { id, opened };
}

it('what is registered, and what goes, between JOIN and OPEN is told of after OPEN', async () => {
  isConnected = false;
  const [stays, goes] = [register(), register()];
  goes.opened.catch(() => {});
  expect(registrations.join().map(({ id }) => id)).toEqual([1, 2]);
  const late = register();
  registrations.forget(goes.id);
  isConnected = true;
  registrations.linkOpened();
  await stays.opened;
  expect(heard).toEqual(['opened 1', 'open 3', 'close 2']);
  registrations.answer({ do: 'opened', id: late.id, order: 0 });
  await late.opened;
  expect(heard.slice(3)).toEqual(['opened 3']);
});

it('one more than a host takes is refused here: it would refuse the whole of the next JOIN', async () => {
  isConnected = false;
  for (let count = 0; count < MAX_SUBSCRIPTIONS_PER_PEER; count += 1) void register();
  const { id, opened } = register();
  await expect(opened).rejects.toMatchObject({ code: 'MAILSLOT_QUOTA_EXCEEDED' });
  expect(registrations.join()).toHaveLength(MAX_SUBSCRIPTIONS_PER_PEER);
  expect(registrations.join().some((spec) => spec.id === id)).toBe(false);
});

it('so is a responder to questions that only the host answers', async () => {
  isConnected = false;
  const spec = { id: 1, role: 'responder', pattern: '$peers' } as const;
  const opened = registrations.register(spec, async () => {}, noSignal);
  await expect(opened).rejects.toMatchObject({ code: 'MAILSLOT_NOT_PERMITTED' });
  expect(registrations.join()).toEqual([]);
});
