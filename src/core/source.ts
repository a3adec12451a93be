/** Random access to bytes that are too large to hold: a file, a view of one, or memory. */
export interface ByteSource {
  readonly sizeBytes: number;
  /**
   * Exactly `sizeBytes` bytes from `offset`. The result may share memory with the source and is valid
   * until the next call; copy what must last.
   * @throws {RangeError} when the range is not inside the source.
   */
  read(offset: number, sizeBytes: number): Uint8Array;
}

/** How much a sequential pass reads at a time. */
const PASS_BYTES = 1024 * 1024;

export function checkRange(source: ByteSource, offset: number, sizeBytes: number): void {
  if (offset < 0 || sizeBytes < 0 || offset + sizeBytes > source.sizeBytes) {
    throw new RangeError(
      `read of ${sizeBytes} bytes at ${offset} is outside of ${source.sizeBytes} bytes`,
    );
  }
}

export function memorySource(bytes: Uint8Array): ByteSource {
  const source: ByteSource = {
    sizeBytes: bytes.length,
    read(offset, sizeBytes) {
      checkRange(source, offset, sizeBytes);
      return bytes.subarray(offset, offset + sizeBytes);
    },
  };
  return source;
}

/** The `sizeBytes` bytes of `source` at `offset`. */
export function part(source: ByteSource, offset: number, sizeBytes: number): ByteSource {
  checkRange(source, offset, sizeBytes);
  const view: ByteSource = {
    sizeBytes,
    read(at, count) {
      checkRange(view, at, count);
      return source.read(offset + at, count);
    },
  };
  return view;
}

/** `source` as if the `sizeBytes` bytes at `offset` were not there. */
export function without(source: ByteSource, offset: number, sizeBytes: number): ByteSource {
  checkRange(source, offset, sizeBytes);
  const view: ByteSource = {
    sizeBytes: source.sizeBytes - sizeBytes,
    read(at, count) {
      checkRange(view, at, count);
      if (at >= offset) return source.read(at + sizeBytes, count);
      if (at + count <= offset) return source.read(at, count);
      const out = new Uint8Array(count);
      out.set(source.read(at, offset - at));
      out.set(source.read(offset + sizeBytes, count - (offset - at)), offset - at);
      return out;
    },
  };
  return view;
}

/** The first `sizeBytes` bytes of `source`, with zeros in the given ranges. */
export function masked(
  source: ByteSource,
  sizeBytes: number,
  ranges: readonly { readonly offset: number; readonly sizeBytes: number }[],
): ByteSource {
  checkRange(source, 0, sizeBytes);
  const view: ByteSource = {
    sizeBytes,
    read(at, count) {
      checkRange(view, at, count);
      const bytes = source.read(at, count);
      const touched = ranges.filter(
        (range) => range.offset < at + count && at < range.offset + range.sizeBytes,
      );
      if (touched.length === 0) return bytes;
      const out = Uint8Array.from(bytes);
      for (const range of touched) {
        out.fill(0, Math.max(0, range.offset - at), range.offset + range.sizeBytes - at);
      }
      return out;
    },
  };
  return view;
}

/** Calls `visit` with successive pieces that cover the source once, in order. */
export function forEachPiece(
  source: ByteSource,
  visit: (piece: Uint8Array, offset: number) => void,
): void {
  for (let offset = 0; offset < source.sizeBytes; offset += PASS_BYTES) {
    visit(source.read(offset, Math.min(PASS_BYTES, source.sizeBytes - offset)), offset);
  }
}
