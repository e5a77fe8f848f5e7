// A host that is closed, on a bus that nobody else may host: whoever waits for its successor waits for ever.
import { startHost } from 'mailslot';
import { expect, it } from 'vitest';
import { afterwards, busFolder, joinBus } from '../support/scratch.js';
import { eventually, takeData } from '../support/waiting.js';

it('tells a publisher what a receiver took the moment before', async () => {
  const directory = busFolder();
  const host = await startHost('test', { directory });
  afterwards(() => host.close());
  const publisher = await joinBus(directory, { host: 'never' });
  const receiver = await joinBus(directory, { host: 'never' });
  const slot = await receiver.subscribe('n');
  await publisher.publish('n', 1);
  expect(await takeData(slot, 1)).toEqual([1]);
  // the acknowledgement would come a quarter of a second later
  expect(publisher.stats().window.messages).toBe(1);
  await host.close();
  await eventually(() => publisher.stats().window.messages === 0, 'nothing unsettled');
});
