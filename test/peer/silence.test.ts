// When a peer asks a host of which it hears nothing, and when it takes that host for gone.
import { beforeEach, expect, it } from 'vitest';
import { PEER_PING_DELAY, PING_INTERVAL, PONG_TIMEOUT, STANDBY_PING_DELAY } from '../../src/limits.js';
import { PeerSession } from '../../src/peer/peer-session.js';
import { memoryPipePair } from '../../src/transport/memory-pipe.js';
import type { Pipe } from '../../src/transport/pipe.js';
import { controlFrame } from '../../src/wire/control.js';
import { peerIdAt } from '../../src/wire/peer-id.js';
import { ManualClock } from '../support/manual-clock.js';

const host = peerIdAt(Buffer.from('the-host'), 0);
const alice = peerIdAt(Buffer.from('alice---'), 0);

let clock: ManualClock;
let link: Pipe;
/** Bytes that came from the peer since the last look. */
let heard: number;
let end: Error | undefined;

beforeEach(() => {
  clock = new ManualClock();
  heard = 0;
  end = undefined;
  const [ours, theirs] = memoryPipePair(clock);
  link = theirs;
  link.handlers = {
    data: (chunk) => {
      heard += chunk.length;
    },
    drained() {},
    closed() {},
  };
  new PeerSession({
    clock,
    link: { pipe: ours, epoch: 1, hostId: host.bytes } as never,
    peerId: alice,
    inbox: { isEven: true, flush() {} } as never,
    outbox: { take() {} } as never,
    files: {} as never,
    asker: {} as never,
    responders: {} as never,
    join: () => ({}) as never,
    onOpen() {},
    onSlotAnswer() {},
    onStandby() {},
    onEnd: (cause) => {
      end = cause;
    },
  });
});

function say(frame: Uint8Array): void {
  link.write([frame]);
  pass(0);
}

/** Lets time pass; whether the peer has said anything meanwhile. */
function pass(duration: number): boolean {
  heard = 0;
  clock.settle();
  clock.advance(duration);
  clock.settle();
  return heard > 0;
}

function open(): void {
  const limits = { windowBytes: 65_536, windowFrames: 100, maxFrameBytes: 65_536 };
  say(controlFrame('WELCOME', host.bytes, { minor: 0, epoch: 1, ...limits }));
  say(controlFrame('OPEN', host.bytes, { previous: 0, order: 0 }));
}

const nameStandby = (id: Uint8Array): void => say(controlFrame('STANDBY', host.bytes, { id }));

it.each([
  ['the standby', alice.bytes, STANDBY_PING_DELAY],
  ['any other peer', host.bytes, PEER_PING_DELAY],
])('%s asks after its time, and is gone when there is no answer', (_, standby, delay) => {
  open();
  nameStandby(standby);
  pass(delay - 10);
  expect(pass(20)).toBe(true);
  expect(end).toBeUndefined();
  pass(PONG_TIMEOUT);
  expect(end?.message).toMatch(/^the host has said nothing for \d{4} ms$/);
});

it('everybody is as quick as the standby until the gate is open', () => {
  pass(STANDBY_PING_DELAY + PONG_TIMEOUT + 10);
  expect(end).toBeDefined();
});

it('a heartbeat is answered, and looked at once in two; an answer in time is enough', () => {
  open();
  for (let beat = 0; beat < 10; beat += 1) {
    expect(pass(PING_INTERVAL)).toBe(false);
    heard = 0;
    say(controlFrame('PING', host.bytes, 'ping'));
    expect(heard).toBeGreaterThan(0);
  }
  pass(PEER_PING_DELAY + 10);
  say(controlFrame('PING', host.bytes, 'pong'));
  pass(PEER_PING_DELAY - 100);
  expect(end).toBeUndefined();
});

it('who was suspended asks before it judges', () => {
  open();
  clock.jump(60_000);
  expect(end).toBeUndefined();
  expect(pass(PEER_PING_DELAY + 10)).toBe(true);
  pass(PONG_TIMEOUT);
  expect(end).toBeDefined();
});
