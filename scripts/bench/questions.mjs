// Measuring whatever answers questions with themselves. For systems whose asker is a function that returns a
// promise of the reply.
import { makePayload, readStamp, stamp } from './payload.mjs';

/**
 * The asker role on top of `ask(question)`, which resolves to the reply's bytes. Every question carries a number
 * of its own, and its reply has to carry the same.
 */
export function makeAsker(size, ask) {
  let number = 0;

  async function askChecked(question) {
    const mine = number++;
    stamp(question, 0, mine);
    const reply = await ask(question);
    if (reply.length !== size || readStamp(reply, 0) !== mine)
      throw new Error('the reply is not the question');
  }

  return {
    /** Milliseconds of each of `count` round trips. */
    async askOneByOne(count) {
      const question = makePayload(size);
      const times = [];
      for (let index = 0; index < count; index++) {
        const startedAt = performance.now();
        await askChecked(question);
        times.push(performance.now() - startedAt);
      }
      return times;
    },

    /** Milliseconds for `count` round trips, `width` of them under way at any time. */
    async askInFlight(count, width) {
      let unasked = count;
      const askOnAndOn = async () => {
        const question = makePayload(size);
        while (unasked-- > 0) await askChecked(question);
      };
      const startedAt = performance.now();
      await Promise.all(Array.from({ length: width }, askOnAndOn));
      return performance.now() - startedAt;
    },
  };
}
