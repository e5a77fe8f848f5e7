// Queries to the host that Bus does not show: for the commands `slots` and `tap`. Whoever has a Bus of openBus can
// ask them here.
import { encodeValue } from '../wire/values.js';
import type { Bus } from './api.js';
import type { Listener, Question } from './asker.js';

/** Asks; returns how to stop listening. */
export type Ask = (question: Question, listener: Listener) => () => void;

/** Where a Bus keeps its {@link Ask}. */
export const asks: unique symbol = Symbol('asks');

/** A question to the host itself. */
export function systemQuestion(
  subject: string,
  data: unknown,
  { timeout, all = false }: { timeout: number; all?: boolean },
): Question {
  const body = Buffer.from(encodeValue(data));
  return { subject, data: body, headers: undefined, to: undefined, timeout, signal: undefined, all };
}

/** @throws TypeError when it is a Bus of another make */
export function askHost(bus: Bus, question: Question, listener: Listener): () => void {
  const ask = (bus as Bus & { [asks]?: Ask })[asks];
  if (ask === undefined) throw new TypeError('this is not a Bus that openBus has made');
  return ask(question, listener);
}
