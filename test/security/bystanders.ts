// Two innocent peers and a host of their own thread. While others attack, they exchange numbered messages and
// queries; at any time they can be asked whether they noticed anything.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, type Host, openBus, type Slot, startHost } from 'mailslot';
import { EventLog, eventually } from '../support/waiting.js';

export class Bystanders {
  readonly directory: string;
  readonly host: Host;
  readonly alice: Bus;
  readonly bob: Bus;
  readonly events: EventLog;
  readonly #logs: EventLog[];
  #hostEnd: { cause: unknown } | undefined;
  #published = 0;
  #received = 0;
  #fault: string | undefined;
  #stopped = false;
  #exchange: Promise<unknown> = Promise.resolve();

  constructor(directory: string, host: Host, alice: Bus, bob: Bus) {
    this.directory = directory;
    this.host = host;
    this.alice = alice;
    this.bob = bob;
    this.events = new EventLog(bob);
    this.#logs = [new EventLog(alice), this.events];
    void host.closed.then((cause) => {
      this.#hostEnd = { cause };
    });
  }

  static async meet(): Promise<Bystanders> {
    const directory = mkdtempSync(join(tmpdir(), 'ms-'));
    const host = await startHost('test', { directory, timeout: 15_000 });
    const join_ = (label: string) => openBus('test', { directory, host: 'never', label, timeout: 15_000 });
    const pair = new Bystanders(directory, host, await join_('alice'), await join_('bob'));
    await pair.#begin();
    return pair;
  }

  /** Resolves when so many more messages and one more query got through; rejects if anything ever went wrong. */
  async noticeNothing(messages = 50): Promise<void> {
    const goal = this.#received + messages;
    await eventually(() => this.#received >= goal || this.#complaint() !== undefined, `message ${goal}`);
    const { data } = await this.alice.query<number>('innocent.double', goal, { timeout: 12_000 });
    if (data !== 2 * goal) throw new Error(`the double of ${goal} is not ${data}`);
    const complaint = this.#complaint();
    if (complaint !== undefined) throw new Error(complaint);
  }

  async part(): Promise<void> {
    this.#stopped = true;
    await this.#exchange;
    await eventually(() => this.#received === this.#published || this.#complaint(), 'the last message');
    const complaint = this.#complaint();
    await Promise.all([this.alice.close(), this.bob.close()]);
    await this.host.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
    if (complaint !== undefined) throw new Error(complaint);
  }

  async #begin(): Promise<void> {
    const slot = await this.bob.subscribe<number>('innocent.count');
    await this.bob.respond<number>('innocent.double', ({ data }) => 2 * data);
    this.#exchange = this.#publish();
    void this.#read(slot);
  }

  async #publish(): Promise<void> {
    while (!this.#stopped && this.#fault === undefined) {
      try {
        if (this.#published % 16 > 0) await this.alice.publish('innocent.count', this.#published);
        else await this.alice.publish('innocent.count', this.#published, { confirm: true });
        this.#published += 1;
      } catch (error) {
        this.#fault ??= `message ${this.#published} was not published: ${error}`;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #read(slot: Slot<number>): Promise<void> {
    for await (const { data } of slot) {
      if (data !== this.#received) this.#fault ??= `${data} came in place of message ${this.#received}`;
      this.#received += 1;
    }
  }

  #complaint(): string | undefined {
    if (this.#hostEnd !== undefined) return `the host ended: ${this.#hostEnd.cause}`;
    const lost = this.#logs.flatMap((log) => log.of('disconnected'));
    if (lost.length > 0) return `a link was lost: ${lost[0]!.cause}`;
    if (this.#logs.some((log) => log.of('gap').some(({ pattern }) => pattern.startsWith('innocent')))) {
      return 'there is a gap';
    }
    return this.#fault;
  }
}
