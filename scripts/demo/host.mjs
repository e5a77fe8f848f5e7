// Hosts the bus of the demo and does nothing else.
import { startHost } from 'mailslot';
import { deliver, leave, ready } from './cue.mjs';

const host = await startHost('demo');
await ready();
await deliver({});
await host.close();
leave();
