// `--publish`: what was measured, written into README.md, docs/PERFORMANCE.md and the picture that both show. Only what
// stands between the markers changes.
import { readFile, writeFile } from 'node:fs/promises';
import { formatFigures, formatSummary, replaceBlock } from './markdown.mjs';
import { formatPicture } from './picture.mjs';

const fileAt = (path) => new URL(`../../${path}`, import.meta.url);

export async function publish(results) {
  await replaceIn('README.md', formatSummary(results));
  await replaceIn('docs/PERFORMANCE.md', formatFigures(results));
  await writeFile(fileAt('docs/performance.svg'), formatPicture(results));
  console.log('README.md, docs/PERFORMANCE.md and docs/performance.svg show these numbers');
}

async function replaceIn(path, block) {
  await writeFile(fileAt(path), replaceBlock(await readFile(fileAt(path), 'utf8'), block));
}
