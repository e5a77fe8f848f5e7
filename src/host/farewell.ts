// The end of links that a host closes by itself: what is queued is written first, but nobody is waited for in vain.
import { HOST_FLUSH_GRACE } from '../limits.js';
import type { Pipe } from '../transport/pipe.js';
import type { Clock } from '../util/clock.js';

/** Resolves when all are closed. What they still deliver is dropped; one that takes too long is cut. */
export async function endPipes(pipes: readonly Pipe[], clock: Clock): Promise<void> {
  const timer = clock.setTimer(HOST_FLUSH_GRACE, () => {
    for (const pipe of pipes) pipe.destroy();
  });
  await Promise.all(pipes.map(endPipe));
  timer.cancel();
}

function endPipe(pipe: Pipe): Promise<void> {
  return new Promise((closed) => {
    pipe.handlers = { data: (chunk) => pipe.recycle(chunk), drained() {}, closed: () => closed() };
    pipe.end();
  });
}
