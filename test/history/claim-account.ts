// Holds what programs saw of their claims against what was promised of them: one owner of a name at a time, tokens that
// rise, and no loss for an owner that was there. Times are those of the programs: a claim begins for its owner after it
// was granted, and is over for it when it lets go or learns of the loss. So an overlap here is one, and not a message
// under way.
import type { Rule } from './checker.js';
import type { Granted, Ungranted } from './history.js';

interface Hold {
  readonly process: string;
  readonly token: number;
  /** Whether the owner may have been away since, for any reason. */
  isExcused: boolean;
  /** …because it read nothing: then it could not learn of its loss. */
  isUnread: boolean;
}

export class ClaimAccount {
  readonly #accuse: (rule: Rule, message: string) => void;
  readonly #holds = new Map<string, Hold>();
  readonly #tokens = new Map<string, number>();

  constructor(accuse: (rule: Rule, message: string) => void) {
    this.#accuse = accuse;
  }

  granted({ process, name, token }: Granted): void {
    const highest = this.#tokens.get(name) ?? 0;
    if (token <= highest)
      this.#accuse('token', `${process} has "${name}" with token ${token}, but ${highest} was given before`);
    this.#tokens.set(name, Math.max(highest, token));
    const hold = this.#holds.get(name);
    if (hold !== undefined && !hold.isUnread)
      this.#accuse('two-owners', `${process} has "${name}" while ${hold.process} owns it (${hold.token})`);
    this.#holds.set(name, { process, token, isExcused: false, isUnread: false });
  }

  ungranted({ process, name, token, how }: Ungranted): void {
    const hold = this.#holds.get(name);
    // who was overtaken may learn of it at any time
    if (hold?.process !== process || hold.token !== token) return;
    if (how === 'lost' && !hold.isExcused)
      this.#accuse('claim-lost', `${process} has lost "${name}" (${token}) although it was there`);
    this.#holds.delete(name);
  }

  excused(process: string, isUnread: boolean): void {
    for (const hold of this.#holds.values()) {
      if (hold.process !== process) continue;
      hold.isExcused = true;
      hold.isUnread ||= isUnread;
    }
  }

  ended(process: string): void {
    for (const [name, hold] of this.#holds) if (hold.process === process) this.#holds.delete(name);
  }
}
