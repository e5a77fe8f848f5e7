// What a contract makes of the calls of a Bus, for the compiler. Compiled and never run, as public-api.ts.
import {
  type Bus,
  type ContractBus,
  defineContract,
  type Gap,
  type Message,
  message,
  openBus,
  query,
  type Receipt,
  type Responder,
  type Slot,
  type StandardSchema,
} from 'mailslot';
import * as v from 'valibot';
import { z } from 'zod';

/** Compiles only when the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(..._proof: Same<A, B> extends true ? [] : [never]): void => {};

declare function schemaOf<Input, Output = Input>(): StandardSchema<Input, Output>;

const contract = defineContract({
  'mail.new': message(z.object({ from: z.string(), sent: z.string().transform((text) => new Date(text)) })),
  'mail.gone': message(v.object({ id: v.number() })),
  'log.*.error': message(schemaOf<Error>()),
  'log.*.line': message(schemaOf<string>()),
  'trace.>': message(schemaOf<number>()),
  ping: message(schemaOf<undefined>()),
  'mail.find': query(z.object({ text: z.string() }), v.array(v.string())),
  'mail.count': query(schemaOf<undefined>(), schemaOf<string, number>()),
  'disk.*.free': query(schemaOf<'bytes' | 'blocks'>(), schemaOf<bigint>()),
});
type Entries = typeof contract;
interface Sent {
  from: string;
  sent: string;
}
interface Got {
  from: string;
  sent: Date;
}

export async function opening(): Promise<void> {
  const bus = await openBus('my-app', { contract, label: 'types' });
  same<typeof bus, ContractBus<Entries, 'both'>>();
  same<typeof bus, ContractBus<Entries>>();
  const sender = await openBus('my-app', { contract, validate: 'send' });
  same<typeof sender, ContractBus<Entries, 'send'>>();
  const free = await openBus('my-app', { label: 'types' });
  same<typeof free, Bus>();
  same<ReturnType<typeof bus.ref>, typeof bus>();
  same<typeof bus.id, string>();
  void (await bus.peers());
  // @ts-expect-error nobody else validates
  await openBus('my-app', { contract, validate: 'host' });
  // @ts-expect-error without a contract there is nothing to hold data against
  await openBus('my-app', { validate: 'send' });
}

export function defining(): void {
  // @ts-expect-error no validator
  message({ from: 'string' });
  // @ts-expect-error a query has an answer
  query(z.string());
  // @ts-expect-error an entry is made by message or query
  defineContract({ 'mail.new': z.string() });
}

export async function publishing(bus: ContractBus<Entries>, subject: string, name: string): Promise<void> {
  const admitted = await bus.publish('mail.new', { from: 'ann', sent: '2026-01-01' });
  same<typeof admitted, void>();
  const receipt = await bus.publish('mail.gone', { id: 1 }, { confirm: true });
  same<typeof receipt, Receipt>();
  await bus.publish('mail.gone', { id: 1 }, { headers: { trace: '1' } });
  await bus.publish('log.web.line', 'GET /');
  await bus.publish(`log.${name as 'web'}.line`, 'GET /');
  await bus.publish(`log.${name}.line`, 'GET /');
  await bus.publish('trace.a.b', 1);
  await bus.publish('ping');
  // @ts-expect-error the data is not the one of this subject
  await bus.publish('mail.gone', { from: 'ann', sent: '' });
  // @ts-expect-error what is sent is what the schema takes
  await bus.publish('mail.new', { from: 'ann', sent: new Date() });
  // @ts-expect-error there has to be data
  await bus.publish('mail.gone');
  // @ts-expect-error this one has none
  await bus.publish('ping', 1);
  // @ts-expect-error no such subject
  await bus.publish('mail.old', { id: 1 });
  // @ts-expect-error * is one token
  await bus.publish('log.a.b.line', 'GET /');
  // @ts-expect-error > is at least one token
  await bus.publish('trace', 1);
  // @ts-expect-error a pattern is no subject
  await bus.publish('log.*.line', 'GET /');
  // @ts-expect-error a query is not published
  await bus.publish('mail.find', { text: '' });
  // @ts-expect-error any text may be any subject
  await bus.publish(subject, 'GET /');
  // @ts-expect-error without confirm there is no receipt
  void (await bus.publish('ping', undefined, { confirm: false })).order;
}

export async function subscribing(bus: ContractBus<Entries>): Promise<void> {
  const one = await bus.subscribe('mail.new', { capacity: 10 });
  for await (const got of one) {
    same<typeof got.data, Got>();
    same<typeof got.subject, 'mail.new'>();
    void [got.sender, got.headers, got.order];
  }
  takesSlot(one);
  same<NonNullable<ReturnType<typeof one.peek>>['data'], Got>();
  const both = await bus.subscribe('mail.*');
  for await (const got of both) {
    same<typeof got.data, Got | { id: number }>();
    same<typeof got.subject, 'mail.new' | 'mail.gone'>();
    if (got.subject === 'mail.gone') same<typeof got.data, { id: number }>();
  }
  const read = await both.read({ timeout: 0 });
  if (read?.subject === 'mail.new') same<typeof read.data, Got>();
  const web = await bus.subscribe('log.web.>');
  for await (const got of web) {
    same<typeof got.data, Error | string>();
    same<typeof got.subject, `log.${string}.error` | `log.${string}.line`>();
  }
  const line = await bus.subscribe('log.web.line');
  for await (const got of line) same<[typeof got.subject, typeof got.data], ['log.web.line', string]>();
  const deep = await bus.subscribe('*.x.y');
  for await (const got of deep) same<typeof got.data, number>();
  const all = await bus.subscribe('>');
  for await (const got of all) {
    same<typeof got.data, Got | { id: number } | Error | string | number | undefined>();
  }
  const gaps = await bus.subscribe('mail.gone', { gaps: true });
  for await (const element of gaps) {
    if ('gap' in element) same<typeof element.gap, Gap['gap']>();
    else same<typeof element.data, { id: number }>();
  }
  await bus.subscribe('mail.gone', (item) => void ('gap' in item && item.gap.missed), { gaps: true });
  for await (const batch of one.batches()) same<(typeof batch)[number]['data'], Got>();
  await bus.subscribe('mail.*', (got) => same<typeof got.data, Got | { id: number }>(), { capacity: 1 });
  await one.consume((got) => same<typeof got.data, Got>());
  // @ts-expect-error nothing of the contract comes there
  await bus.subscribe('post.*');
  // @ts-expect-error a query is not subscribed to
  await bus.subscribe('mail.find');
  // @ts-expect-error no such policy
  await bus.subscribe('mail.*', { overflow: 'drop-everything' });
}

function takesSlot(slot: Slot<Got>): void {
  void slot;
}

export async function withoutValidationOfWhatComes(bus: ContractBus<Entries, 'send'>): Promise<void> {
  const slot = await bus.subscribe('mail.new');
  for await (const got of slot) same<typeof got.data, Sent>();
  const reply = await bus.query('mail.count');
  same<typeof reply, Message<string>>();
}

export async function asking(bus: ContractBus<Entries>): Promise<void> {
  const found = await bus.query('mail.find', { text: 'hello' }, { timeout: 100 });
  same<typeof found, Message<string[]>>();
  same<Awaited<ReturnType<typeof bus.query<'mail.count'>>>, Message<number>>();
  const free = await bus.query('disk.sda.free', 'bytes');
  same<typeof free.data, bigint>();
  for await (const reply of bus.queryAll('mail.find', { text: 'hello' }, { max: 2 })) {
    same<typeof reply, Message<string[]>>();
  }
  for await (const reply of bus.queryStream('mail.find', { text: 'hello' }, { timeout: 100 })) {
    same<typeof reply, Message<string[]>>();
  }
  await bus.respond('mail.find', async function* (question) {
    yield [question.data.text];
  });
  const responder = await bus.respond('mail.find', (question, { deadline, signal }) => {
    same<typeof question.data, { text: string }>();
    same<typeof question.subject, 'mail.find'>();
    void [deadline, signal];
    return [question.data.text];
  });
  same<typeof responder, Responder>();
  await bus.respond('mail.count', async () => '7', { concurrency: 1 });
  await bus.respond('disk.*.free', (question) => (question.data === 'bytes' ? 1n : 2n));
  // @ts-expect-error not an answer
  await bus.respond('mail.find', () => 'none');
  // @ts-expect-error what is answered is what the schema takes
  await bus.respond('mail.count', () => 7);
  // @ts-expect-error not the question
  await bus.query('mail.find', 'hello');
  // @ts-expect-error a message is not asked
  await bus.query('mail.new', { from: 'ann', sent: '' });
  // @ts-expect-error nobody asks there
  await bus.respond('post.*', () => 1);
}
