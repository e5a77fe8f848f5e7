// Writes test/vectors from the sources:  npx tsx scripts/make-vectors.ts
// The files are frozen. Run it only to add vectors, and look at every line that changes: see test/vectors/README.md.
import { writeFileSync } from 'node:fs';
import { controlFaults, controlSamples } from './vectors/control.js';
import { frameFaults, frameSamples, streamOf } from './vectors/frames.js';
import { subjectSamples } from './vectors/subjects.js';
import { refusedValues, valueSamples } from './vectors/values.js';

const frames = frameSamples();
const files = {
  frames: { frames, stream: streamOf(frames), faults: frameFaults() },
  control: { accepted: controlSamples(), refused: controlFaults() },
  values: { accepted: valueSamples(), refused: refusedValues },
  subjects: subjectSamples(),
};

for (const [name, content] of Object.entries(files)) {
  const path = new URL(`../test/vectors/${name}.json`, import.meta.url);
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
}
