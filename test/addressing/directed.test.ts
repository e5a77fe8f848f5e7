// Who gets a message beside what its subject says: overlapping slots, one peer, everybody but oneself.
import { describe, expect, it } from 'vitest';
import { Kind } from '../../src/wire/frame.js';
import { childPeer } from '../support/child-peer.js';
import { rawPeer } from '../support/raw-peer.js';
import { busFolder, busOf, joinBus } from '../support/scratch.js';
import { EventLog, takeData } from '../support/waiting.js';

describe('addressing: overlapping subscriptions of one process', () => {
  it('cross the wire once', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const patterns = ['order.*', 'order.new', '>', '*.new', 'order.>', 'order.new'];
    const peer = await rawPeer(directory, {
      slots: patterns.map((pattern, index) => ({ id: index + 1, role: 'slot', pattern, isNew: true })),
    });
    // by turns, since messages of one subject in a row may share a frame
    const subjects = [...Array(10).fill(['order.new', 'order.old']).flat(), 'elsewhere'];
    for (const subject of subjects) await bus.publish(subject, 1);
    await peer.receives(Kind.publish, ({ subject }) => subject === 'elsewhere');
    const frames = peer.frames.filter(({ kind }) => kind === Kind.publish).map(({ subject }) => subject);
    expect(frames).toEqual(subjects);
  });

  it('lose only the one that is closed', async () => {
    const [bus, receiver] = await busOf(2);
    const wide = await receiver!.subscribe<number>('order.>');
    const narrow = await receiver!.subscribe<number>('order.new');
    await bus!.publish('order.new', 1, { confirm: true });
    await narrow.close();
    await bus!.publish('order.new', 2, { confirm: true });
    expect(await takeData(wide, 2)).toEqual([1, 2]);
  });
});

describe('addressing: directed send by peer id', () => {
  it('reaches all matching slots of that process, and no other process', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const own = await bus.subscribe('hint.*');
    const [chosen, other] = [await childPeer(directory), await childPeer(directory)];
    for (const peer of [chosen, other]) {
      await peer.run(async ({ bus, kept }) => {
        kept.slot = await bus.subscribe('hint.*');
        kept.notes = [];
        void (await bus.subscribe('hint.new', ({ data }) => kept.notes.push(data)));
      });
    }
    const { receivers } = await bus.publish('hint.new', 'psst', { to: chosen.id, confirm: true });
    expect(receivers).toBe(1);
    await bus.publish('hint.new', 'all', { confirm: true });
    const seen = async ({ kept }: { kept: { slot: unknown; notes: unknown[] } }) => {
      const slot = kept.slot as { read(options: object): Promise<{ data: unknown } | undefined> };
      const data: unknown[] = [];
      for (let next = await slot.read({ timeout: 0 }); next; next = await slot.read({ timeout: 0 })) {
        data.push(next.data);
      }
      return [data, kept.notes];
    };
    expect(await chosen.run(seen)).toEqual([
      ['psst', 'all'],
      ['psst', 'all'],
    ]);
    expect(await other.run(seen)).toEqual([['all'], ['all']]);
    expect(await takeData(own, 1)).toEqual(['all']);
  });

  it('reaches oneself, too, unless it says `echo: false`', async () => {
    const [bus] = await busOf(1);
    const slot = await bus!.subscribe<number>('note');
    expect((await bus!.publish('note', 1, { to: bus!.id, confirm: true })).receivers).toBe(1);
    expect((await bus!.publish('note', 2, { to: bus!.id, echo: false, confirm: true })).receivers).toBe(0);
    await bus!.publish('note', 3, { confirm: true });
    expect(await takeData(slot, 2)).toEqual([1, 3]);
  });

  it('to a process that was killed is MAILSLOT_NO_SUCH_PEER', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory);
    const events = new EventLog(bus);
    const peer = await childPeer(directory);
    await peer.run(async ({ bus }) => void (await bus.subscribe('hint')));
    expect((await bus.publish('hint', 1, { to: peer.id, confirm: true })).receivers).toBe(1);
    await peer.kill();
    await events.first('peer-left', ({ peer: { id } }) => id === peer.id);
    const code = 'MAILSLOT_NO_SUCH_PEER';
    await expect(bus.publish('hint', 2, { to: peer.id, confirm: true })).rejects.toMatchObject({ code });
    await expect(bus.query('hint', 2, { to: peer.id })).rejects.toMatchObject({ code });
    await bus.publish('hint', 3, { to: peer.id });
    expect((await events.first('publish-failed')).error).toMatchObject({ code });
  });

  it.each(['', 'x', '0123456789abcde', '0123456789ABCDEG', 7])('to %o is refused', async (to) => {
    const [bus] = await busOf(1);
    const code = 'MAILSLOT_INVALID_OPTION';
    await expect(bus!.publish('hint', 1, { to: to as string })).rejects.toMatchObject({ code });
  });
});

describe('addressing: `echo: false`', () => {
  it('leaves out all slots of the publisher, and nobody else', async () => {
    const directory = busFolder();
    const bus = await joinBus(directory, { hostThread: 'inline' });
    const sameProcess = await joinBus(directory);
    const own = [await bus.subscribe('talk'), await bus.subscribe('>')];
    const others = [await sameProcess.subscribe('talk'), await sameProcess.subscribe('>')];
    const { receivers } = await bus.publish('talk', 'to others', { echo: false, confirm: true });
    expect(receivers).toBe(1);
    await bus.publish('talk', 'to all', { confirm: true });
    for (const slot of own) expect(await takeData(slot, 1)).toEqual(['to all']);
    for (const slot of others) expect(await takeData(slot, 2)).toEqual(['to others', 'to all']);
  });
});
