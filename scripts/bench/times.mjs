// How long something takes to open, many times in one process.

/** Milliseconds of each of `count` calls of `open`, which gets what `prepare` made; only `open` is timed. */
export async function timesOf(count, { prepare = () => undefined, open, close }) {
  const times = [];
  for (let round = 0; round < count; round++) {
    const prepared = await prepare();
    const startedAt = performance.now();
    const opened = await open(prepared);
    times.push(performance.now() - startedAt);
    await close(opened);
  }
  return times;
}
