// The publisher's window: numbering, room, waiting, settling, and sending again after a lost link.
import { describe, expect, it } from 'vitest';
import { WINDOW_FRAMES } from '../../src/limits.js';
import { Outbox, type Parcel } from '../../src/peer/outbox.js';
import type { Settled } from '../../src/wire/control.js';
import { At, encodeFrame, Flag, frameSize, Kind, readFlags, readU64 } from '../../src/wire/frame.js';
import { referenceData } from '../support/file-reference.js';

const WINDOW = 64 * 1024;
const sender = Buffer.alloc(8, 1);
const REFERENCE_BYTES = 15;

interface Sent {
  sequence: number;
  flags: number;
  size: number;
}

class OutboxBench {
  pendings = 0;
  starvings = 0;
  /** Sequences of what had to wait, from the moment on in which they are known. */
  readonly admitted: number[] = [];
  readonly outbox = new Outbox({
    windowBytes: WINDOW,
    onPending: () => {
      this.pendings += 1;
    },
    onFull: () => {},
    onStarving: () => {
      this.starvings += 1;
    },
    onUndeliverable: () => {},
  });

  /** Writes a frame into the window, or waits for room. */
  publish(size: number, signal?: AbortSignal): Promise<number> {
    const frame = encodeFrame({
      kind: Kind.publish,
      sender,
      subject: 'a',
      data: Buffer.alloc(size - 54, 0xf6),
    });
    const { outbox } = this;
    if (!outbox.hasRoom(frame.length)) return this.later({ frame }, signal);
    const slab = outbox.reserve(frame.length);
    const at = slab.end - frame.length;
    frame.copy(slab.bytes, at);
    return Promise.resolve(outbox.seal(slab.bytes, at, frame.length));
  }

  /** Waits for room; resolves to the sequence. */
  later(parcel: Parcel, signal?: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const onAdmitted = (sequence: number): void => {
        this.admitted.push(sequence);
        resolve(sequence);
      };
      this.outbox.admitLater(parcel, signal, onAdmitted).catch(reject);
    });
  }

  /** What goes to the link now. */
  take(): Sent[] {
    const parts: Uint8Array[] = [];
    this.outbox.take({ push: (part) => parts.push(part) });
    const bytes = Buffer.concat(parts);
    const sent: Sent[] = [];
    for (let at = 0; at < bytes.length; at += frameSize(bytes, at, bytes.length)) {
      const size = frameSize(bytes, at, bytes.length);
      sent.push({ sequence: readU64(bytes, at + At.sequence), flags: readFlags(bytes, at), size });
    }
    return sent;
  }

  settle(upTo: number, changes: Partial<Settled> = {}): void {
    this.outbox.settle({ upTo, windowBytes: WINDOW, receipts: [], ...changes });
  }
}

function sequences(sent: Sent[]): number[] {
  return sent.map(({ sequence }) => sequence);
}

describe('the window', () => {
  it('numbers frames from 1 and hands each to the link once', async () => {
    const bench = new OutboxBench();
    expect(await Promise.all([bench.publish(100), bench.publish(100)])).toEqual([1, 2]);
    expect(bench.pendings).toBe(1);
    expect(sequences(bench.take())).toEqual([1, 2]);
    expect(bench.take()).toEqual([]);
    await bench.publish(100);
    expect(sequences(bench.take())).toEqual([3]);
    expect(bench.outbox.unsettledBytes).toBe(300);
  });

  it('admits those that wait in order, as room comes', async () => {
    const bench = new OutboxBench();
    const admitted: number[] = [];
    for (let i = 0; i < 12; i += 1) void bench.publish(10_000).then((sequence) => admitted.push(sequence));
    await Promise.resolve();
    expect(admitted).toEqual([1, 2, 3, 4, 5, 6]);
    expect(bench.outbox.waiting).toBe(6);
    bench.settle(2);
    await Promise.resolve();
    expect(admitted).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    bench.settle(8);
    await Promise.resolve();
    expect(admitted).toHaveLength(12);
    expect(bench.outbox.unsettledBytes).toBe(40_000);
  });

  it('a small message does not overtake a large one that waits', async () => {
    const bench = new OutboxBench();
    const order: string[] = [];
    await bench.publish(60_000);
    void bench.publish(50_000).then(() => order.push('large'));
    void bench.publish(100).then(() => order.push('small'));
    expect(bench.outbox.waiting).toBe(2);
    bench.settle(1);
    await Promise.resolve();
    expect(order).toEqual(['large', 'small']);
  });

  it('passes what is larger than itself when it is empty', async () => {
    const bench = new OutboxBench();
    expect(await bench.publish(3 * WINDOW)).toBe(1);
    const next = bench.publish(100);
    expect(bench.outbox.waiting).toBe(1);
    bench.settle(1);
    expect(await next).toBe(2);
  });

  it('is limited in frames too', async () => {
    const bench = new OutboxBench();
    bench.outbox.grant(WINDOW);
    const large = new Outbox({
      windowBytes: 4 * 1024 * 1024,
      onPending() {},
      onFull() {},
      onStarving() {},
      onUndeliverable() {},
    });
    for (let i = 0; i < WINDOW_FRAMES; i += 1) {
      expect(large.hasRoom(54)).toBe(true);
      const slab = large.reserve(54);
      large.seal(slab.bytes, slab.end - 54, 54);
    }
    expect(large.hasRoom(54)).toBe(false);
    expect(large.unsettledBytes).toBeLessThan(4 * 1024 * 1024);
  });

  it('asks for an early acknowledgement after each quarter of a window', async () => {
    const bench = new OutboxBench();
    for (let i = 0; i < 6; i += 1) await bench.publish(10_000);
    const asking = bench.take().filter(({ flags }) => flags & Flag.ackSoon);
    expect(sequences(asking)).toEqual([2, 4, 6]);
  });

  it('asks for one when somebody waits and nothing under way has asked', async () => {
    const bench = new OutboxBench();
    await bench.publish(10_000);
    void bench.publish(60_000);
    expect(bench.starvings).toBe(1);
    void bench.publish(100);
    expect(bench.starvings).toBe(1);
  });

  it('sends a large message that waited from the memory it was encoded in, and uses that again', async () => {
    const bench = new OutboxBench();
    const { outbox } = bench;
    const waiting = outbox.frameMemory(100_000);
    encodeFrame({ kind: Kind.publish, sender, subject: 'a', data: Buffer.alloc(100_000 - 54, 0xf6) }).copy(
      waiting,
    );
    await bench.publish(60_000);
    const admitted = bench.later({ frame: waiting });
    bench.settle(1);
    expect(await admitted).toBe(2);
    const parts: Uint8Array[] = [];
    outbox.take({ push: (part) => parts.push(part) });
    const sent = parts.find((part) => part.buffer === waiting.buffer);
    expect(sent !== undefined && waiting.equals(sent)).toBe(true);
    expect(outbox.frameMemory(100_000).buffer).not.toBe(waiting.buffer);
    bench.settle(2);
    expect(outbox.unsettledBytes).toBe(0);
    expect(outbox.frameMemory(100_000).buffer).toBe(waiting.buffer);
  });

  it('leaves memory alone that was sent again, since its first sending may settle it meanwhile', async () => {
    const bench = new OutboxBench();
    const { outbox } = bench;
    const large = outbox.frameMemory(100_000);
    encodeFrame({ kind: Kind.publish, sender, subject: 'a', data: Buffer.alloc(100_000 - 54, 0xf6) }).copy(
      large,
    );
    outbox.admit({ frame: large });
    bench.take();
    outbox.rewind();
    bench.take();
    bench.settle(1);
    expect(outbox.frameMemory(100_000).buffer).not.toBe(large.buffer);
  });

  it('shrinks and grows with what the host grants, but never above its own limit', () => {
    const bench = new OutboxBench();
    bench.settle(0, { windowBytes: 1_000 });
    void bench.publish(900);
    expect(bench.outbox.hasRoom(200)).toBe(false);
    bench.settle(0, { windowBytes: 100 * WINDOW });
    expect(bench.outbox.hasRoom(200)).toBe(true);
    expect(bench.outbox.hasRoom(WINDOW)).toBe(false);
  });

  it('ignores a host that settles what was never sent', async () => {
    const bench = new OutboxBench();
    await bench.publish(100);
    bench.settle(99);
    expect(bench.outbox.unsettledFrames).toBe(1);
  });
});

describe('a new link', () => {
  it('gets everything unsettled again, marked, before anything new', async () => {
    const bench = new OutboxBench();
    for (let i = 0; i < 3; i += 1) await bench.publish(20_000);
    bench.take();
    bench.settle(1);
    await bench.publish(20_000);
    bench.outbox.rewind();
    expect(bench.outbox.firstUnsettled).toBe(2);
    const sent = bench.take();
    expect(sequences(sent)).toEqual([2, 3, 4]);
    expect(sent.map(({ flags }) => (flags & Flag.resent) !== 0)).toEqual([true, true, false]);
  });

  it('a frame that was never sent is not marked', async () => {
    const bench = new OutboxBench();
    await bench.publish(100);
    bench.outbox.rewind();
    expect(bench.take()).toMatchObject([{ sequence: 1, flags: 0 }]);
  });
});

describe('waiting for an end', () => {
  it('whenIdle resolves when everything is settled', async () => {
    const bench = new OutboxBench();
    await bench.publish(100);
    let idle = false;
    const waiting = bench.outbox.whenIdle().then(() => {
      idle = true;
    });
    expect(bench.starvings).toBe(1);
    await Promise.resolve();
    expect(idle).toBe(false);
    bench.settle(1);
    await waiting;
  });

  it('receipts go to those who asked, and a failure rejects all who wait', async () => {
    const bench = new OutboxBench();
    const outcomes: unknown[] = [];
    const confirm = {
      resolve: (receipt: unknown) => outcomes.push(receipt),
      reject: (reason: unknown) => outcomes.push(reason),
    };
    for (const sequence of [1, 2]) {
      await bench.publish(30_000);
      bench.outbox.expectReceipt(sequence, confirm);
    }
    const waiting = bench.publish(30_000);
    bench.settle(1, { receipts: [{ sequence: 1, receivers: 3, order: 7 }], windowBytes: 30_000 });
    bench.outbox.rejectWaiting('gone');
    await expect(waiting).rejects.toBe('gone');
    expect(outcomes).toEqual([{ sequence: 1, receivers: 3, order: 7 }, 'gone']);
    expect(bench.outbox.unsettledFrames).toBe(1);
  });
});

describe('a message whose data is in a file', () => {
  const DATA = Buffer.alloc(50_000, 0x20);

  /** As {@link MessageFile}, in memory. */
  class FakeFile {
    readonly number = 3;
    readonly size = DATA.length;
    readonly told: string[] = [];
    isThere = true;

    isInPlace(): boolean {
      return this.isThere;
    }

    read(target: Uint8Array): boolean {
      target.set(DATA);
      return true;
    }

    remove(): void {
      this.told.push('removed');
    }

    leave(): void {
      this.told.push('left');
    }
  }

  function parcel(file: FakeFile): { frame: Buffer; file: FakeFile } {
    const data = referenceData({ number: file.number, size: file.size });
    return { frame: encodeFrame({ kind: Kind.publish, flags: Flag.file, sender, subject: 'a', data }), file };
  }

  it('takes the room of all its bytes, and its file goes when it is settled', async () => {
    const bench = new OutboxBench();
    const [one, two] = [new FakeFile(), new FakeFile()];
    expect(bench.outbox.admit(parcel(one))).toBe(1);
    expect(bench.outbox.unsettledBytes).toBe(54 + DATA.length);
    expect(bench.outbox.hasRoom(54 + DATA.length)).toBe(false);
    const waiting = bench.later(parcel(two));
    expect(bench.take().map(({ size }) => size)).toEqual([54 + REFERENCE_BYTES]);
    bench.settle(1);
    expect([await waiting, one.told, two.told]).toEqual([2, ['removed'], []]);
    expect(bench.outbox.unsettledBytes).toBe(54 + DATA.length);
    await bench.publish(100);
    bench.settle(3);
    expect([bench.outbox.unsettledBytes, one.told, two.told]).toEqual([0, ['removed'], ['removed']]);
  });

  it('asks for haste by its bytes', () => {
    const bench = new OutboxBench();
    bench.outbox.admit(parcel(new FakeFile()));
    expect(bench.take().map(({ flags }) => flags)).toEqual([Flag.file | Flag.ackSoon]);
  });

  it('has its data in the frame when it is sent again and the file is gone', () => {
    const bench = new OutboxBench();
    const [gone, there] = [new FakeFile(), new FakeFile()];
    bench.outbox.grant(1_000_000);
    bench.outbox.admit(parcel(gone));
    bench.take();
    bench.settle(0, { windowBytes: 1_000_000 });
    gone.isThere = false;
    bench.outbox.rewind();
    const parts: Buffer[] = [];
    bench.outbox.take({ push: (part) => parts.push(Buffer.from(part)) });
    const whole = Buffer.concat(parts);
    expect([frameSize(whole, 0, whole.length), readFlags(whole, 0) & ~Flag.ackSoon]).toEqual([
      54 + DATA.length,
      Flag.resent,
    ]);
    expect(whole.subarray(54).equals(DATA)).toBe(true);
    expect([readU64(whole, At.sequence), bench.outbox.unsettledBytes, gone.told]).toEqual([
      1,
      whole.length,
      ['removed'],
    ]);
    bench.settle(1);
    bench.outbox.admit(parcel(there));
    bench.take();
    bench.outbox.rewind();
    expect(bench.take()).toMatchObject([{ sequence: 2, size: 54 + REFERENCE_BYTES }]);
    expect([bench.outbox.unsettledBytes, gone.told]).toEqual([54 + DATA.length, ['removed']]);
  });

  it('stays for others when the Bus closes, and goes with a publish that nobody waits for any more', async () => {
    const bench = new OutboxBench();
    const [sent, waiting, refused] = [new FakeFile(), new FakeFile(), new FakeFile()];
    bench.outbox.admit(parcel(sent));
    bench.take();
    const controller = new AbortController();
    const withdrawn = bench.later(parcel(refused), controller.signal);
    controller.abort('enough');
    await expect(withdrawn).rejects.toBe('enough');
    const rejected = bench.later(parcel(waiting));
    bench.outbox.rejectWaiting('closed');
    bench.outbox.leave();
    await expect(rejected).rejects.toBe('closed');
    expect([sent.told, waiting.told, refused.told]).toEqual([['left'], ['removed'], ['removed']]);
  });

  it('goes with a Bus that closes before it could send it', () => {
    const bench = new OutboxBench();
    const [unsent, again] = [new FakeFile(), new FakeFile()];
    bench.outbox.admit(parcel(again));
    bench.take();
    bench.outbox.rewind();
    bench.outbox.admit(parcel(unsent));
    bench.outbox.leave();
    expect([again.told, unsent.told]).toEqual([['left'], ['removed']]);
  });
});

it('who waited for room knows the sequence in the moment in which there is some', async () => {
  const bench = new OutboxBench();
  await bench.publish(WINDOW);
  const waiting = bench.publish(1_000);
  expect(bench.admitted).toEqual([]);
  bench.settle(1);
  expect(bench.admitted).toEqual([2]);
  expect(await waiting).toBe(2);
});
