// The data of a batch, for tests that write their own.
import { writeBatchHead } from '../../src/wire/batch.js';
import { BATCH_HEAD_BYTES } from '../../src/wire/frame.js';
import { encodeValue } from '../../src/wire/values.js';

/** Of messages whose data is given as bytes, in form or not; `count` is what the batch says. */
export function batchData(items: readonly Uint8Array[], count = items.length): Buffer {
  const head = Buffer.alloc(BATCH_HEAD_BYTES);
  writeBatchHead(head, 0, count);
  // encodeValue gives bytes that the next call overwrites
  return Buffer.concat([head, ...items.map((item) => Buffer.from(encodeValue(item)))]);
}

export function batchDataOf(values: readonly unknown[]): Buffer {
  return batchData(values.map((value) => Buffer.from(encodeValue(value))));
}
