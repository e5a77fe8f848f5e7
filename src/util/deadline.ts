// A deadline for others that is fair after a stall of our own: a process that was suspended finds its timers
// overdue, and what it waited for in its inbox, unread.
import { STALL_THRESHOLD } from '../limits.js';
import type { Clock, Timer } from './clock.js';

/** Calls `fire` after `delay` ms. A timer that is over a second late starts anew. */
export function setDeadline(clock: Clock, delay: number, fire: () => void): Timer {
  let timer: Timer;
  const arm = () => {
    const due = clock.now() + delay;
    timer = clock.setTimer(delay, () => (clock.now() - due > STALL_THRESHOLD ? arm() : fire()));
  };
  arm();
  return { cancel: () => timer.cancel() };
}
