// Runs a host in a worker thread, so that a busy program does not stall its bus.
import { Worker } from 'node:worker_threads';
import { MailslotError, type MailslotErrorCode } from '../errors.js';
import type { BusDirectory } from '../transport/bus-directory.js';
import type { Host } from './host.js';

export interface HostThreadData {
  bus: BusDirectory;
  /** The epoch that was found dead. */
  dead: number;
  /** The last epoch that the owner was on; 0 if none. */
  lastEpoch: number;
  ownerId: Uint8Array | undefined;
}

/** Main thread → worker. */
export type HostCommand = 'drain' | 'close';

/** Worker → main thread. */
export type HostNews =
  | { news: 'serving'; epoch: number; endpoint: string }
  | { news: 'lost' }
  | { news: 'failed'; error: unknown }
  | { news: 'peers'; peers: number }
  | { news: 'ended'; cause: Error | undefined };

/** The worker could not be started at all: the program is bundled, or threads are not available. */
export class ThreadFailure extends Error {
  override readonly name = 'ThreadFailure';
}

/**
 * Stands for election in a new thread; undefined when somebody else won.
 * @throws ThreadFailure; MailslotError as `runHost`
 */
export function startHostThread(data: HostThreadData): Promise<Host | undefined> {
  return new Promise((resolve, reject) => {
    const worker = startWorker(data);
    worker.unref();
    let peers = 0;
    let end: (cause: Error | undefined) => void = () => {};
    const closed = new Promise<Error | undefined>((settle) => {
      end = settle;
    });
    const command = async (word: HostCommand): Promise<void> => {
      worker.postMessage(word);
      worker.ref();
      await closed;
    };
    const host = {
      get peers() {
        return peers;
      },
      closed,
      drain: () => command('drain'),
      close: () => command('close'),
      [Symbol.asyncDispose]: () => command('drain'),
    };
    worker.on('message', (news: HostNews) => {
      if (news.news === 'serving') {
        resolve(
          Object.defineProperties({ epoch: news.epoch, endpoint: news.endpoint } as Host, properties(host)),
        );
      } else if (news.news === 'lost') resolve(undefined);
      else if (news.news === 'failed') reject(revive(news.error));
      else if (news.news === 'peers') peers = news.peers;
      else end(news.cause);
    });
    worker.on('error', (error) => {
      reject(new ThreadFailure('the host thread failed', { cause: error }));
      end(error);
    });
    worker.on('exit', () => {
      reject(new ThreadFailure('the host thread ended before it served'));
      end(new Error('the host thread ended'));
    });
  });
}

function startWorker(workerData: HostThreadData): Worker {
  try {
    return new Worker(new URL('./host-worker.js', import.meta.url), { workerData, name: 'mailslot-host' });
  } catch (error) {
    throw new ThreadFailure('the host thread could not be started', { cause: error });
  }
}

function properties(source: object): PropertyDescriptorMap {
  return Object.getOwnPropertyDescriptors(source);
}

/** Errors lose their class on the way between threads. */
function revive(error: unknown): unknown {
  const { code, message, cause } = (error ?? {}) as {
    code?: MailslotErrorCode;
    message?: string;
    cause?: unknown;
  };
  if (code?.startsWith('MAILSLOT_') !== true) return error;
  return new MailslotError(code, message ?? '', { cause });
}
