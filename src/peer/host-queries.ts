// Queries to the host that Bus does not show: for the commands `slots` and `tap`. Whoever has a Bus of openBus can
// ask them here.
import type { Bus } from './api.js';
import type { Listener } from './asker.js';
import type { Question } from './question.js';

/** Asks; returns how to stop listening. */
export type Ask = (question: Question, listener: Listener) => () => void;

/** Where a Bus keeps its {@link Ask}. */
export const asks: unique symbol = Symbol('asks');

/** @throws TypeError when it is a Bus of another make */
export function askHost(bus: Bus, question: Question, listener: Listener): () => void {
  const ask = (bus as Bus & { [asks]?: Ask })[asks];
  if (ask === undefined) throw new TypeError('this is not a Bus that openBus has made');
  return ask(question, listener);
}
