// The floats of CBOR: 2, 4 or 8 bytes, big-endian, at any offset.

const scratch = new DataView(new ArrayBuffer(8));

/** The float of `size` (2, 4 or 8) bytes at `at`. */
export function readFloat(bytes: Uint8Array, at: number, size: number): number {
  if (size === 2) return readHalf((bytes[at]! << 8) | bytes[at + 1]!);
  for (let i = 0; i < size; i += 1) scratch.setUint8(i, bytes[at + i]!);
  return size === 4 ? scratch.getFloat32(0) : scratch.getFloat64(0);
}

function readHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Writes a float of 8 bytes at `at`. */
export function writeFloat64(bytes: Uint8Array, at: number, value: number): void {
  scratch.setFloat64(0, value);
  for (let i = 0; i < 8; i += 1) bytes[at + i] = scratch.getUint8(i);
}

/** Writes a float of 4 bytes at `at`; `value` must be one exactly. */
export function writeFloat32(bytes: Uint8Array, at: number, value: number): void {
  scratch.setFloat32(0, value);
  for (let i = 0; i < 4; i += 1) bytes[at + i] = scratch.getUint8(i);
}
