// Processes for take-overs: some that may host and are killed, publishers that never pause, and receivers that keep
// account of every message. None of the latter two hosts, so that only hosts die.
import type { ChildPeer } from '../support/child-peer.js';
import { childPeer } from '../support/child-peer.js';
import { eventually } from '../support/waiting.js';

/** What a receiver has seen; every number is checked as it arrives. */
export interface Account {
  /** By publisher: how many came, which is also the number that comes next. */
  counts: Record<string, number>;
  /** Numbers that were skipped, came twice or came too late. */
  faults: string[];
  /** `missed` of every gap. */
  gaps: (number | undefined)[];
  /** Whether orders have always risen. */
  ordered: boolean;
}

/** A peer that may host, and does nothing else. */
export function candidate(directory: string): Promise<ChildPeer> {
  return childPeer(directory, { hostThread: 'inline' });
}

export async function receiver(directory: string, pattern = 'n.*'): Promise<ChildPeer> {
  const child = await childPeer(directory, { host: 'never' });
  await child.run(async ({ bus, kept }, pattern) => {
    const account: Account = { counts: {}, faults: [], gaps: [], ordered: true };
    const slot = await bus.subscribe<number>(pattern, { gaps: true });
    let lastOrder = 0;
    const take = (item: Awaited<ReturnType<typeof slot.read>>): void => {
      if (item === undefined) return;
      if ('gap' in item) {
        account.gaps.push(item.gap.missed);
        return;
      }
      const expected = account.counts[item.sender] ?? 0;
      if (item.data !== expected && account.faults.length < 10)
        account.faults.push(`${item.data} came instead of ${expected}`);
      account.counts[item.sender] = item.data + 1;
      account.ordered &&= item.order > lastOrder;
      lastOrder = item.order;
    };
    kept.pending = (async () => {
      for await (const batch of slot.batches()) for (const item of batch) take(item);
    })();
    kept.notes = [account];
  }, pattern);
  return child;
}

/** Publishes 0, 1, 2 … from now on, as fast as the bus takes them. */
export async function publisher(directory: string, subject: string): Promise<ChildPeer> {
  const child = await childPeer(directory, { host: 'never' });
  await child.run(({ bus, kept }, subject) => {
    kept.stop = false;
    kept.notes = [0];
    kept.pending = (async () => {
      for (let number = 0; !kept.stop; number += 1) {
        await bus.publish(subject, number);
        kept.notes = [number + 1];
      }
    })();
  }, subject);
  return child;
}

/** Stops a publisher; resolves to how many messages it has published, when each of them is taken everywhere. */
export function finish(child: ChildPeer): Promise<number> {
  return child.run(async ({ bus, kept }) => {
    kept.stop = true;
    await kept.pending;
    await bus.publish('finished', undefined, { confirm: true });
    return kept.notes[0] as number;
  });
}

export function accountOf(child: ChildPeer): Promise<Account> {
  return child.run(({ kept }) => kept.notes[0] as Account);
}

/** Resolves when this receiver has got more from this publisher than now. */
export async function flows(child: ChildPeer, from: ChildPeer): Promise<void> {
  const before = (await accountOf(child)).counts[from.id] ?? 0;
  await eventually(
    async () => ((await accountOf(child)).counts[from.id] ?? 0) > before + 100,
    'the flow of messages',
  );
}

/** The one of them that hosts, once one does. */
export function hostAmong(children: readonly ChildPeer[]): Promise<ChildPeer> {
  return eventually(async () => {
    for (const child of children) if (await child.run(({ bus }) => bus.hosting)) return child;
    return undefined;
  }, 'a host');
}
