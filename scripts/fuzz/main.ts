// Fuzzes what reads foreign bytes, for a given time:  npx tsx scripts/fuzz/main.ts [seconds] [seed]
// A failing input is printed as hex; it belongs into a test.
import { performance } from 'node:perf_hooks';
import { SeededRandom } from './seeded-random.js';
import { checkInput, randomInput } from './value-fuzzer.js';

const seconds = Number(process.argv[2] ?? 60);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const random = new SeededRandom(seed);
const end = performance.now() + seconds * 1000;
let inputs = 0;
let accepted = 0;

console.log(`values: seed ${seed}, ${seconds} s`);
while (performance.now() < end) {
  const input = randomInput(random);
  try {
    if (checkInput(input)) accepted += 1;
  } catch (error) {
    console.error(`input ${inputs}: ${input.toString('hex')}`);
    throw error;
  }
  inputs += 1;
}
console.log(`values: ${inputs} inputs, ${accepted} accepted, nothing found`);
