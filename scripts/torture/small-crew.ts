// The crew of the parts in which hosts are not killed: a few of each kind, so that little else disturbs what is measured.
import { Crew, type Task } from './crew.js';

const EVERYTHING = '*.*';

/** They may host, and so come first. */
const candidates = [1, 2, 3].map(
  (number): Task => ({
    label: `candidate ${number}`,
    host: 'auto',
    publish: { subject: `c.n${number}`, bytes: 0, confirmEvery: 1 },
    slot: { pattern: EVERYTHING, options: {} },
  }),
);
const others: readonly Task[] = [
  { label: 'reader', host: 'never', slot: { pattern: EVERYTHING, options: {} } },
  { label: 'blocking reader', host: 'never', blocks: true, slot: { pattern: EVERYTHING, options: {} } },
  { label: 'publisher a', host: 'never', publish: { subject: 'n.a', bytes: 0, confirmEvery: 0 } },
  { label: 'publisher b', host: 'never', publish: { subject: 'n.b', bytes: 1_000, confirmEvery: 100 } },
];

/** On a new bus in this folder; everybody publishes who does. */
export async function startSmallCrew(directory: string): Promise<Crew> {
  const crew = new Crew(directory);
  for (const tasks of [candidates, others])
    await Promise.all(tasks.map((task) => crew.add(task)).map((member) => member.ready()));
  for (const member of crew.members) member.publish();
  return crew;
}
