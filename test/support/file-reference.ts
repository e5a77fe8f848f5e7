// What a frame has in place of data that is in a file.
import { type FileReference, referenceBytes, writeFileReference } from '../../src/wire/file-reference.js';

export function referenceData(reference: FileReference): Buffer {
  const data = Buffer.alloc(referenceBytes(reference));
  writeFileReference(data, 0, reference);
  return data;
}
