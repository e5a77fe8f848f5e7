// Who takes part in take-overs: processes that may host and are killed, publishers that never pause, and receivers
// that check every message as it arrives. The latter two host nothing, so that only hosts die.
import type { Bus, Slot } from 'mailslot';
import { type ChildPeer, childPeer } from '../support/child-peer.js';
import { joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

/** What a receiver has seen. */
export interface Account {
  /** By publisher: the number that comes next, which is how many came if none was skipped. */
  counts: Record<string, number>;
  /** Numbers that were skipped, came twice or came too late; the first ten. */
  faults: string[];
  /** `missed` of every gap. */
  gaps: (number | undefined)[];
  /** Whether orders have always risen. */
  ordered: boolean;
}

export interface Receiver {
  account(): Promise<Account>;
  /** Resolves when a hundred messages more have come from this publisher. */
  flows(from: Publisher): Promise<unknown>;
}

export interface Publisher {
  readonly id: string;
  /** Stops it; resolves to how many it has published, when each of them is taken everywhere. */
  finish(): Promise<number>;
}

/** A process that may host, and does nothing else. */
export function candidate(directory: string): Promise<ChildPeer> {
  return childPeer(directory, { hostThread: 'inline' });
}

// As text it runs in other processes, too: it uses nothing from outside.
function keepAccount(slot: Slot<number, object>): Account {
  const account: Account = { counts: {}, faults: [], gaps: [], ordered: true };
  let lastOrder = 0;
  type Item = { gap?: { missed: number | undefined }; sender: string; data: number; order: number };
  const take = ({ gap, sender, data, order }: Item): void => {
    if (gap !== undefined) {
      account.gaps.push(gap.missed);
      return;
    }
    const expected = account.counts[sender] ?? 0;
    if (data !== expected && account.faults.length < 10)
      account.faults.push(`${data} came instead of ${expected}`);
    account.counts[sender] = data + 1;
    account.ordered &&= order > lastOrder;
    lastOrder = order;
  };
  void (async () => {
    for await (const batch of slot.batches()) for (const item of batch) take(item as Item);
  })();
  return account;
}

/** Publishes 0, 1, 2 … from now on, as fast as the bus takes them. */
function publishCounting(bus: Bus, subject: string): () => Promise<number> {
  let stopped = false;
  const published = (async () => {
    let number = 0;
    for (; !stopped; number += 1) await bus.publish(subject, number);
    return number;
  })();
  return async () => {
    stopped = true;
    const count = await published;
    // it settles behind all others
    await bus.publish('finished', undefined, { confirm: true });
    return count;
  };
}

/** In this process. */
export async function receiver(directory: string): Promise<Receiver> {
  const bus = await joinBus(directory, { host: 'never' });
  const account = keepAccount(await bus.subscribe<number>('n.*', { gaps: true }));
  return {
    account: async () => account,
    flows({ id }) {
      const enough = (account.counts[id] ?? 0) + 100;
      return eventually(() => (account.counts[id] ?? 0) > enough, 'the flow of messages');
    },
  };
}

/** In this process. */
export async function publisher(directory: string, subject: string): Promise<Publisher> {
  const bus = await joinBus(directory, { host: 'never' });
  return { id: bus.id, finish: publishCounting(bus, subject) };
}

/** In a process of its own. */
export async function receiverProcess(directory: string): Promise<Receiver & { child: ChildPeer }> {
  const child = await childPeer(directory, { host: 'never' });
  await child.run(async ({ bus, kept }, source) => {
    const keep = new Function(`return ${source}`)();
    kept.notes = [keep(await bus.subscribe('n.*', { gaps: true }))];
  }, keepAccount.toString());
  return {
    child,
    account: () => child.run(({ kept }) => kept.notes[0] as Account),
    flows({ id }) {
      return child.run(async ({ kept }, id) => {
        const { counts } = kept.notes[0] as Account;
        const enough = (counts[id] ?? 0) + 100;
        while ((counts[id] ?? 0) < enough) await new Promise((resolve) => setTimeout(resolve, 5));
      }, id);
    },
  };
}

/** In a process of its own. */
export async function publisherProcess(directory: string, subject: string): Promise<Publisher> {
  const child = await childPeer(directory, { host: 'never' });
  await child.run(
    ({ bus, kept }, { source, subject }) => {
      const publish = new Function(`return ${source}`)();
      kept.notes = [publish(bus, subject)];
    },
    { source: publishCounting.toString(), subject },
  );
  return { id: child.id, finish: () => child.run(({ kept }) => (kept.notes[0] as () => Promise<number>)()) };
}

/** The one of them that hosts, once one does. */
export function hostAmong(children: readonly ChildPeer[]): Promise<ChildPeer> {
  return eventually(async () => {
    for (const child of children) if (await child.run(({ bus }) => bus.hosting)) return child;
    return undefined;
  }, 'a host');
}
