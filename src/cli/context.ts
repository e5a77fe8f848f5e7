// What every command gets: the choice of a bus, where results go, and the signal that ends it early.
import type { Output } from './output.js';

export interface Context {
  readonly output: Output;
  /** Aborts on SIGINT and SIGTERM and when stdout is closed; the reason is a CommandEnd. */
  readonly signal: AbortSignal;
}

/** Options that every command takes. */
export interface BusFlags {
  bus: string;
  directory?: string;
}

/** The properties of `options` that are not undefined: an option left out must not be passed on as undefined. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
