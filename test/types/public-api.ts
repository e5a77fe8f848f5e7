// Uses every public name as a program would; it is compiled against dist and never run (see ../types.test.ts).
// Its settings are those of a careful user: no DOM, no newer library than ES2022, declarations checked as well.
import {
  type Bus,
  type BusEvent,
  type BusStats,
  type Claim,
  type Gap,
  type LeaveCause,
  MailslotError,
  type MailslotErrorCode,
  type Message,
  openBus,
  type Receipt,
  type Slot,
  startHost,
  type Will,
} from 'mailslot';

/** Compiles only when the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(..._proof: Same<A, B> extends true ? [] : [never]): void => {};

interface Mail {
  title: string;
  size: bigint;
}

const { signal } = new AbortController();
const mail: Mail = { title: 'hello', size: 1n };

export async function opening(): Promise<Bus> {
  const bus = await openBus('my-app', {
    host: 'never',
    hostThread: 'inline',
    label: 'types',
    directory: '/tmp/bus',
    timeout: 100,
    windowBytes: 1024,
    maxMessageBytes: 1024,
    reconnectTimeout: 1000,
    signal,
    will: { subject: 'mail.gone', data: mail, headers: { trace: '1' }, retain: true } satisfies Will,
  });
  same<typeof bus, Bus>();
  // @ts-expect-error a bus may not be told to host
  await openBus('my-app', { host: 'always' });
  // @ts-expect-error a will has a subject
  await openBus('my-app', { will: { data: 1 } });
  // @ts-expect-error misspelt
  await openBus('my-app', { timeOut: 100 });
  // @ts-expect-error the name is not optional
  await openBus();
  return bus;
}

export async function hosting(): Promise<void> {
  await using host = await startHost('my-app', {
    ...({ directory: '/tmp/bus', hostThread: 'inline', timeout: 100, signal } as const),
  });
  same<typeof host.endpoint, string>();
  same<typeof host.epoch, number>();
  void host.peers;
  await host.closed;
  await host.drain();
  await host.close();
}

export async function state(bus: Bus): Promise<void> {
  same<typeof bus.id, string>();
  same<typeof bus.name, string>();
  same<typeof bus.directory, string>();
  same<typeof bus.epoch, number>();
  same<typeof bus.hosting, boolean>();
  same<typeof bus.state, 'connecting' | 'connected' | 'reconnecting' | 'draining' | 'closed'>();
  bus.ref();
  bus.unref();
  // @ts-expect-error only the bus changes its state
  bus.state = 'closed';
  const stats = bus.stats();
  same<typeof stats, BusStats>();
  same<typeof stats.rates.published.bytes, number>();
  void stats.slots.map(({ pattern, drops }) => [
    pattern,
    drops.overflow,
    drops.stalled,
    drops.expired,
    drops.lost,
  ]);
  for (const peer of await bus.peers()) {
    same<typeof peer.id, string>();
    same<typeof peer.label, string>();
    same<typeof peer.pid, number>();
    same<typeof peer.hosting, boolean>();
    void [peer.connectedAt, peer.slots, peer.responders];
  }
  await bus.drain({ timeout: 100 });
  await bus.close();
  void (await bus.closed);
}

export async function publishing(bus: Bus): Promise<void> {
  const admitted = await bus.publish('mail.new');
  same<typeof admitted, void>();
  await bus.publish('mail.new', mail, { headers: { trace: '1' }, to: bus.id, echo: false, signal });
  await bus.publish('mail.new', mail, { retain: true, ttl: 60_000 });
  const receipt = await bus.publish('mail.new', mail, { confirm: true });
  same<typeof receipt, Receipt>();
  same<typeof receipt.receivers, number>();
  same<typeof receipt.order, number>();
  // @ts-expect-error without confirm there is no receipt
  void (await bus.publish('mail.new', mail, { confirm: false })).order;
  // @ts-expect-error headers are text
  await bus.publish('mail.new', mail, { headers: { trace: 1 } });
}

export async function subscribing(bus: Bus): Promise<void> {
  await using slot = await bus.subscribe<Mail>('mail.*', {
    capacity: 10,
    capacityBytes: 1024,
    overflow: 'drop-oldest',
    stallTimeout: 1000,
    group: 'readers',
    retained: false,
    signal,
  });
  same<typeof slot, Slot<Mail>>();
  for await (const message of slot) received(message);
  for await (const batch of slot.batches()) same<typeof batch, Message<Mail>[]>();
  const next = await slot.read({ timeout: 0, signal });
  same<typeof next, Message<Mail> | undefined>();
  const peeked = slot.peek();
  same<typeof peeked, Message<Mail> | undefined>();
  const { messageCount, nextBytes, maxMessageBytes, capacity, dropped, missed, expired } = slot.info;
  same<typeof nextBytes, number | undefined>();
  void [messageCount, maxMessageBytes, capacity, dropped, missed, expired];
  await slot.consume((message) => received(message), { concurrency: 2 });
  await slot.drain();
  const { unread } = await slot.close();
  same<typeof unread, number>();
  await bus.subscribe<Mail>('mail.*', (message) => received(message), { capacity: 10 });
  const untyped = await bus.subscribe('>');
  same<typeof untyped, Slot<unknown>>();
  // @ts-expect-error no such policy
  await bus.subscribe('>', { overflow: 'drop-everything' });
}

export async function gaps(bus: Bus): Promise<void> {
  const slot = await bus.subscribe<Mail>('mail.*', { gaps: true });
  for await (const element of slot) {
    same<typeof element, Message<Mail> | Gap>();
    if ('gap' in element) same<typeof element.gap.missed, number | undefined>();
    else received(element);
  }
  await bus.subscribe<Mail>('mail.*', (item) => same<typeof item, Message<Mail> | Gap>(), { gaps: true });
  await bus.subscribe<Mail>('mail.*', (item) => same<typeof item, Message<Mail>>(), { gaps: false });
}

function received(message: Message<Mail>): void {
  same<typeof message.subject, string>();
  same<typeof message.data, Mail>();
  same<typeof message.sender, string>();
  same<typeof message.order, number>();
  same<typeof message.time, Date>();
  same<typeof message.retained, boolean>();
  same<typeof message.redelivered, boolean>();
  void message.headers.trace?.length;
}

export async function asking(bus: Bus): Promise<void> {
  await using responder = await bus.respond(
    'time.now',
    (question: Message<string>, context) => {
      same<typeof context.signal, AbortSignal>();
      same<typeof context.deadline, number>();
      return question.data.length;
    },
    { concurrency: 4, signal },
  );
  same<typeof responder.open, boolean>();
  await bus.respond('time.later', async () => new Date());
  const reply = await bus.query<Date>('time.now', 'utc', { timeout: 500, headers: {}, to: bus.id, signal });
  same<typeof reply, Message<Date>>();
  for await (const part of bus.queryStream<Date>('time.passes', 1, { timeout: 500, to: bus.id, signal })) {
    same<typeof part.data, Date>();
  }
  for await (const answer of bus.queryAll<Date>('time.now', undefined, { timeout: 500, max: 3, signal })) {
    same<typeof answer.data, Date>();
    void answer.error;
  }
  await responder.close();
}

export async function claiming(bus: Bus): Promise<void> {
  await using claim = await bus.claim('mail.sender', { signal });
  same<typeof claim, Claim>();
  same<typeof claim.name, string>();
  same<typeof claim.token, number>();
  const why = await claim.lost;
  same<typeof why, Error | undefined>();
  await claim.release();
  // @ts-expect-error a claim waits as long as it takes, or until its signal
  await bus.claim('mail.sender', { timeout: 100 });
}

export async function watching(bus: Bus): Promise<void> {
  for await (const event of bus.events({ signal })) {
    same<typeof event, BusEvent>();
    if (event.type === 'gap') same<typeof event.missed, number | undefined>();
    if (event.type === 'peer-left') same<typeof event.cause, LeaveCause>();
    same<LeaveCause, 'closed' | 'crashed' | 'unresponsive' | 'refused'>();
    // @ts-expect-error no such event
    if (event.type === 'exploded') return;
  }
}

export function failing(error: unknown): MailslotErrorCode | undefined {
  if (MailslotError.is(error, 'MAILSLOT_TIMEOUT')) return error.retryable ? error.code : undefined;
  // @ts-expect-error no such code
  MailslotError.is(error, 'MAILSLOT_TIRED');
  return error instanceof MailslotError && error.cause === undefined ? error.code : undefined;
}
