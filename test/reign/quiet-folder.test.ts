// Every process of a bus watches its folder: nothing may happen there while the host stays the same.
import { watch } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { afterwards, busOf, joinBus } from '../support/scratch.js';
import { eventually } from '../support/waiting.js';

describe.runIf(process.platform === 'linux')('the folder that all watch', () => {
  it('tells of no change while peers come and go and values are kept, only of a new host', async () => {
    const [host, peer] = await busOf(2, { will: { subject: 'gone', data: 1 } });
    const { directory, epoch } = host!;
    const changed: (string | null)[] = [];
    const watcher = watch(directory, (_, name) => changed.push(name));
    afterwards(() => watcher.close());
    for (let round = 0; round < 5; round += 1) {
      const guest = await joinBus(`${directory}/..`, { hostThread: 'inline' });
      await guest.publish('kept', round, { retain: true, confirm: true });
      await guest.close();
    }
    await host!.close();
    await eventually(() => peer!.state === 'connected' && peer!.epoch > epoch, 'the next host');
    // events come in the order of what happened
    await eventually(() => changed.length > 0, 'a change to be told');
    expect(changed[0]).toBe(`e${peer!.epoch}`);
  });
});
