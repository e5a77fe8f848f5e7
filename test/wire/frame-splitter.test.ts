import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { At, encodeFrame, FrameFault, frameSize, Kind, writeU32 } from '../../src/wire/frame.js';
import { FrameSplitter } from '../../src/wire/frame-splitter.js';
import { writeByteStringHead } from '../../src/wire/values.js';

const sender = Buffer.alloc(8, 0xaa);
const frameOf = (subject: string, bytes = 1) =>
  encodeFrame({ kind: Kind.publish, sender, subject, data: Buffer.alloc(bytes, 0xf6) });

interface Taken {
  /** Each frame as hex. */
  frames: string[];
  /** The buffers that the frames lay in. */
  memory: ArrayBufferLike[];
}

function collector(): { splitter: FrameSplitter; taken: Taken } {
  const taken: Taken = { frames: [], memory: [] };
  const splitter = new FrameSplitter((bytes, start, end) => {
    let at = start;
    while (at < end) {
      const size = frameSize(bytes, at, end);
      if (size === 0 || size > end - at) break;
      taken.frames.push(bytes.toString('hex', at, at + size));
      taken.memory.push(bytes.buffer);
      at += size;
    }
    return at;
  });
  return { splitter, taken };
}

const frames = [frameOf('a'), frameOf(''), frameOf('long.subject', 200), frameOf('z', 2)];
const stream = Buffer.concat(frames);
const expected = frames.map((frame) => frame.toString('hex'));

describe('FrameSplitter', () => {
  it('finds the same frames wherever the stream is cut once', () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const { splitter, taken } = collector();
      splitter.push(stream.subarray(0, cut));
      splitter.push(stream.subarray(cut));
      expect(taken.frames, `cut at ${cut}`).toEqual(expected);
      expect(splitter.atBoundary).toBe(true);
    }
  });

  it('names the place of what a large frame lacks, and copies nothing that was read into it', () => {
    const memory = Buffer.alloc(300_000, 1);
    const taken: string[] = [];
    const frame = frameOf('large', 200_000);
    const splitter = new FrameSplitter(
      (bytes, start, end) => {
        if (end - start < frame.length) return start;
        taken.push(bytes.toString('hex', start, end));
        return end;
      },
      () => memory,
    );
    expect(splitter.place).toBeUndefined();
    splitter.push(frame.subarray(0, 1_000));
    for (let at = 1_000; at < frame.length; at += 50_000) {
      const place = splitter.place!;
      const chunk = (place ?? Buffer.alloc(50_000)).subarray(0, Math.min(50_000, frame.length - at));
      frame.copy(chunk, 0, at);
      splitter.push(chunk);
    }
    expect(taken).toEqual([frame.toString('hex')]);
    expect(splitter.place).toBeUndefined();
  });

  it('copies a piece that lies elsewhere in the memory that the frame has its place in', () => {
    const memory = Buffer.alloc(300_000, 1);
    const frame = frameOf('large', 100_000);
    const pieces = memory.subarray(150_000, 150_000 + frame.length);
    frame.copy(pieces);
    let taken = false;
    const splitter = new FrameSplitter(
      (bytes, start, end) => {
        if (end - start < frame.length) return start;
        taken = frame.equals(bytes.subarray(start, end));
        return end;
      },
      () => memory,
    );
    splitter.push(pieces.subarray(0, 40_000));
    splitter.push(pieces.subarray(40_000));
    expect(taken).toBe(true);
  });

  it('names no place for a little, nor before the size is known', () => {
    const { splitter } = collector();
    splitter.push(frameOf('large', 200_000).subarray(0, 5));
    expect(splitter.place).toBeUndefined();
    splitter.push(frameOf('large', 200_000).subarray(5, 190_000));
    expect(splitter.place).toBeUndefined();
  });

  it('assembles in the memory it is given, and hands it back when the frame ended', () => {
    const memory = Buffer.alloc(1_000);
    const taken: [ArrayBufferLike, string][] = [];
    const splitter = new FrameSplitter(
      (bytes, start, end) => {
        taken.push([bytes.buffer, bytes.toString('hex', start, end)]);
        return frameSize(bytes, start, end) <= end - start ? end : start;
      },
      (size) => {
        expect(size).toBeGreaterThanOrEqual(200);
        return memory;
      },
    );
    const frame = frameOf('a', 200);
    expect(splitter.push(frame.subarray(0, 60))).toBeUndefined();
    expect(splitter.push(frame.subarray(60, 100))).toBeUndefined();
    expect(splitter.push(Buffer.concat([frame.subarray(100), frame.subarray(0, 60)]))).toBe(memory);
    expect(taken[1]).toEqual([memory.buffer, frame.toString('hex')]);
    expect(splitter.push(frame.subarray(60))).toBe(memory);
    expect(splitter.push(frame)).toBeUndefined();
  });

  it('lays the content of a long byte string on a multiple of 8', () => {
    for (let length = 1; length < 20; length += 1) {
      const data = Buffer.alloc(70_005);
      writeByteStringHead(data, 0, 70_000);
      const frame = encodeFrame({ kind: Kind.publish, sender, subject: 'a'.repeat(length), data });
      let position = -1;
      const splitter = new FrameSplitter((bytes, start, end) => {
        if (end - start < frame.length) return start;
        position = bytes.byteOffset + end - 70_000;
        return end;
      });
      splitter.push(frame.subarray(0, 1_000));
      splitter.push(frame.subarray(1_000));
      expect(position % 8, `subject of ${length}`).toBe(0);
    }
  });

  it('finds the same frames wherever the stream is cut twice', () => {
    const short = Buffer.concat([frameOf('a'), frameOf('b')]);
    const both = [frameOf('a'), frameOf('b')].map((frame) => frame.toString('hex'));
    for (let first = 0; first <= short.length; first += 1) {
      for (let second = first; second <= short.length; second += 1) {
        const { splitter, taken } = collector();
        splitter.push(short.subarray(0, first));
        splitter.push(short.subarray(first, second));
        splitter.push(short.subarray(second));
        expect(taken.frames, `cut at ${first} and ${second}`).toEqual(both);
      }
    }
  });

  it.each([1, 2, 3, 5, 7, 8, 53, 54, 55, 1_000])('finds them in pieces of %i bytes', (size) => {
    const { splitter, taken } = collector();
    for (let at = 0; at < stream.length; at += size) splitter.push(stream.subarray(at, at + size));
    expect(taken.frames).toEqual(expected);
    expect(splitter.atBoundary).toBe(true);
  });

  it('hands out the golden stream whole, byte by byte', () => {
    const path = new URL('../vectors/frames.json', import.meta.url);
    const { stream: golden } = JSON.parse(readFileSync(path, 'utf8')) as {
      stream: { hex: string; frames: string[] };
    };
    const { splitter, taken } = collector();
    for (const byte of Buffer.from(golden.hex, 'hex')) splitter.push(Buffer.of(byte));
    expect(taken.frames.join('')).toBe(golden.hex);
    expect(taken.frames).toHaveLength(golden.frames.length);
  });

  it('copies only a frame that crosses chunks', () => {
    const chunk = Buffer.from(stream.buffer.slice(stream.byteOffset, stream.byteOffset + stream.length));
    const cut = frames[0]!.length + 3;
    const { splitter, taken } = collector();
    splitter.push(chunk.subarray(0, cut));
    splitter.push(chunk.subarray(cut));
    expect(taken.memory.map((memory) => memory === chunk.buffer)).toEqual([true, false, true, true]);
  });

  it('lets a held frame outlive the chunks it came in', () => {
    const { splitter, taken } = collector();
    const first = Buffer.from(stream.subarray(0, 20));
    splitter.push(first);
    first.fill(0);
    splitter.push(stream.subarray(20));
    expect(taken.frames).toEqual(expected);
  });

  it('knows whether it is between two frames', () => {
    const { splitter } = collector();
    expect(splitter.atBoundary).toBe(true);
    splitter.push(stream.subarray(0, 1));
    expect(splitter.atBoundary).toBe(false);
    splitter.push(stream.subarray(1, frames[0]!.length));
    expect(splitter.atBoundary).toBe(true);
  });

  it('takes an empty chunk for nothing', () => {
    const { splitter, taken } = collector();
    splitter.push(Buffer.alloc(0));
    splitter.push(stream.subarray(0, 2));
    splitter.push(Buffer.alloc(0));
    splitter.push(stream.subarray(2));
    expect(taken.frames).toEqual(expected);
  });

  it('refuses foreign bytes at the first one, in whatever pieces they come', () => {
    const foreign = Buffer.from('GET / HTTP/1.1\r\n');
    for (const size of [1, 2, 7, foreign.length]) {
      expect(() => collector().splitter.push(foreign.subarray(0, size)), String(size)).toThrow(FrameFault);
    }
    const { splitter } = collector();
    splitter.push(stream.subarray(0, 2));
    expect(() => splitter.push(Buffer.of(0x00))).toThrow('byte 2 of a frame is 00');
  });

  it('refuses an impossible length before it takes memory for it, however it is cut', () => {
    const lying = frameOf('a');
    writeU32(lying, At.length, 0xffff_ffff);
    for (let cut = 0; cut < lying.length; cut += 1) {
      const { splitter } = collector();
      expect(() => {
        splitter.push(lying.subarray(0, cut));
        splitter.push(lying.subarray(cut));
      }, `cut at ${cut}`).toThrow('a frame announces');
    }
  });

  it('refuses a sink that does not take a whole frame', () => {
    const splitter = new FrameSplitter((_bytes, start) => start);
    splitter.push(stream.subarray(0, 10));
    expect(() => splitter.push(stream.subarray(10, frames[0]!.length))).toThrow(
      'a frame did not end where its length field says',
    );
  });

  it('passes on what the sink throws', () => {
    const splitter = new FrameSplitter(() => {
      throw new RangeError('mine');
    });
    expect(() => splitter.push(stream)).toThrow(RangeError);
  });
});
