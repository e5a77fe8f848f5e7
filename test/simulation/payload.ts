// The data of simulated messages: the sender's count alone, or that and bytes that follow from it, so that a receiver sees
// whether they are still what was sent.
const COUNT_BYTES = 4;

export function makePayload(sequence: number, length: number): Uint8Array {
  const bytes = new Uint8Array(COUNT_BYTES + length).fill(sequence & 0xff);
  new DataView(bytes.buffer).setUint32(0, sequence);
  return bytes;
}

/** @throws Error when a byte is not what its sender wrote */
export function readPayload(data: unknown): number {
  if (typeof data === 'number') return data;
  if (!(data instanceof Uint8Array) || data.length < COUNT_BYTES) throw new Error('a message lost its data');
  const sequence = new DataView(data.buffer, data.byteOffset).getUint32(0);
  // a loop, because a callback for each byte was a thirtieth of all that a simulated run costs
  for (let at = COUNT_BYTES; at < data.length; at += 1)
    if (data[at] !== (sequence & 0xff)) throw new Error(`the data of message ${sequence} was changed`);
  return sequence;
}
