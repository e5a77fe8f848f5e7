// What the tests of this folder share: temporary roots, pipes of both kinds, and owners that take notes.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryEndpoints } from '../../src/transport/memory-pipe.js';
import type { Endpoints, Listener, Pipe } from '../../src/transport/pipe.js';
import { dialSocket, listenSocket, socketEndpoints } from '../../src/transport/socket-pipe.js';
import { systemClock } from '../../src/util/clock.js';
import { afterwards } from '../support/scratch.js';

export const later = afterwards;

/** A folder of its own, mode 0700, that goes after the test. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'ms-'));
  chmodSync(path, 0o700);
  later(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Resolves when `condition` holds; looks after every turn of the event loop. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > 10_000) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Takes notes of everything a pipe tells it. */
export class Owner {
  readonly chunks: Buffer[] = [];
  readonly ends: (Error | undefined)[] = [];
  drains = 0;
  afterEnd = 0;
  readonly pipe: Pipe;

  constructor(pipe: Pipe) {
    this.pipe = pipe;
    pipe.handlers = {
      data: (chunk) => {
        this.chunks.push(chunk);
        if (this.ends.length > 0) this.afterEnd += 1;
      },
      drained: () => {
        this.drains += 1;
        if (this.ends.length > 0) this.afterEnd += 1;
      },
      closed: (cause) => this.ends.push(cause),
    };
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  get length(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  receives(length: number): Promise<void> {
    return until(() => this.length >= length || this.ends.length > 0, `${length} bytes`);
  }

  isClosed(): Promise<void> {
    return until(() => this.ends.length > 0, 'the end');
  }
}

export interface World {
  endpoints: Endpoints;
  endpoint: string;
}

export const kinds: { kind: string; world: () => World }[] = [
  {
    kind: 'socket',
    world: () => ({ endpoints: socketEndpoints(systemClock), endpoint: socketName() }),
  },
  {
    kind: 'socket, accepted ones read as streams',
    world: () => ({ endpoints: streamEndpoints, endpoint: socketName() }),
  },
  { kind: 'memory', world: () => ({ endpoints: memoryEndpoints(systemClock), endpoint: 'mem' }) },
  {
    kind: 'memory, cut into bytes',
    world: () => ({ endpoints: memoryEndpoints(systemClock, { split: byByte }), endpoint: 'mem' }),
  },
];

/** What runs on a Node whose handles are not what they were. */
const streamEndpoints: Endpoints = {
  dial: (endpoint, options = {}) => dialSocket(endpoint, { ...options, clock: systemClock }),
  listen: (endpoint, options) =>
    listenSocket(endpoint, { ...options, clock: systemClock, pooledReads: false }),
};

function byByte(chunk: Buffer): Buffer[] {
  if (chunk.length > 4096) return [chunk];
  return Array.from(chunk, (_, at) => chunk.subarray(at, at + 1));
}

function socketName(): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\ms-${systemClock.randomBytes(8).toString('hex')}`;
  return join(temporaryFolder(), 's');
}

/** Listens, dials once, and gives both ends: [dialled, accepted]. */
export async function connectedPair({ endpoints, endpoint }: World): Promise<[Pipe, Pipe]> {
  const accepted: Pipe[] = [];
  const listener: Listener = await endpoints.listen(endpoint, {
    onPipe: (pipe) => accepted.push(pipe),
    onError: () => {},
  });
  const dialled = await endpoints.dial(endpoint);
  await until(() => accepted.length === 1, 'the accepted pipe');
  await listener.close();
  later(() => dialled.destroy());
  later(() => accepted[0]!.destroy());
  return [dialled, accepted[0]!];
}
