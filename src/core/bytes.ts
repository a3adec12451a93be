/** Memory of smaller arrays is not worth any care. */
const LARGE_FROM_BYTES = 4096;

/** In bytes. */
export function totalLength(parts: readonly Uint8Array[]): number {
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.length;
  return sizeBytes;
}

/** A new array holding all of `parts`, in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = uninitialized(totalLength(parts));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** A new array in which anything may be: the caller writes to all of it. */
export function uninitialized(sizeBytes: number): Uint8Array {
  if (sizeBytes < LARGE_FROM_BYTES) return new Uint8Array(sizeBytes);
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}

/**
 * Gives the memory of `bytes`, which are empty afterwards, back at once: the collector would let some 30 MiB of it lie. Only
 * for what nobody else holds; a part of a larger buffer is left alone.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length < LARGE_FROM_BYTES || bytes.length !== buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** Equality of public values. Not constant-time: nothing secret is compared with it. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** @throws {SyntaxError} when `text` is not an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.fromHex(text);
}

const asciiDecoder = new TextDecoder("latin1");

/** One character per byte; for fields already known to be ASCII. */
export function toAscii(bytes: Uint8Array): string {
  return asciiDecoder.decode(bytes);
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function u16le(value: number): Uint8Array {
  const out = new Uint8Array(2);
  new DataView(out.buffer).setUint16(0, value, true);
  return out;
}

export function u32le(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

export function u64le(value: number | bigint): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true);
  return out;
}

export function u32be(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function u64be(value: number | bigint): Uint8Array {
  return u64le(value).reverse();
}
