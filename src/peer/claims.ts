// Claims: names of which one peer on the bus at a time is the owner. A claim is a query to the host that stays open:
// its first reply says that the name is ours, its end that it is not any more.
//
// Without a link nobody can tell an owner that it has lost a name. So it gives its claims up by itself when it was
// without one for CLAIM_OWNER_GRACE, which is before the host grants them to others.

import { MailslotError } from '../errors.js';
import { CLAIM_OWNER_GRACE, MAX_TIMEOUT } from '../limits.js';
import type { Clock, Timer } from '../util/clock.js';
import { type Inspect, inspected, show } from '../util/inspection.js';
import type { HeldClaim } from '../wire/control.js';
import { isSubject } from '../wire/subject.js';
import type { Claim, ClaimOptions } from './api.js';
import type { Ask } from './host-queries.js';
import { checkOptions, checkSignal, describe } from './options.js';
import { type Question, systemQuestion } from './question.js';

export interface ClaimsOptions {
  clock: Clock;
  ask: Ask;
}

export class Claims {
  readonly #options: ClaimsOptions;
  readonly #claims = new Set<OpenClaim>();
  /** What the last JOIN said. */
  #listed: HeldClaim[] = [];
  #highestToken = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** The highest token this peer was granted; a host never grants a lower one. */
  get highestToken(): number {
    return this.#highestToken;
  }

  /** What JOIN says of claims. */
  list(): HeldClaim[] {
    this.#listed = this.#owned();
    return this.#listed;
  }

  /** OPEN came. What ended since JOIN the host takes for ours still: it is released. */
  linkOpened(): void {
    const owned = new Set(this.#owned().map(({ token }) => token));
    const released = this.#listed.filter(({ token }) => !owned.has(token));
    this.#listed = [];
    for (const claim of released) {
      const stop = this.#options.ask(claimQuestion(claim), { reply() {}, end() {} });
      stop();
    }
  }

  #owned(): HeldClaim[] {
    return [...this.#claims].filter(({ isOwned }) => isOwned).map(({ name, token }) => ({ name, token }));
  }

  /** Resolves when the name is ours. @throws MAILSLOT_INVALID_NAME, MAILSLOT_INVALID_OPTION; `signal.reason` */
  async claim(name: string, options: ClaimOptions): Promise<Claim> {
    checkName(name);
    checkOptions(options, 'claim', ['signal']);
    const { signal } = options;
    checkSignal(signal, 'claim');
    signal?.throwIfAborted();
    const claim = new OpenClaim(name, {
      ...this.#options,
      onGranted: (token) => {
        this.#highestToken = Math.max(this.#highestToken, token);
      },
      onOver: () => this.#claims.delete(claim),
    });
    this.#claims.add(claim);
    const giveUp = (): void => claim.giveUp(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await claim.granted;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
    return claim;
  }

  /** The link ended: those that are ours stay so for a while. */
  linkLost(): void {
    for (const claim of this.#claims) claim.linkLost();
  }
}

interface OpenClaimOptions extends ClaimsOptions {
  onGranted(token: number): void;
  onOver(): void;
}

class OpenClaim implements Claim {
  readonly name: string;
  readonly granted: Promise<void>;
  readonly lost: Promise<Error | undefined>;
  readonly #options: OpenClaimOptions;
  #state: 'waiting' | 'owned' | 'over' = 'waiting';
  #token = 0;
  #stop: () => void = () => {};
  #grace: Timer | undefined;
  #resolveGranted: () => void = () => {};
  #rejectGranted: (reason: unknown) => void = () => {};
  #resolveLost: (reason: Error | undefined) => void = () => {};

  constructor(name: string, options: OpenClaimOptions) {
    this.name = name;
    this.#options = options;
    this.granted = new Promise((resolve, reject) => {
      this.#resolveGranted = resolve;
      this.#rejectGranted = reject;
    });
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    this.#ask();
  }

  get token(): number {
    return this.#token;
  }

  get isOwned(): boolean {
    return this.#state === 'owned';
  }

  async release(): Promise<void> {
    this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  [inspected](...args: [number, object, Inspect]): string {
    return show('Claim', { name: this.name, token: this.#token }, args);
  }

  /** Waits no longer, or lets go of the name although nobody asked for that. */
  giveUp(reason: unknown): void {
    this.#end(reason);
  }

  linkLost(): void {
    if (this.#state !== 'owned') return;
    this.#grace ??= this.#options.clock.setTimer(CLAIM_OWNER_GRACE, () => this.#end(awayTooLong(this.name)));
  }

  /** Also said again on every new link: there it waits for OPEN. */
  #ask(): void {
    const { name } = this;
    const request = this.#state === 'owned' ? { name, token: this.#token } : { name };
    this.#stop = this.#options.ask(claimQuestion(request), {
      reply: ({ error, data }) => {
        if (error === undefined) this.#grant(data);
        else this.#end(error);
      },
      end: (error) => this.#ended(error),
    });
  }

  #grant(data: unknown): void {
    const token = (data as { token?: unknown } | undefined)?.token;
    if (typeof token !== 'number') return this.#end(unreadable(this.name));
    if (this.#state === 'over') return;
    this.#grace?.cancel();
    this.#grace = undefined;
    this.#token = token;
    this.#state = 'owned';
    this.#options.onGranted(token);
    this.#resolveGranted();
  }

  /**
   * The query is over. With its link, or by a time-out of many days, it is only to be asked again; and by an owner, whose name
   * is its own for as long as it is granted, when it has waited for a host long enough for other calls.
   */
  #ended(error: unknown): void {
    if (this.#state === 'over') return;
    const goesOn =
      MailslotError.is(error, 'MAILSLOT_RESPONDER_LOST') ||
      MailslotError.is(error, 'MAILSLOT_TIMEOUT') ||
      (this.#state === 'owned' && MailslotError.is(error, 'MAILSLOT_UNREACHABLE'));
    if (goesOn) this.#ask();
    else this.#end(error);
  }

  #end(reason: unknown): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#grace?.cancel();
    this.#options.onOver();
    this.#stop();
    this.#rejectGranted(reason);
    this.#resolveLost(reason as Error | undefined);
  }
}

function claimQuestion(request: { name: string; token?: number }): Question {
  return systemQuestion('$claim', request, { call: 'claim', timeout: MAX_TIMEOUT });
}

/** @throws MAILSLOT_INVALID_NAME */
function checkName(name: unknown): asserts name is string {
  if (isSubject(name)) return;
  const message = `claim: the name is ${describe(name)}; names are made as subjects are: tokens of letters, digits, _ and - joined by dots`;
  throw new MailslotError('MAILSLOT_INVALID_NAME', message);
}

function awayTooLong(name: string): MailslotError {
  const message = `claim: "${name}" was given up after ${CLAIM_OWNER_GRACE} ms without a host; claim it again when the bus is connected`;
  return new MailslotError('MAILSLOT_UNREACHABLE', message);
}

function unreadable(name: string): MailslotError {
  const message = `claim: the host answered the claim of "${name}" with something else than a token; see which program hosts`;
  return new MailslotError('MAILSLOT_PROTOCOL_VIOLATION', message);
}
