// One suite over every kind of pipe, in both directions.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Pipe } from '../../src/transport/pipe.js';
import { connectedPair, kinds, Owner, until } from './helper.js';

const MiB = 1024 * 1024;

function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

for (const { kind, world } of kinds) {
  for (const direction of ['dialled to accepted', 'accepted to dialled'] as const) {
    describe(`pipe (${kind}), ${direction}`, () => {
      const pair = async (): Promise<[Pipe, Pipe]> => {
        const [dialled, accepted] = await connectedPair(world());
        return direction === 'dialled to accepted' ? [dialled, accepted] : [accepted, dialled];
      };

      it('keeps the order of writes and of parts', async () => {
        const [from, to] = await pair();
        const reader = new Owner(to);
        new Owner(from);
        let expected = '';
        for (let i = 0; i < 500; i += 1) {
          const parts = Array.from({ length: i % 4 }, (_, part) => Buffer.from(`<${i}.${part}>`));
          from.write(parts);
          expected += Buffer.concat(parts).toString();
        }
        await reader.receives(expected.length);
        expect(reader.text).toBe(expected);
      });

      it('carries every byte value, cut between any two writes', async () => {
        const [from, to] = await pair();
        const reader = new Owner(to);
        new Owner(from);
        const bytes = pattern(64);
        for (let at = 0; at <= bytes.length; at += 1) {
          from.write([bytes.subarray(0, at)]);
          await new Promise((resolve) => setImmediate(resolve));
          from.write([bytes.subarray(at)]);
        }
        await reader.receives(65 * 64);
        expect(reader.bytes.equals(Buffer.concat(Array(65).fill(bytes)))).toBe(true);
      });

      it('reads into the place that its reader names, or elsewhere, but never twice into the same', async () => {
        const [from, to] = await pair();
        new Owner(from);
        const bytes = pattern(3 * MiB);
        const whole = Buffer.alloc(bytes.length);
        let length = 0;
        to.handlers = {
          data: (chunk) => {
            if (chunk.buffer === whole.buffer) expect(chunk.byteOffset - whole.byteOffset).toBe(length);
            else chunk.copy(whole, length);
            length += chunk.length;
            to.recycle(chunk);
          },
          place: () => (length % 3 === 0 ? whole.subarray(length, length + 100_000) : undefined),
          drained() {},
          closed() {},
        };
        from.write([bytes]);
        await until(() => length === bytes.length);
        expect(sha(whole)).toBe(sha(bytes));
      });

      it('transfers 24 MiB unharmed while the reader recycles every chunk', async () => {
        const [from, to] = await pair();
        const hash = createHash('sha256');
        let length = 0;
        to.handlers = {
          data(chunk) {
            hash.update(chunk);
            length += chunk.length;
            to.recycle(chunk);
            to.recycle(chunk);
            to.recycle(Buffer.alloc(10));
          },
          drained() {},
          closed() {},
        };
        new Owner(from);
        const bytes = pattern(MiB, 7);
        for (let i = 0; i < 24; i += 1) from.write([bytes.subarray(0, 1000), bytes.subarray(1000)]);
        await until(() => length === 24 * MiB, '24 MiB');
        expect(hash.digest('hex')).toBe(sha(Buffer.concat(Array(24).fill(bytes))));
      });

      it('leaves a chunk that was not recycled alone', async () => {
        const [from, to] = await pair();
        const reader = new Owner(to);
        new Owner(from);
        const bytes = pattern(6 * MiB, 3);
        from.write([bytes]);
        await reader.receives(bytes.length);
        expect(sha(reader.bytes)).toBe(sha(bytes));
      });

      it('queues what an idle reader does not take, and drains once it does', async () => {
        const [from, to] = await pair();
        const writer = new Owner(from);
        for (let i = 0; i < 4; i += 1) from.write([pattern(MiB, i)]);
        await new Promise((resolve) => setTimeout(resolve, 30));
        expect(from.queuedBytes).toBeGreaterThan(MiB);
        expect(writer.drains).toBe(0);
        const reader = new Owner(to);
        await reader.receives(4 * MiB);
        await until(() => writer.drains > 0, 'drained');
        expect(from.queuedBytes).toBe(0);
        expect(sha(reader.bytes)).toBe(sha(Buffer.concat([0, 1, 2, 3].map((i) => pattern(MiB, i)))));
      });

      it('reads nothing while it has no owner, and delivers all to the next in order', async () => {
        const [from, to] = await pair();
        new Owner(from);
        const first = new Owner(to);
        from.write([Buffer.from('one')]);
        await first.receives(3);
        to.handlers = undefined;
        from.write([Buffer.from('two')]);
        await new Promise((resolve) => setTimeout(resolve, 20));
        to.unread(Buffer.from('again '));
        const second = new Owner(to);
        expect(second.length).toBe(0);
        from.write([Buffer.from('three')]);
        await second.receives(14);
        expect([first.text, second.text]).toEqual(['one', 'again twothree']);
      });

      it('tells an end that came while it had no owner, after the bytes before it', async () => {
        const [from, to] = await pair();
        const writer = new Owner(from);
        from.write([Buffer.from('last words')]);
        from.end();
        await writer.isClosed();
        const reader = new Owner(to);
        await reader.isClosed();
        expect(reader.text).toBe('last words');
        expect(reader.ends).toHaveLength(1);
      });

      it('writes everything before it ends', async () => {
        const [from, to] = await pair();
        const writer = new Owner(from);
        const reader = new Owner(to);
        const bytes = pattern(3 * MiB, 9);
        from.write([bytes]);
        from.end();
        from.write([Buffer.from('too late')]);
        await reader.isClosed();
        await writer.isClosed();
        expect(sha(reader.bytes)).toBe(sha(bytes));
        expect([reader.ends, writer.ends]).toEqual([[undefined], [undefined]]);
      });

      it('destroys at once, tells the cause on its own side only, once, and nothing after it', async () => {
        const [from, to] = await pair();
        const writer = new Owner(from);
        const reader = new Owner(to);
        const cause = new Error('enough');
        from.write([pattern(4 * MiB)]);
        from.destroy(cause);
        from.destroy(new Error('again'));
        from.end();
        from.write([Buffer.from('too late')]);
        expect(writer.ends).toEqual([]);
        await Promise.all([writer.isClosed(), reader.isClosed()]);
        to.destroy();
        to.write([Buffer.from('to nobody')]);
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(writer.ends).toEqual([cause]);
        expect(reader.ends).toHaveLength(1);
        expect(reader.length).toBeLessThan(4 * MiB);
        expect(writer.afterEnd + reader.afterEnd).toBe(0);
        expect(from.queuedBytes).toBe(0);
      });

      it('survives writing into a pipe whose other end just went', async () => {
        const [from, to] = await pair();
        const writer = new Owner(from);
        new Owner(to);
        to.destroy();
        for (let i = 0; i < 100; i += 1) from.write([pattern(1000)]);
        await writer.isClosed();
        expect(writer.ends).toHaveLength(1);
      });

      it('delivers nothing that had arrived once its owner destroyed it', async () => {
        const [from, to] = await pair();
        new Owner(from);
        const first = new Owner(to);
        from.write([Buffer.from('x')]);
        await first.receives(1);
        to.handlers = undefined;
        to.unread(Buffer.from('unread'));
        to.destroy();
        const second = new Owner(to);
        await second.isClosed();
        expect(second.length).toBe(0);
      });
    });
  }

  describe(`endpoints (${kind})`, () => {
    it('rejects dialling where nobody listens with ENOENT', async () => {
      const { endpoints, endpoint } = world();
      await expect(endpoints.dial(endpoint)).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('rejects listening twice with EADDRINUSE', async () => {
      const { endpoints, endpoint } = world();
      const options = { onPipe: () => {}, onError: () => {} };
      const listener = await endpoints.listen(endpoint, options);
      await expect(endpoints.listen(endpoint, options)).rejects.toMatchObject({ code: 'EADDRINUSE' });
      await listener.close();
    });

    it('frees the endpoint while accepted pipes stay open', async () => {
      const setting = world();
      const [dialled, accepted] = await connectedPair(setting);
      await expect(setting.endpoints.dial(setting.endpoint)).rejects.toMatchObject({ code: 'ENOENT' });
      const reader = new Owner(accepted);
      dialled.write([Buffer.from('still here')]);
      await reader.receives(10);
      expect(reader.text).toBe('still here');
    });

    it('gives up dialling with the reason of the signal', async () => {
      const { endpoints, endpoint } = world();
      const reason = new Error('changed my mind');
      await expect(endpoints.dial(endpoint, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      const controller = new AbortController();
      const dialling = endpoints.dial(endpoint, { signal: controller.signal });
      controller.abort(reason);
      await expect(dialling).rejects.toBe(reason);
    });
  });
}
