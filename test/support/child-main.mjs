// The program of a child peer: joins a bus, and carries out the functions that the test sends as text.
import * as mailslot from '../../dist/index.js';

const { directory, options } = JSON.parse(process.argv[2]);
const bus = await mailslot.openBus('test', { timeout: 15_000, ...options, directory });
const kept = {};

process.on('message', async ({ id, source, input }) => {
  try {
    const task = new Function(`return ${source}`)();
    process.send({ id, output: await task({ bus, mailslot, kept }, input) });
  } catch (error) {
    const { message, code, stack } = error;
    process.send({ id, error: { message, code, stack } });
  }
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.send({ ready: bus.id });
