// One process of slots.ts: hosts, publishes counted numbers as fast as it can, reads too slowly, or comes and goes.
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { openBus, startHost } from 'mailslot';

/** Each subject is one of so many. */
const SUBJECTS = 80;
const POLICIES = ['drop-oldest', 'drop-newest', 'drop-incoming', 'conflate', 'wait'];
const CAPACITY = 500;
/** Who reads too slowly lets others have their turn so often. */
const READS_PER_TURN = 200;
/** Who joins reads so many. */
const JOINER_READS = 10_000;
const REPORT_INTERVAL = 250;

const { directory, role, stallTimeout } = JSON.parse(process.argv[2]);
process.on('disconnect', () => process.exit());
const join = () => openBus('test', { directory, host: 'never', timeout: 30_000 });

async function publish() {
  const bus = await join();
  let published = 0;
  let isStopping = false;
  await bus.respond('count', () => published);
  process.once('message', () => {
    isStopping = true;
  });
  process.send({ ready: true });
  setInterval(() => process.send({ published }), REPORT_INTERVAL);
  while (!isStopping) {
    published += 1;
    await bus.publish(`n.s${published % SUBJECTS}`, published);
  }
  await bus.publish('n.end', ++published, { confirm: true });
  process.send({ total: published });
}

/** Reads a slot in bursts, and keeps count of what came and of what was announced as missing. */
async function readBehind(slot, account, isSlow) {
  let last = 0;
  for await (const item of slot) {
    if (item.gap !== undefined) account.announced += item.gap.missed;
    else {
      account.delivered += 1;
      if (item.data <= last) account.disordered += 1;
      last = item.data;
    }
    if (isSlow && account.delivered % READS_PER_TURN === 0) await turn();
  }
}

async function read() {
  const bus = await join();
  const accounts = [];
  for (const overflow of POLICIES) {
    const slot = await bus.subscribe('n.*', { overflow, capacity: CAPACITY, gaps: true });
    const account = { overflow, delivered: 0, announced: 0, disordered: 0 };
    accounts.push({ slot, account });
    void readBehind(slot, account, overflow !== 'wait');
  }
  // nobody ever reads this one
  await bus.subscribe('n.*', { capacity: CAPACITY, stallTimeout });
  process.send({ ready: true });
  process.once('message', async () => {
    while (accounts.some(({ slot }) => slot.info.messageCount > 0)) await pause(5);
    await pause(50);
    process.send({
      accounts: accounts.map(({ slot, account }) => ({ ...account, missed: slot.info.missed })),
    });
  });
}

/** Joins, asks how far the publisher is, and reads on from there: the next one has to come, and all behind it. */
async function comeAndGo() {
  for (let joined = 1; ; joined += 1) {
    const bus = await join();
    const slot = await bus.subscribe('n.*');
    const { data: already } = await bus.query('count');
    let last;
    let reads = 0;
    for await (const { data } of slot) {
      const isDue = last === undefined ? data <= already + 1 : data === last + 1;
      if (!isDue)
        process.send({
          fault: `number ${data} came ${last === undefined ? 'first' : `behind ${last}`}, ${already} were published`,
        });
      last = data;
      reads += 1;
      if (reads === JOINER_READS) break;
    }
    await bus.close();
    process.send({ joined, ready: true });
  }
}

if (role === 'host') {
  await startHost('test', { directory });
  process.send({ ready: true });
} else if (role === 'publisher') await publish();
else if (role === 'reader') await read();
else await comeAndGo();
