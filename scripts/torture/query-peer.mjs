// One process of queries.ts: asks without pause, answers, or keeps silent. Who asks tells what became of its queries; who
// may host tells whether it does.
import { openBus } from 'mailslot';

const ASKED_AT_ONCE = 64;
const SHORTEST_TIMEOUT = 50;
const LONGEST_TIMEOUT = 1_000;
const ECHO = 'queries.echo';
const SILENT = 'queries.silent';
/** One query in so many goes to somebody who never answers. */
const SILENCE = 50;
const REPORT_INTERVAL = 250;
/** What is open so long after its deadline hangs. */
const HANGS_AFTER = 5_000;

const { directory, role } = JSON.parse(process.argv[2]);
process.on('disconnect', () => process.exit());
const bus = await openBus('test', {
  directory,
  host: role === 'candidate' ? 'auto' : 'never',
  timeout: 30_000,
  reconnectTimeout: 120_000,
});

const open = new Set();
const outcomes = {};
/** How many outcomes came so many ms after the deadline. */
const late = {};
let settled = 0;
let hanging = 0;
let isStopping = false;

const count = (counts, what) => {
  counts[what] = (counts[what] ?? 0) + 1;
};

async function ask(number) {
  const timeout = Math.round(SHORTEST_TIMEOUT + Math.random() * (LONGEST_TIMEOUT - SHORTEST_TIMEOUT));
  const query = { deadline: performance.now() + timeout, isHanging: false };
  const subject = number % SILENCE === 0 ? SILENT : ECHO;
  let timedOut = false;
  open.add(query);
  try {
    const { data } = await bus.query(subject, number, { timeout });
    count(outcomes, data === number ? 'answered' : 'a wrong answer');
  } catch (error) {
    // who keeps silent is one process, which a new host may have gone on without
    const isAlone = error.code === 'MAILSLOT_NO_RESPONDER' && subject === SILENT;
    count(outcomes, isAlone ? 'nobody to keep silent' : (error.code ?? String(error)));
    timedOut = error.code === 'MAILSLOT_TIMEOUT';
  }
  const overdue = performance.now() - query.deadline;
  if (timedOut || overdue > 0) count(late, Math.max(0, Math.round(overdue)));
  open.delete(query);
  settled += 1;
}

async function askOn(first) {
  for (let number = first; !isStopping; number += ASKED_AT_ONCE) await ask(number);
}

function report(isLast) {
  for (const query of open) {
    if (query.isHanging || performance.now() < query.deadline + HANGS_AFTER) continue;
    query.isHanging = true;
    hanging += 1;
  }
  process.send({ settled, open: open.size, hanging, outcomes, late, isLast });
}

if (role === 'candidate') {
  const tell = () => process.send({ hosting: bus.hosting });
  const handled = new Set();
  await bus.respond(ECHO, ({ data, sender }) => {
    const query = `${sender} ${data}`;
    if (handled.has(query)) process.send({ hosting: bus.hosting, repeated: 1 });
    handled.add(query);
    return data;
  });
  tell();
  for await (const { type } of bus.events()) if (type === 'connected' || type === 'took-over') tell();
} else if (role === 'silent') {
  await bus.respond(SILENT, () => new Promise(() => {}));
  process.send({ hosting: false });
} else {
  const asking = Array.from({ length: ASKED_AT_ONCE }, (_, index) => askOn(index + 1));
  const reporting = setInterval(() => report(false), REPORT_INTERVAL);
  process.once('message', async () => {
    isStopping = true;
    await Promise.all(asking);
    clearInterval(reporting);
    report(true);
  });
}
