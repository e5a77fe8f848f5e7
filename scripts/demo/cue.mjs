// A child's side of its channel to the demo (children.mjs is the other): it says how far it is, and waits for
// its cue. When the channel breaks the demo is gone or wants this process gone, and it ends at once.
const cleanups = [];

function endAbandoned() {
  for (const cleanup of cleanups) cleanup();
  process.exit(1);
}
process.once('disconnect', endAbandoned);
// Ctrl-C reaches the whole process group; the demo hears it as well and breaks the channel.
process.on('SIGINT', () => {});

// The channel may break at any time: that is for endAbandoned to hear, not an error of the sender.
const say = (message) => process.send(message, () => {});

const heard = (cue) =>
  new Promise((resolve) => {
    const listen = (message) => {
      if (message !== cue) return;
      process.off('message', listen);
      resolve();
    };
    process.on('message', listen);
  });

/** Says that this process is prepared; resolves when the run begins. */
export function ready() {
  const begun = heard('run');
  say({ ready: true });
  return begun;
}

/** Says how many bytes this process has seen. */
export const progress = (bytes) => say({ progress: bytes });

/** Hands in what this process has to show; resolves when nobody needs it any more. */
export function deliver(result) {
  const dismissed = heard('finish');
  say({ result });
  return dismissed;
}

/** Lets the process end by itself, once nothing else keeps it. */
export function leave() {
  process.off('disconnect', endAbandoned);
  process.disconnect();
}

/** Runs `cleanup` before this process ends because the demo did. */
export const onAbandoned = (cleanup) => cleanups.push(cleanup);
