// Sending at a steady pace: what is due is sent at once, so that a late timer does not thin the messages out.
import { setTimeout as wait } from 'node:timers/promises';
import { machineTime } from './payload.mjs';

/** Calls `send(number)` for `count` numbers, one per `interval` ms; resolves to the machine time before each call. */
export async function sendPaced(count, interval, send) {
  const sentAt = [];
  const startedAt = machineTime();
  while (sentAt.length < count) {
    const due = Math.min(count, Math.floor((machineTime() - startedAt) / interval) + 1);
    while (sentAt.length < due) {
      sentAt.push(machineTime());
      await send(sentAt.length - 1);
    }
    await wait(1);
  }
  return { startedAt, sentAt };
}
