import { describe, expect, it } from 'vitest';
import { PipeInbox } from '../../src/transport/pipe-inbox.js';
import { BufferPool } from '../../src/util/buffer-pool.js';
import { systemClock } from '../../src/util/clock.js';

/** An inbox and an owner that writes down what it is told. */
function inboxWithNotes() {
  const inbox = new PipeInbox(systemClock);
  const notes: string[] = [];
  const owner = {
    data: (chunk: Buffer) => notes.push(chunk.toString()),
    drained: () => notes.push('drained'),
    closed: (cause: Error | undefined) => notes.push(`closed ${cause?.message}`),
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { inbox, notes, owner, turn };
}

describe('inbox of a pipe', () => {
  it('lets nothing overtake what waits for a new owner, the end included', async () => {
    const { inbox, notes, owner, turn } = inboxWithNotes();
    inbox.data(Buffer.from('b'));
    inbox.unread(Buffer.from('a'));
    inbox.handlers = owner;
    inbox.data(Buffer.from('c'));
    inbox.closed(new Error('end'));
    inbox.closed(new Error('second end'));
    inbox.data(Buffer.from('d'));
    expect(notes).toEqual([]);
    await turn();
    inbox.drained();
    inbox.handlers = { ...owner };
    await turn();
    expect(notes).toEqual(['a', 'b', 'c', 'closed end']);
  });

  it('knows no place for what comes next while something waits, nor when nobody wants it', () => {
    const { inbox, owner } = inboxWithNotes();
    const place = Buffer.alloc(8);
    expect(inbox.place()).toBeUndefined();
    inbox.handlers = { ...owner, place: () => place };
    expect(inbox.place()).toBe(place);
    inbox.unread(Buffer.from('a'));
    expect(inbox.place()).toBeUndefined();
    inbox.discard();
    expect(inbox.place()).toBeUndefined();
  });

  it('stops in the middle when its owner leaves, and goes on with the next', async () => {
    const { inbox, notes, owner, turn } = inboxWithNotes();
    for (const text of ['a', 'b', 'c']) inbox.data(Buffer.from(text));
    inbox.handlers = {
      ...owner,
      data(chunk) {
        owner.data(chunk);
        inbox.handlers = undefined;
        inbox.unread(Buffer.from('rest of a'));
      },
    };
    await turn();
    expect(notes).toEqual(['a']);
    inbox.handlers = owner;
    await turn();
    expect(notes).toEqual(['a', 'rest of a', 'b', 'c']);
  });
});

describe('buffer pool', () => {
  it('takes back what it lent, once, and nothing else', () => {
    const pool = new BufferPool(64, 2);
    const first = pool.take();
    const lent = pool.lend(first, 10);
    expect(lent.length).toBe(10);
    pool.giveBack(first);
    pool.giveBack(lent.subarray(0, 10));
    pool.giveBack(Buffer.alloc(64));
    expect(pool.take().buffer).not.toBe(first.buffer);
    pool.giveBack(lent);
    pool.giveBack(lent);
    const again = pool.take();
    expect([again.buffer, again.length]).toEqual([first.buffer, 64]);
    expect(pool.take().buffer).not.toBe(first.buffer);
  });

  it('ignores a late second return of memory that is lent anew', () => {
    const pool = new BufferPool(64, 2);
    const early = pool.lend(pool.take(), 10);
    pool.giveBack(early);
    pool.lend(pool.take(), 20);
    pool.giveBack(early);
    expect(pool.take().buffer).not.toBe(early.buffer);
  });

  it('keeps no more than its capacity', () => {
    const pool = new BufferPool(64, 1);
    const [a, b] = [pool.lend(pool.take(), 1), pool.lend(pool.take(), 1)];
    pool.giveBack(a);
    pool.giveBack(b);
    expect(pool.take().buffer).toBe(a.buffer);
    expect(pool.take().buffer).not.toBe(b.buffer);
  });
});
