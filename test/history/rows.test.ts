// Messages in a row are one record of a history. The checker finds in such a history what it finds in the same one with a
// record for each message: here in random readings of three slots, most of which something is wrong with.
import { expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/fuzz/seeded-random.js';
import { checkHistory, type Rule } from './checker.js';
import { History, type HistoryRecord } from './history.js';

const SENDERS = ['a', 'b'];
const SLOTS = ['x', 'y', 'z'];
const SUBJECTS = ['s', 't'];
const SEEDS = 250;

interface Sent {
  sender: string;
  sequence: number;
  subject: string;
}

type Step =
  | (Sent & { op: 'publish'; confirm: boolean })
  | { op: 'withdraw'; sender: string; sequence: number; certain: boolean }
  | (Sent & { op: 'read'; slot: string; order: number })
  | { op: 'gap' | 'hold' | 'confirm' | 'open'; slot: string; sender: string; sequence: number };

/** Two senders publish, each slot reads all that or nearly so. */
function drawSteps(random: SeededRandom): Step[] {
  const isLikely = (percent: number): boolean => random.below(100) < percent;
  const faults = random.pick([0, 1, 3]);
  const sent: Sent[] = [];
  const steps: Step[] = [];
  const other = { sender: 'a', sequence: 1 };
  const counts = new Map(SENDERS.map((sender) => [sender, 0]));
  for (const slot of SLOTS.slice(0, 2)) steps.push({ op: 'open', slot, ...other });
  for (let burst = 0; burst < 6; burst += 1) {
    const sender = random.pick(SENDERS);
    const subject = random.pick(SUBJECTS);
    if (burst === 3) steps.push({ op: 'open', slot: 'z', ...other });
    for (let left = 1 + random.below(8); left > 0; left -= 1) {
      const sequence = counts.get(sender)! + 1;
      counts.set(sender, sequence);
      sent.push({ sender, sequence, subject });
      steps.push({ op: 'publish', sender, sequence, subject, confirm: isLikely(5) });
      if (isLikely(faults))
        steps.push({ op: 'withdraw', sender, sequence: 1 + random.below(sequence), certain: isLikely(50) });
    }
  }
  for (const slot of SLOTS) {
    const [some, others] = [random.below(40), isLikely(10 * faults) ? 1 : 0];
    for (const [index, message] of sent.entries()) {
      const order = 100 + index + (index > some ? others : 0);
      const skipped = isLikely(faults);
      if (isLikely(faults)) steps.push({ op: 'hold', slot, ...message });
      if (isLikely(faults)) steps.push({ op: 'confirm', slot, ...message });
      if (isLikely(faults) || (skipped && isLikely(50))) steps.push({ op: 'gap', slot, ...message });
      if (!skipped) steps.push({ ...message, op: 'read', slot, order });
      if (isLikely(faults)) steps.push({ ...message, op: 'read', slot, order: order + random.below(2) });
    }
  }
  return steps;
}

function write(steps: readonly Step[], inRows: boolean): readonly HistoryRecord[] {
  const history = new History(() => 0);
  for (const step of steps) {
    const { slot, sender, sequence } = { slot: '', ...step };
    const [process, place] = ['r', { process: 'r', slot }];
    if (step.op === 'publish') {
      const { subject, confirm } = step;
      if (inRows && !confirm) history.published(sender, sequence, subject);
      else
        history.note({
          op: 'published',
          process: sender,
          sequence,
          subject,
          ...(confirm ? { confirm } : {}),
        });
    } else if (step.op === 'withdraw') {
      history.note({ op: 'unpublished', process: sender, sequence, certain: step.certain });
    } else if (step.op === 'read') {
      const message = { sender, sequence, order: step.order, epoch: 1 };
      if (inRows) history.read(place, message);
      else history.note({ op: 'read', ...place, ...message });
    } else if (step.op === 'open') {
      const pattern = slot === 'y' ? 's' : '>';
      history.note({ op: 'opened', process, slot, pattern, overflow: 'wait', capacity: 5 });
    } else if (step.op === 'gap') history.note({ op: 'gap', process, slot, missed: 1 });
    else if (step.op === 'hold') history.note({ op: 'held', process, slot, count: sequence });
    else history.note({ op: 'confirmed', process: sender, sequence, receivers: 1, order: 1 });
  }
  return history.records;
}

it('M2: a row of messages is judged as each of them is', () => {
  const found = new Map<Rule, number>();
  let [rows, singles] = [0, 0];
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const steps = drawSteps(new SeededRandom(seed));
    const [joined, apart] = [write(steps, true), write(steps, false)];
    const [rules, expected] = [joined, apart].map(
      (records) => new Set(checkHistory(records, { atRest: true }).map(({ rule }) => rule)),
    ) as [Set<Rule>, Set<Rule>];
    expect(rules, `seed ${seed}`).toEqual(expected);
    for (const rule of rules) found.set(rule, (found.get(rule) ?? 0) + 1);
    rows += joined.length;
    singles += apart.length;
  }
  expect(singles / rows).toBeGreaterThan(2);
  const rules = ['early-receipt', 'fifo', 'gap-too-large', 'invented', 'order', 'silent-loss'];
  expect([...found.keys()].sort()).toEqual([...rules, 'unsettled-confirm']);
});
